"""Request and response schemas of confirmations and confirmation requests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.upkeep.confirmations.queries import Trusted
from aed.upkeep.models import ConfirmationRequest, Retrieval
from aed.upkeep.rules import (
    ANSWERABLE_OUTCOMES,
    FACT_QUESTIONS,
    OUTCOME_WORDS,
    Fact,
    FactAnswer,
    short_number,
)

Note = Annotated[FreeText, Field(max_length=500)]
_ANSWER_WORDS = {
    FactAnswer.YES: ("Yes", "是"),
    FactAnswer.NO: ("No", "不是"),
    FactAnswer.NOT_NOW: ("I cannot check now", "现在不方便查看"),
}


class TrustedOut(BaseModel):
    """A fact about a device: when it was last confirmed, by whom, and the confidence left in it."""

    fact: Fact
    confirmed_at: datetime | None
    by: str | None = Field(
        description="Who confirmed it; visible only to the device's own people, and null in lists and for "
        "imported dates"
    )
    confidence: float = Field(
        ge=0, le=1, description="1 when just confirmed, decreasing with time; 0 if never confirmed"
    )

    @classmethod
    def of(cls, found: Trusted, *, with_names: bool) -> TrustedOut:
        return cls(
            fact=found.fact,
            confirmed_at=found.at,
            by=found.by if with_names else None,
            confidence=round(found.confidence, 3),
        )


class TrustOut(BaseModel):
    """The confidence in each fact about a device, and the resulting probability that it is ready."""

    device_id: Id
    facts: list[TrustedOut]
    probability_ready: float = Field(
        ge=0,
        le=1,
        description="Probability that the device is ready; the lookup uses it while the device is in service",
    )


class ConfirmIn(BaseModel):
    """Whether a fact about a device is as registered."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"fact": "position", "is_as_registered": True}]}
    )

    fact: Literal[Fact.POSITION, Fact.HOURS]
    is_as_registered: bool
    note: Note | None = None


class AnswerOut(BaseModel):
    """A possible answer to a confirmation request."""

    answer: str
    en: str
    zh: str


class ConfirmationRequestOut(BaseModel):
    """A question to one person about one device."""

    id: Id
    number: str = Field(description="Short number on the device's label", examples=["1234-4"])
    en: str
    zh: str
    where_en: str | None
    where_zh: str | None
    asked_at: datetime
    is_open: bool
    answer: str | None
    answers: list[AnswerOut]

    @classmethod
    def of(
        cls,
        confirmation_request: ConfirmationRequest,
        *,
        retrieval: Retrieval | None,
        where: tuple[str | None, str | None],
        at: datetime,
    ) -> ConfirmationRequestOut:
        words: list[tuple[str, tuple[str, str]]]
        if confirmation_request.fact is not None:
            en, zh = FACT_QUESTIONS[confirmation_request.fact]
            words = [(str(each), text) for each, text in _ANSWER_WORDS.items()]
        else:
            sent = f"{retrieval.sent_at:%Y-%m-%d %H:%MZ}" if retrieval is not None else ""
            en = f"Someone was sent to fetch this AED ({sent}). Is it back, and was it used?"
            zh = f"该AED曾被派人取用（{sent}）。已归还吗？使用过吗？"
            words = [(str(each), OUTCOME_WORDS[each]) for each in ANSWERABLE_OUTCOMES]
        return cls(
            id=confirmation_request.id,
            number=short_number(confirmation_request.device_id),
            en=en,
            zh=zh,
            where_en=where[0],
            where_zh=where[1],
            asked_at=confirmation_request.asked_at,
            is_open=confirmation_request.closed_at is None and at < confirmation_request.lapses_at,
            answer=confirmation_request.answer,
            answers=[AnswerOut(answer=each, en=text[0], zh=text[1]) for each, text in words],
        )


class AnsweredIn(BaseModel):
    """The answer to a confirmation request."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"answer": "yes"}]})

    answer: str = Field(max_length=16, description="One of the request's `answers`")
    note: Note | None = None
