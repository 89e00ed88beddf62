"""Request and response schemas of batches for issuers, and of learners' identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Code, FreeText, Id
from aed.accounts.masking import mask_holder_id
from aed.training.issuer_batches.queries import BatchRow
from aed.training.models import IssuerBatch, LearnerIdentity
from aed.training.rules import BatchRowState

MAX_SESSIONS: Final = 200


class LearnerIdentityIn(BaseModel):
    """The identity number of a learner."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"holder_id": "440524188001010014"}]}
    )

    holder_id: Annotated[FreeText, Field(min_length=4, max_length=40)] = Field(
        description="Kept whole only if the issuer wants it whole; always shown masked"
    )


class LearnerIdentityOut(BaseModel):
    """What a learner gave for the issuer."""

    enrolment_id: Id
    holder_id: str | None = Field(description="Masked")
    has_photo: bool

    @classmethod
    def of(cls, enrolment_id: int, found: LearnerIdentity | None, *, has_photo: bool) -> LearnerIdentityOut:
        number = found.holder_id if found is not None else None
        return cls(
            enrolment_id=enrolment_id,
            holder_id=mask_holder_id(number) if number is not None else None,
            has_photo=has_photo,
        )


class IssuerBatchIn(BaseModel):
    """A batch to prepare."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reference": "2030-05"}]})

    reference: Code = Field(description="Chosen by you: the same reference again is the same batch")
    session_id: Id | None = Field(None, description="Only results of this session; default: all")
    session_ids: Annotated[list[Id], Field(max_length=MAX_SESSIONS)] = Field(
        [], description="Only results of these sessions; default: all"
    )

    @property
    def chosen_sessions(self) -> set[int]:
        """The sessions whose results are wanted; none means all."""
        return {*self.session_ids, *([self.session_id] if self.session_id is not None else [])}


class IssuerBatchRowOut(BaseModel):
    """A result in a batch, and what the issuer made of it."""

    number: int
    enrolment_id: Id
    name: str
    state: BatchRowState
    reason: str | None
    certificate_number: str | None


class LeftOutOut(BaseModel):
    """A learner who is in no batch yet, because something is missing."""

    enrolment_id: Id
    name: str
    lacks: list[Literal["holder_id", "photo"]]


class IssuerBatchOut(BaseModel):
    """A batch of results for an issuer."""

    id: Id
    reference: str
    made_at: datetime
    made_by: str = Field(description="The name of the person who made it, or the token")
    answered_at: datetime | None = Field(description="When the last row was answered")
    rows: list[IssuerBatchRowOut] = []
    left_out: list[LeftOutOut] = []

    @classmethod
    def of(
        cls,
        batch: IssuerBatch,
        names: Mapping[str, str],
        rows: Sequence[BatchRow] = (),
        left_out: Sequence[LeftOutOut] = (),
    ) -> IssuerBatchOut:
        """Return a batch. `names` has the names of people by how `made_by` refers to them."""
        return cls(
            id=batch.id,
            reference=batch.reference,
            made_at=batch.made_at,
            made_by=names.get(batch.made_by, batch.made_by),
            answered_at=batch.answered_at,
            rows=[
                IssuerBatchRowOut(
                    number=each.row.number,
                    enrolment_id=each.enrolment.id,
                    name=each.person.name,
                    state=each.row.state,
                    reason=each.row.reason,
                    certificate_number=each.assessment.issuer_number,
                )
                for each in rows
            ],
            left_out=list(left_out),
        )


class IssuerBatchPage(BaseModel):
    """A page of batches; `next` is the cursor of the next page."""

    batches: list[IssuerBatchOut]
    next: str | None = None


class BatchAnswerOut(BaseModel):
    """The result of reading an issuer's answer."""

    accepted: int
    rejected: int
    unchanged: int
    not_taken: list[str] = Field(description="Rows that could not be read, each with the reason")
    batch: IssuerBatchOut
