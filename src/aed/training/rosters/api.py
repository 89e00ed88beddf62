"""Request and response schemas of attendance and assessments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import FreeText, Id
from aed.accounts.permissions import Viewer
from aed.database.dependencies import WriteSession
from aed.http.parameters import set_etag
from aed.registry.changes import PutOutcome
from aed.training.parameters import SessionId
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, MarkedBy

Note = Annotated[FreeText, Field(max_length=500)]


class AttendanceRow(BaseModel):
    """Attendance of one person."""

    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    attendance: AttendanceState


class AttendanceIn(BaseModel):
    """Attendance of several people. Either all rows are stored or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "attendance": "attended"}]}]},
    )

    rows: list[AttendanceRow] = Field(min_length=1, max_length=1000)


class AssessmentRow(BaseModel):
    """Assessment of one person."""

    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    passed: bool
    note: Note | None = None


class AssessmentIn(BaseModel):
    """Assessments of several people. Either all rows are stored or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "passed": True}]}]},
    )

    rows: list[AssessmentRow] = Field(min_length=1, max_length=1000)


class MarkedOut(BaseModel):
    """How many results changed and how many were already recorded."""

    changed: int
    unchanged: int


router = APIRouter(tags=["training"])


@router.post("/sessions/{session_id}/attendance")
def record_attendance(
    session: WriteSession, viewer: ViewerDep, session_id: SessionId, given: AttendanceIn, response: Response
) -> MarkedOut:
    """Record who attended and who did not.

    Possible from two hours before the session begins. Repeating the request changes nothing.
    """
    rows = [roster_actions.Result(row.enrolment_id, attendance=row.attendance) for row in given.rows]
    return _marked(session, viewer, session_id, rows, response)


@router.post("/sessions/{session_id}/assessments")
def record_assessments(
    session: WriteSession, viewer: ViewerDep, session_id: SessionId, given: AssessmentIn, response: Response
) -> MarkedOut:
    """Record who passed and who did not.

    The people must have attended. Passing awards the certificate of the course.
    """
    rows = [roster_actions.Result(row.enrolment_id, passed=row.passed, note=row.note) for row in given.rows]
    return _marked(session, viewer, session_id, rows, response)


def _marked(
    session: Session, viewer: Viewer, session_id: int, rows: list[roster_actions.Result], response: Response
) -> MarkedOut:
    """Record the results and return how many changed."""
    at = clock.now()
    training = roster_actions.open_for_results(session, viewer, session_id, at=at)
    outcomes = roster_actions.put_results(session, viewer, training, rows, how=MarkedBy.HAND, at=at)
    set_etag(response, training.version)
    unchanged = outcomes.count(PutOutcome.UNCHANGED)
    return MarkedOut(changed=len(outcomes) - unchanged, unchanged=unchanged)
