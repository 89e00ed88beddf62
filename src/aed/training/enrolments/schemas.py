"""Request and response schemas of enrolments."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Id, Language, Name, Phone
from aed.registry.fields import Link
from aed.training.enrolments.queries import RosterRow
from aed.training.rules import AttendanceState, EnrolmentState


class EnrolmentIn(BaseModel):
    """A person to enrol."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Wang Xiaoming", "phone": "+86 571 5550 3000"}]},
    )

    name: Name
    phone: Phone = Field(description="Phone number, for messages about places")
    language: Language = "zh"
    estate_id: Id | None = Field(None, description="The person's estate; default: your own")


class EnrolmentAmend(BaseModel):
    """A change to an enrolment: either a new state or a session to move to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "withdrawn"}]})

    state: Literal["enrolled", "withdrawn"] | None = None
    session_id: Id | None = Field(None, description="The session to move to")

    @model_validator(mode="after")
    def _check_state_or_session(self) -> Self:
        if (self.state is None) == (self.session_id is None):
            raise ValueError("give state, or session_id to move")
        return self


class EnrolmentOut(BaseModel):
    """An enrolment with attendance, result and certificate."""

    id: Id
    session_id: Id
    name: str
    phone: str | None
    estate_id: Id | None
    state: EnrolmentState
    enrolled_at: datetime
    waiting_place: int | None = Field(description="1 is the next to be offered a place")
    offer_expires_at: datetime | None
    moved_to_id: Id | None
    attendance: AttendanceState | None
    passed: bool | None
    note: str | None
    certificate: str | None = Field(description="Certificate number")
    parts_present: int | None = Field(
        description="For how many parts of the course they were present; null: for all"
    )
    issuer_number: str | None = Field(description="The number that the issuer gave the card")
    version: int

    @classmethod
    def of(cls, row: RosterRow) -> EnrolmentOut:
        return cls(**row._asdict())


class EnrolmentPage(BaseModel):
    """A page of enrolments."""

    enrolments: list[EnrolmentOut]
    links: list[Link] = Field([], description="rel=next: the next page")
