"""Checks, quarantines and reports, in and out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.schemas import Id, Words
from aed.registry.rules.device import ConsumableKind, DeviceState
from aed.registry.schemas.fields import Day, Floor, Label, PositionIn
from aed.upkeep.models import Check, Quarantine, Report
from aed.upkeep.rules.policy import CheckKind, Question
from aed.upkeep.rules.quarantine import WORDS, Reason, ReportKind


class ReplacedIn(BaseModel):
    """New pads or a new battery: what was fitted of that kind is taken out."""

    model_config = ConfigDict(extra="forbid")

    kind: ConsumableKind
    lot: Label | None = None
    expires_on: Day


class MovedIn(BaseModel):
    """The device was found, or put, elsewhere. What is not given stays."""

    model_config = ConfigDict(extra="forbid")

    position: PositionIn | None = None
    floor: Floor | None = None
    place_en: Words | None = None
    place_zh: Words | None = None


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
    note: Words | None = None


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
    replaced: list[ConsumableKind]
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
            replaced=[ConsumableKind(each) for each in check.replaced],
            note=check.note,
            is_passed=check.is_passed,
            is_late=check.is_late,
        )


class QuarantineOut(BaseModel):
    """Why a device is not offered, and since when."""

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
            reason=quarantine.reason,
            en=en,
            zh=zh,
            since=quarantine.since,
            said=quarantine.said,
            recall_id=quarantine.recall_id,
            lifted_at=quarantine.lifted_at,
        )


class CheckedOut(BaseModel):
    """What a check brought about."""

    check: CheckOut
    device_state: DeviceState
    quarantines: list[QuarantineOut] = Field(description="That stand now")


class ReportIn(BaseModel):
    """What somebody saw in passing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "beeping"}]})

    kind: ReportKind
    note: Annotated[Words, Field(max_length=500)] | None = None


class ReportOut(BaseModel):
    id: Id
    device_id: Id
    kind: ReportKind
    note: str | None
    at: datetime
    by_stranger: bool
    closed_at: datetime | None

    @classmethod
    def of(cls, report: Report) -> ReportOut:
        return cls(
            id=report.id,
            device_id=report.device_id,
            kind=report.kind,
            note=report.note,
            at=report.at,
            by_stranger=report.by_id is None,
            closed_at=report.closed_at,
        )


class ThanksOut(BaseModel):
    """What a passer-by is told."""

    en: str = "Thank you. Whoever keeps this device has been told."
    zh: str = "谢谢！已通知该设备的责任人。"
