"""Checks, quarantines and reports, in and out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id
from aed.registry.devices.rules import ConsumableKind, DeviceState, Readiness
from aed.registry.fields import Day, Floor, Label, PositionIn
from aed.upkeep.models import Check, Photo, Quarantine, Report
from aed.upkeep.queries.readiness import DeviceReadiness
from aed.upkeep.rules.number import short_number
from aed.upkeep.rules.policy import CheckKind, Question
from aed.upkeep.rules.quarantine import WORDS, Reason, ReportKind
from aed.upkeep.rules.states import ReportState


class ReplacedIn(BaseModel):
    """New pads or a new battery: what was fitted of that kind is taken out."""

    model_config = ConfigDict(extra="forbid")

    kind: ConsumableKind
    lot: Label | None = None
    expires_on: Day | None = Field(None, description="Left out: as long from now as the policy says")


class MovedIn(BaseModel):
    """The device was found, or put, elsewhere. What is not given stays."""

    model_config = ConfigDict(extra="forbid")

    position: PositionIn | None = None
    floor: Floor | None = None
    place_en: FreeText | None = None
    place_zh: FreeText | None = None


class CheckIn(BaseModel):
    """One check, as it was answered. Sent again under the same key it is the same check."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a10",
                    "kind": "check",
                    "answers": {"status_light": True, "pads_in_date": True, "seal": False},
                    "note": "Seal torn, otherwise fine",
                }
            ]
        },
    )

    key: UUID = Field(description="Made up by the phone, once for each check")
    kind: CheckKind = CheckKind.CHECK
    answered_at: AwareDatetime | None = Field(
        None, description="By the phone's clock; left out: now. A check may wait for a network for 60 days"
    )
    is_there: bool = True
    was_used: bool = False
    answers: dict[Question, bool] = Field({}, description="true when all is well; left out: not looked at")
    replaced: Annotated[list[ReplacedIn], Field(max_length=10)] = []
    moved: MovedIn | None = None
    recall_is_done: bool = Field(False, description="What the maker's recall asks for has been done")
    note: FreeText | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if len({each.kind for each in self.replaced}) < len(self.replaced):
            raise ValueError("replaced: each kind once")
        if self.kind is CheckKind.GLANCE and (self.replaced or self.moved or self.recall_is_done):
            raise ValueError("a glance replaces and moves nothing: send it as a check")
        if not self.is_there and (self.answers or self.replaced or self.moved or self.was_used):
            raise ValueError("of a device that is not there nothing else can be told")
        return self


class ReplacedOut(BaseModel):
    """What was fitted, and what it took the place of."""

    lot: str | None
    expires_on: date
    lot_before: str | None
    expires_on_before: date | None


class CheckOut(BaseModel):
    id: Id
    key: str
    device_id: Id
    kind: CheckKind
    answered_at: datetime
    received_at: datetime
    by: str
    is_there: bool
    was_used: bool
    answers: dict[str, bool]
    replaced: dict[ConsumableKind, ReplacedOut]
    note: str | None
    is_passed: bool
    is_late: bool = Field(description="A later check was here already: nothing followed from this one")

    @classmethod
    def of(cls, check: Check) -> CheckOut:
        return cls(
            id=check.id,
            key=check.key,
            device_id=check.device_id,
            kind=check.kind,
            answered_at=check.answered_at,
            received_at=check.received_at,
            by=check.by_name,
            is_there=check.is_there,
            was_used=check.was_used,
            answers=check.answers,
            replaced={
                ConsumableKind(kind): ReplacedOut.model_validate(each)
                for kind, each in check.replaced.items()
            },
            note=check.note,
            is_passed=check.is_passed,
            is_late=check.is_late,
        )


class QuarantineOut(BaseModel):
    """Why a device is not offered, and since when."""

    id: Id
    device_id: Id
    reason: Reason
    en: str
    zh: str
    since: datetime
    said: str | None
    recall_id: Id | None
    lifted_at: datetime | None

    @classmethod
    def of(cls, quarantine: Quarantine) -> QuarantineOut:
        en, zh = WORDS[quarantine.reason]
        return cls(
            id=quarantine.id,
            device_id=quarantine.device_id,
            reason=quarantine.reason,
            en=en,
            zh=zh,
            since=quarantine.since,
            said=quarantine.said,
            recall_id=quarantine.recall_id,
            lifted_at=quarantine.lifted_at,
        )


class WhyOut(BaseModel):
    """One reason why a device must not be used."""

    reason: Reason | Literal["expired", "out_of_service", "withdrawn"]
    en: str
    zh: str
    since: datetime | None = None


class ReadinessOut(BaseModel):
    """Whether a device would be offered today, and why not. For everyone who may see the device."""

    device_id: Id
    number: str = Field(description="What stands on its label", examples=["1234-4"])
    is_usable: bool
    readiness: Readiness
    why_not: list[WhyOut]
    last_checked_on: date | None
    first_expiry: date | None

    @classmethod
    def of(cls, found: DeviceReadiness) -> ReadinessOut:
        device = found.device
        why = [
            WhyOut(reason=each.reason, en=WORDS[each.reason][0], zh=WORDS[each.reason][1], since=each.since)
            for each in found.standing
        ]
        if not why and found.readiness is Readiness.OUT_OF_SERVICE:
            if device.state is DeviceState.WITHDRAWN:
                why.append(WhyOut(reason="withdrawn", en="no longer there", zh="已撤除"))
            else:
                said = device.out_of_service_reason or ""
                why.append(WhyOut(reason="out_of_service", en=said, zh=said))
        if found.readiness is Readiness.OUT_ON_CALL:
            why.append(WhyOut(reason="out_on_call", en="out on a call", zh="急救呼叫中"))
        if found.is_expired:
            why.append(WhyOut(reason="expired", en="pads or battery have expired", zh="电极片或电池已过期"))
        return cls(
            device_id=device.id,
            number=short_number(device.id),
            is_usable=found.readiness.is_usable,
            readiness=found.readiness,
            why_not=why,
            last_checked_on=device.last_checked_on,
            first_expiry=found.first_expiry,
        )


class CheckResultOut(BaseModel):
    """What a check brought about."""

    check: CheckOut
    device: ReadinessOut


class ReportIn(BaseModel):
    """What somebody saw in passing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "beeping"}]})

    kind: ReportKind
    note: Annotated[FreeText, Field(max_length=500)] | None = None


class ReportByNumberIn(ReportIn):
    """The same, by the number on the label."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"number": "1234-4", "kind": "beeping"}]}
    )

    number: str = Field(max_length=32, description="With or without the hyphen")


class ReportOut(BaseModel):
    id: Id
    device_id: Id
    kind: ReportKind
    note: str | None
    at: datetime
    by: str | None = Field(description="null: a stranger")
    state: ReportState
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, report: Report) -> ReportOut:
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
    """What a passer-by is told."""

    en: str = "Thank you. Whoever keeps this device has been told."
    zh: str = "谢谢！已通知该设备的AED管理员。"


class ClosedIn(BaseModel):
    """Whether what was reported is so."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "confirmed"}]})

    state: Literal[ReportState.CONFIRMED, ReportState.DISMISSED]


class PhotoOut(BaseModel):
    id: Id
    check_id: Id
    width: int
    height: int
    sha256: str = Field(description="Of the picture as it is kept")
    received_at: datetime

    @classmethod
    def of(cls, photo: Photo) -> PhotoOut:
        return cls(
            id=photo.id,
            check_id=photo.check_id,
            width=photo.width,
            height=photo.height,
            sha256=photo.sha256,
            received_at=photo.received_at,
        )


class CheckPage(BaseModel):
    """The last to arrive first. More follows when `next` is not null: send it as `cursor`."""

    checks: list[CheckOut]
    next: str | None


class QuarantinePage(BaseModel):
    """More follows when `next` is not null: send it as `cursor`."""

    quarantines: list[QuarantineOut]
    next: str | None


class ReportPage(BaseModel):
    """More follows when `next` is not null: send it as `cursor`."""

    reports: list[ReportOut]
    next: str | None
