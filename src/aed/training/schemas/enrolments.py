"""Enrolments, attendance and assessments, in and out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id, Name, Phone
from aed.responders.rules import CertificateKind
from aed.training.queries.rosters import RosterRow
from aed.training.rules.enrolment import AttendanceState, EnrolmentState
from aed.training.rules.refresher import Refresher
from aed.training.schemas.sessions import Language, Link

Note = Annotated[FreeText, Field(max_length=500)]


class EnrolmentIn(BaseModel):
    """A person who wants a place."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Wang Xiaoming", "phone": "+86 571 5550 3000"}]},
    )

    name: Name
    phone: Phone = Field(description="So that the person can be told of a place")
    language: Language = "zh"
    estate_id: Id | None = Field(None, description="Where the person belongs to; left out: your own estate")


class EnrolmentAmend(BaseModel):
    """One of the two: take the place that is offered or give one up, or move to another session."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "withdrawn"}]})

    state: Literal["enrolled", "withdrawn"] | None = None
    session_id: Id | None = Field(None, description="The session to move to")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.state is None) == (self.session_id is None):
            raise ValueError("give state, or session_id to move")
        return self


class EnrolmentOut(BaseModel):
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
    certificate: str | None = Field(description="Its number")
    version: int

    @classmethod
    def of(cls, row: RosterRow) -> EnrolmentOut:
        return cls(**row._asdict())


class EnrolmentPage(BaseModel):
    enrolments: list[EnrolmentOut]
    links: list[Link] = Field([], description="rel=next: the page that follows")


class AttendanceRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    attendance: AttendanceState


class AttendanceIn(BaseModel):
    """Who came and who did not. All of it is taken, or nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "attendance": "attended"}]}]},
    )

    rows: list[AttendanceRow] = Field(min_length=1, max_length=1000)


class AssessmentRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    passed: bool
    note: Note | None = None


class AssessmentIn(BaseModel):
    """Who passed and who did not. All of it is taken, or nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "passed": True}]}]},
    )

    rows: list[AssessmentRow] = Field(min_length=1, max_length=1000)


class MarkedOut(BaseModel):
    """What became of it."""

    changed: int
    unchanged: int


class LapsingOut(BaseModel):
    """The last certificate of its kind that somebody holds, and it runs out soon."""

    name: str
    phone: str | None
    estate_id: Id | None
    kind: CertificateKind
    valid_until: date
    days_left: int


class LapsingPage(BaseModel):
    certificates: list[LapsingOut]
    next: str | None = Field(description="The cursor of the page that follows")


class RefresherOut(BaseModel):
    """Somebody whose skills fade, whatever the card says."""

    person_id: Id
    name: str
    phone: str | None
    course: str = Field(description="Its code")
    practised_on: date
    refresher: Refresher


class RefresherPage(BaseModel):
    refreshers: list[RefresherOut]
    next: str | None = Field(description="The cursor of the page that follows")


class CertificateOut(BaseModel):
    """All that a stranger is told who holds its number."""

    number: str
    is_valid: bool
    holder: str = Field(description="The name, masked", examples=["王**"])
    valid_until: date
