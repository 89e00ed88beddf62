"""Request and response schemas of retrievals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.registry.fields import Label
from aed.upkeep.models import Retrieval
from aed.upkeep.rules import RetrievalOutcome


class RetrievalIn(BaseModel):
    """Someone was sent to fetch a device. Sending it again under the same key is idempotent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"key": "5f0c8a52-7a8e-4f0f-b7d5-0a0d9c1b7a31", "device_id": 1}]},
    )

    key: UUID = Field(description="A new UUID for each retrieval; a retry with the same key has no effect")
    device_id: Id
    person_id: Id | None = Field(
        None, description="Who was sent, if known; they are asked about the outcome too"
    )
    reference: Label | None = Field(None, description="The dispatch centre's reference")
    sent_at: AwareDatetime | None = Field(None, description="When the person was sent; default: now")


class ClosedAsIn(BaseModel):
    """The outcome of a retrieval."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"outcome": "returned"}]})

    outcome: Literal[
        RetrievalOutcome.RETURNED,
        RetrievalOutcome.USED,
        RetrievalOutcome.NOT_RETURNED,
        RetrievalOutcome.NOT_FETCHED,
        RetrievalOutcome.NOT_NEEDED,
    ]
    note: Annotated[FreeText, Field(max_length=500)] | None = None


class RetrievalOut(BaseModel):
    """A retrieval, with its outcome if known."""

    id: Id
    key: str
    device_id: Id
    person_id: Id | None
    reference: str | None
    sent_at: datetime
    reported_by: str
    asked: int = Field(description="Number of times the outcome was asked for")
    asked_next_at: datetime | None
    outcome: RetrievalOutcome | None = Field(description="Null while open")
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, found: Retrieval) -> RetrievalOut:
        return cls(
            id=found.id,
            key=found.key,
            device_id=found.device_id,
            person_id=found.person_id,
            reference=found.reference,
            sent_at=found.sent_at,
            reported_by=found.reported_by,
            asked=found.asked,
            asked_next_at=found.ask_at,
            outcome=found.outcome,
            closed_at=found.closed_at,
            closed_by=found.closed_by,
        )


class RetrievalPage(BaseModel):
    """A page of retrievals. If `next` is not null, send it as `cursor` for more."""

    retrievals: list[RetrievalOut]
    next: str | None
