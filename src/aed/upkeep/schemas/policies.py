"""Policies and the form of a check, in and out."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Id, Name
from aed.registry.fields import Label
from aed.upkeep.models import Policy
from aed.upkeep.rules.policy import DEFAULT_ASKS, MUST_ASK, WORDS, CheckKind, Question
from aed.upkeep.rules.states import PolicyState

Days = Annotated[int, Field(ge=1, le=366, description="null: never")]
Months = Annotated[int, Field(ge=1, le=120, description="null: never")]
PadsLife = Annotated[
    int, Field(ge=1, le=120, description="Months that pads without a date last; null: give a date")
]
BatteryLife = Annotated[
    int, Field(ge=1, le=240, description="Months that a battery without a date lasts; null: give a date")
]
Asks = Annotated[list[Question], Field(min_length=1, max_length=len(Question))]


def _asks_enough(asks: list[Question] | None) -> None:
    if asks is None:
        return
    if len(set(asks)) < len(asks):
        raise ValueError("asks: each question once")
    if not set(asks) >= MUST_ASK:
        raise ValueError(f"asks: {' and '.join(sorted(MUST_ASK))} always, or no check could be passed")


class PolicyIn(BaseModel):
    """In force from now on for the estate, maker or model that it names; of all if none."""

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
    asks: Asks = list(DEFAULT_ASKS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.model is not None and self.maker is None:
            raise ValueError("model: say whose model it is, in maker")
        _asks_enough(self.asks)
        return self


class PolicyAmend(BaseModel):
    """Only what is given is amended; null: never."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"check_days": 14}]})

    name_en: Name | None = None
    name_zh: Name | None = None
    glance_days: Days | None = None
    check_days: Days | None = None
    service_months: Months | None = None
    pads_months: PadsLife | None = None
    battery_months: BatteryLife | None = None
    asks: Asks | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _asks_enough(self.asks)
        return self


class PolicyOut(BaseModel):
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
            asks=[Question(each) for each in policy.asks],
            state=policy.state,
            version=policy.version,
        )


class FormQuestionOut(BaseModel):
    """One question of the form, in both languages."""

    question: Question
    en: str
    zh: str

    @classmethod
    def of(cls, question: Question) -> FormQuestionOut:
        en, zh = WORDS[question]
        return cls(question=question, en=en, zh=zh)


class FormOut(BaseModel):
    """What a check of a device asks, by the policy in force."""

    device_id: Id
    kind: CheckKind
    policy_id: Id | None = Field(description="null: no policy is in force for it; the default form")
    policy_version: int | None
    asks: list[FormQuestionOut]
    asks_about_recall: bool = Field(description="Whether to ask if what the maker's recall asks for is done")
    needs_new_pads: bool = Field(description="It was used: only new pads bring it back")


class PolicyPage(BaseModel):
    """More follows when `next` is not null: send it as `cursor`."""

    policies: list[PolicyOut]
    next: str | None
