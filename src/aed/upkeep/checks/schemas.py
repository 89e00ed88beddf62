"""Request and response schemas of checks, photos, policies and check forms."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id, Name
from aed.registry.devices.rules import ConsumableKind
from aed.registry.fields import Day, Floor, Label, PositionIn
from aed.upkeep.checks.rules import DEFAULT_ASKS, MUST_ASK, QUESTION_WORDS
from aed.upkeep.faults.schemas import ReadinessOut
from aed.upkeep.models import Check, CheckApproval, Photo, Policy
from aed.upkeep.rules import (
    ApprovalState,
    CheckKind,
    PolicyState,
    Question,
)


class ReplacedIn(BaseModel):
    """New pads or a new battery, replacing the fitted ones of that kind."""

    model_config = ConfigDict(extra="forbid")

    kind: ConsumableKind
    lot: Label | None = None
    expires_on: Day | None = Field(
        None, description="Expiry date; default: computed from the device's policy"
    )


class MovedIn(BaseModel):
    """The new position of a device that was found or put elsewhere. Omitted fields stay unchanged."""

    model_config = ConfigDict(extra="forbid")

    position: PositionIn | None = None
    floor: Floor | None = None
    place_en: FreeText | None = None
    place_zh: FreeText | None = None


class CheckReadings(BaseModel):
    """What was read on the device, and done about it. All of it is optional."""

    model_config = ConfigDict(extra="forbid")

    seal_number: Label | None = None
    battery_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    action_taken: FreeText | None = Field(None, description="What was done about a problem")


class CheckIn(BaseModel):
    """A check as answered. Sending it again under the same key is idempotent."""

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

    key: UUID = Field(description="A new UUID for each check; a retry with the same key has no effect")
    kind: CheckKind = CheckKind.CHECK
    answered_at: AwareDatetime | None = Field(
        None, description="When the check was done, by the phone's clock; default: now; at most 60 days ago"
    )
    is_there: bool = True
    was_used: bool = False
    answers: dict[Question, bool] = Field(
        {}, description="Answer to each question: true means no problem; leave out questions not checked"
    )
    replaced: Annotated[list[ReplacedIn], Field(max_length=10)] = []
    moved: MovedIn | None = None
    recall_is_done: bool = Field(
        False, description="True if the work that the maker's recall requires has been done"
    )
    note: FreeText | None = None
    readings: CheckReadings | None = None

    @model_validator(mode="after")
    def _require_consistent(self) -> Self:
        if len({each.kind for each in self.replaced}) < len(self.replaced):
            raise ValueError("replaced: list each kind only once")
        if self.kind is CheckKind.GLANCE and (self.replaced or self.moved or self.recall_is_done):
            raise ValueError(
                "kind: a glance cannot include replaced, moved or recall_is_done; send it as a check"
            )
        if not self.is_there and (self.answers or self.replaced or self.moved or self.was_used):
            raise ValueError("is_there: if the device is not there, give nothing else but a note")
        return self


class ReplacedOut(BaseModel):
    """A replaced consumable, before and after."""

    lot: str | None
    expires_on: date
    lot_before: str | None
    expires_on_before: date | None


class ApprovalIn(BaseModel):
    """A second person's decision on a check that passed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"decision": "refused", "reason": "The photo does not show the status light"}]
        },
    )

    decision: Literal["approved", "refused", "failed"] = Field(
        description="refused: the check is to be done again; failed: the device is not all right, and is "
        "quarantined"
    )
    reason: Annotated[FreeText, Field(max_length=500)] | None = Field(
        None, description="Why it is not approved; needed unless it is"
    )

    @model_validator(mode="after")
    def _require_reason(self) -> Self:
        if self.decision != "approved" and self.reason is None:
            raise ValueError("reason: say why the check is not approved")
        return self


class ApprovalOut(BaseModel):
    """The approval of a check by a second person."""

    state: ApprovalState
    due_at: datetime
    decided_at: datetime | None
    by: str | None = Field(description="The second person; null until they decide, and if overtaken")
    reason: str | None

    @classmethod
    def of(cls, approval: CheckApproval) -> ApprovalOut:
        return cls(
            state=approval.state,
            due_at=approval.due_at,
            decided_at=approval.decided_at,
            by=approval.decided_by,
            reason=approval.reason,
        )


class CheckOut(BaseModel):
    """A recorded check."""

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
    readings: CheckReadings
    is_passed: bool
    is_late: bool = Field(
        description="True if a later check had arrived before this one, so this one changed nothing"
    )
    approval: ApprovalOut | None = Field(
        description="Null if the check needs no second person. A passed check counts once it is approved"
    )

    @classmethod
    def of(cls, check: Check, approval: CheckApproval | None) -> CheckOut:
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
            readings=CheckReadings.model_validate(check.readings),
            is_passed=check.is_passed,
            is_late=check.is_late,
            approval=ApprovalOut.of(approval) if approval is not None else None,
        )


class CheckResultOut(BaseModel):
    """A recorded check and the resulting readiness of the device."""

    check: CheckOut
    device: ReadinessOut


class CheckRequestOut(BaseModel):
    """A request to the keepers of a device to check it."""

    device_id: Id
    is_new: bool = Field(description="False if they were asked within the last day already")


class PhotoOut(BaseModel):
    """A photo of a check, without the image data."""

    id: Id
    check_id: Id
    width: int
    height: int
    sha256: str = Field(description="SHA-256 of the stored image")
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


class PlacePhotoIn(BaseModel):
    """The photo of a check that shows where a device hangs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"photo_id": 1}]})

    photo_id: Id


class CheckPage(BaseModel):
    """A page of checks, the last received first. If `next` is not null, send it as `cursor` for more."""

    checks: list[CheckOut]
    next: str | None


Days = Annotated[int, Field(ge=1, le=366, description="Null means never")]
Months = Annotated[int, Field(ge=1, le=120, description="Null means never")]
PadsLife = Annotated[
    int,
    Field(
        ge=1,
        le=120,
        description="Months that pads without an expiry date last; null means a date must be given",
    ),
]
BatteryLife = Annotated[
    int,
    Field(
        ge=1,
        le=240,
        description="Months that a battery without an expiry date lasts; null means a date must be given",
    ),
]
LifeYears = Annotated[
    int,
    Field(
        ge=1,
        le=30,
        description="Service life of a device in years from its manufacture; null: not known. A device may "
        "have a date of its own",
    ),
]
SilentAfter = Annotated[
    int,
    Field(
        ge=2,
        le=527_040,
        description="Time without a signal after which a device with a monitor is silent; null: 25 hours",
    ),
]
LowBattery = Annotated[
    int, Field(ge=1, le=99, description="A battery below this percentage is low; null: 20")
]
Celsius = Annotated[
    int, Field(ge=-50, le=100, description="The temperatures that the model allows; null: from 0 to 50")
]
ApprovalDays = Annotated[
    int,
    Field(
        ge=1,
        le=60,
        description="Days within which a second keeper or manager approves a check that passed; until then "
        "it does not count. Null: it counts at once",
    ),
]
Asks = Annotated[list[Question], Field(min_length=1, max_length=len(Question))]


def _require_questions(asks: list[Question] | None) -> None:
    """Raise ValueError if a question is repeated or one of MUST_ASK is missing."""
    if asks is None:
        return
    if len(set(asks)) < len(asks):
        raise ValueError("asks: list each question only once")
    if not set(asks) >= MUST_ASK:
        raise ValueError(
            f"asks must include {' and '.join(sorted(MUST_ASK))}, otherwise no check could be passed"
        )


class PolicyIn(BaseModel):
    """A new policy for the given estate, maker or model; for all devices if none is given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "maker": "Heartline",
                    "model": "H1",
                    "name_en": "Heartline H1: weekly",
                    "name_zh": "Heartline H1：每周",
                    "glance_days": 7,
                    "check_days": 30,
                    "service_months": 24,
                }
            ]
        },
    )

    estate_id: Id | None = None
    maker: Label | None = None
    model: Label | None = None
    name_en: Name
    name_zh: Name
    glance_days: Days | None = 1
    check_days: Days | None = 30
    service_months: Months | None = 12
    pads_months: PadsLife | None = 24
    battery_months: BatteryLife | None = 48
    life_years: LifeYears | None = None
    silent_after_minutes: SilentAfter | None = None
    low_battery_percent: LowBattery | None = None
    min_celsius: Celsius | None = None
    max_celsius: Celsius | None = None
    approval_days: ApprovalDays | None = None
    asks: Asks = list(DEFAULT_ASKS)

    @model_validator(mode="after")
    def _check_model_and_questions(self) -> Self:
        if self.model is not None and self.maker is None:
            raise ValueError("maker: give the maker of the model")
        _require_questions(self.asks)
        return self


class PolicyAmend(BaseModel):
    """The fields of a policy to change. A null interval means never."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"check_days": 14}]})

    name_en: Name | None = None
    name_zh: Name | None = None
    glance_days: Days | None = None
    check_days: Days | None = None
    service_months: Months | None = None
    pads_months: PadsLife | None = None
    battery_months: BatteryLife | None = None
    life_years: LifeYears | None = None
    silent_after_minutes: SilentAfter | None = None
    low_battery_percent: LowBattery | None = None
    min_celsius: Celsius | None = None
    max_celsius: Celsius | None = None
    approval_days: ApprovalDays | None = None
    asks: Asks | None = None

    @model_validator(mode="after")
    def _check_questions(self) -> Self:
        _require_questions(self.asks)
        return self


class PolicyOut(BaseModel):
    """A check policy."""

    id: Id
    estate_id: Id | None
    maker: str | None
    model: str | None
    name_en: str
    name_zh: str
    glance_days: int | None
    check_days: int | None
    service_months: int | None
    pads_months: int | None
    battery_months: int | None
    life_years: int | None
    silent_after_minutes: int | None
    low_battery_percent: int | None
    min_celsius: int | None
    max_celsius: int | None
    approval_days: int | None
    asks: list[Question]
    state: PolicyState
    version: int

    @classmethod
    def of(cls, policy: Policy) -> PolicyOut:
        return cls(
            id=policy.id,
            estate_id=policy.estate_id,
            maker=policy.maker,
            model=policy.model,
            name_en=policy.name_en,
            name_zh=policy.name_zh,
            glance_days=policy.glance_days,
            check_days=policy.check_days,
            service_months=policy.service_months,
            pads_months=policy.pads_months,
            battery_months=policy.battery_months,
            life_years=policy.life_years,
            silent_after_minutes=policy.silent_after_minutes,
            low_battery_percent=policy.low_battery_percent,
            min_celsius=policy.min_celsius,
            max_celsius=policy.max_celsius,
            approval_days=policy.approval_days,
            asks=[Question(each) for each in policy.asks],
            state=policy.state,
            version=policy.version,
        )


class FormQuestionOut(BaseModel):
    """A question of a check form, in English and Chinese."""

    question: Question
    en: str
    zh: str

    @classmethod
    def of(cls, question: Question) -> FormQuestionOut:
        en, zh = QUESTION_WORDS[question]
        return cls(question=question, en=en, zh=zh)


class FormOut(BaseModel):
    """The questions that a check of a device asks, according to the policy in force."""

    device_id: Id
    kind: CheckKind
    policy_id: Id | None = Field(description="Null if no policy applies, so this is the default form")
    policy_version: int | None
    asks: list[FormQuestionOut]
    asks_about_recall: bool = Field(
        description="True if the form must ask whether the work that the maker's recall requires is done"
    )
    needs_new_pads: bool = Field(
        description="True if the device was used, so that it needs new pads before it can return to service"
    )


class PolicyPage(BaseModel):
    """A page of policies. If `next` is not null, send it as `cursor` for more."""

    policies: list[PolicyOut]
    next: str | None
