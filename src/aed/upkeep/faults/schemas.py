"""Request and response schemas of fault reports, quarantines and readiness."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.registry.devices.rules import AWAY, AWAY_WORDS, DeviceState, Readiness
from aed.upkeep.faults.queries import DeviceReadiness
from aed.upkeep.models import FaultReport, Quarantine
from aed.upkeep.rules import (
    QUARANTINE_WORDS,
    FaultKind,
    FaultReportState,
    QuarantineReason,
    short_number,
)


class QuarantineOut(BaseModel):
    """A quarantine: why a device must not be offered, and since when."""

    id: Id
    device_id: Id
    reason: QuarantineReason
    en: str
    zh: str
    since: datetime
    note: str | None
    recall_id: Id | None
    lifted_at: datetime | None

    @classmethod
    def of(cls, quarantine: Quarantine) -> QuarantineOut:
        en, zh = QUARANTINE_WORDS[quarantine.reason]
        return cls(
            id=quarantine.id,
            device_id=quarantine.device_id,
            reason=quarantine.reason,
            en=en,
            zh=zh,
            since=quarantine.since,
            note=quarantine.note,
            recall_id=quarantine.recall_id,
            lifted_at=quarantine.lifted_at,
        )


class UnusableReasonOut(BaseModel):
    """A reason why a device must not be used."""

    reason: QuarantineReason | Literal["expired", "out_of_service", "out_on_call", "withdrawn"]
    en: str
    zh: str
    since: datetime | None = None


class ReadinessOut(BaseModel):
    """Whether a device can be offered today, and why not. For everyone who may see the device."""

    device_id: Id
    number: str = Field(description="Short number on the device's label", examples=["1234-4"])
    is_usable: bool
    readiness: Readiness
    unusable_reasons: list[UnusableReasonOut]
    last_checked_on: date | None
    first_expiry: date | None

    @classmethod
    def of(cls, found: DeviceReadiness) -> ReadinessOut:
        device = found.device
        reason = [
            UnusableReasonOut(
                reason=each.reason,
                en=QUARANTINE_WORDS[each.reason][0],
                zh=QUARANTINE_WORDS[each.reason][1],
                since=each.since,
            )
            for each in found.active
        ]
        if not reason and found.readiness is Readiness.OUT_OF_SERVICE:
            if device.state is DeviceState.WITHDRAWN:
                reason.append(UnusableReasonOut(reason="withdrawn", en="removed", zh="已撤除"))
            else:
                by_hand = device.out_of_service_reason or ""
                en, zh = AWAY_WORDS if by_hand == AWAY else (by_hand, by_hand)
                reason.append(UnusableReasonOut(reason="out_of_service", en=en, zh=zh))
        if found.readiness is Readiness.OUT_ON_CALL:
            reason.append(
                UnusableReasonOut(reason="out_on_call", en="in use for an emergency", zh="急救呼叫中")
            )
        if found.is_expired:
            reason.append(
                UnusableReasonOut(
                    reason="expired", en="pads or battery have expired", zh="电极片或电池已过期"
                )
            )
        return cls(
            device_id=device.id,
            number=short_number(device.id),
            is_usable=found.readiness.is_usable,
            readiness=found.readiness,
            unusable_reasons=reason,
            last_checked_on=device.last_checked_on,
            first_expiry=found.first_expiry,
        )


class ReportIn(BaseModel):
    """A problem with a device."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "beeping"}]})

    kind: FaultKind
    note: Annotated[FreeText, Field(max_length=500)] | None = None


class ReportByNumberIn(ReportIn):
    """A problem with a device, identified by the number on its label."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"number": "1234-4", "kind": "beeping"}]}
    )

    number: str = Field(max_length=32, description="Short number on the label, with or without the hyphen")


class ReportOut(BaseModel):
    """A fault report."""

    id: Id
    device_id: Id
    kind: FaultKind
    note: str | None
    at: datetime
    by: str | None = Field(description="Who reported it; null for someone not signed in")
    state: FaultReportState
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, report: FaultReport) -> ReportOut:
        return cls(
            id=report.id,
            device_id=report.device_id,
            kind=report.kind,
            note=report.note,
            at=report.at,
            by=report.by_name,
            state=report.state,
            closed_at=report.closed_at,
            closed_by=report.closed_by,
        )


class ThanksOut(BaseModel):
    """The reply to a person who reported a problem."""

    en: str = "Thank you. The keeper of this device has been notified."
    zh: str = "谢谢！已通知该设备的AED管理员。"


class ClosedIn(BaseModel):
    """Whether the report is confirmed or dismissed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "confirmed"}]})

    state: Literal[FaultReportState.CONFIRMED, FaultReportState.DISMISSED]


class QuarantinePage(BaseModel):
    """A page of quarantines. If `next` is not null, send it as `cursor` for more."""

    quarantines: list[QuarantineOut]
    next: str | None


class ReportPage(BaseModel):
    """A page of fault reports. If `next` is not null, send it as `cursor` for more."""

    reports: list[ReportOut]
    next: str | None
