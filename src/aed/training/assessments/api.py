"""Route of the assessments of a session; marks are recorded with the results of the roster."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.database.dependencies import ReadSession
from aed.training.assessments import queries
from aed.training.assessments.queries import PersonAssessment
from aed.training.courses.schemas import AssessmentPlanIn
from aed.training.models import AssessmentAttempt
from aed.training.parameters import SessionId
from aed.training.rules import THEORY


class AttemptOut(BaseModel):
    """An attempt at the parts of an assessment."""

    number: int = Field(description="1 is the first attempt, 2 the first retake")
    theory: int | None = None
    stations: dict[str, int | bool] = Field(description="Score, or passed or not, by code of the station")
    assessed_at: datetime
    assessor: str | None = Field(description="Name of the person who assessed")

    @classmethod
    def of(cls, attempt: AssessmentAttempt, names: Mapping[str, str]) -> AttemptOut:
        return cls(
            number=attempt.number,
            theory=attempt.marks.get(THEORY),
            stations={code: mark for code, mark in attempt.marks.items() if code != THEORY},
            assessed_at=attempt.assessed_at,
            assessor=names.get(attempt.assessed_by),
        )


class PersonAssessmentOut(BaseModel):
    """The attempts of a person, and what they still have to pass."""

    enrolment_id: Id
    name: str
    attempts: list[AttemptOut]
    passed: bool | None = Field(description="null while marks are missing")
    parts_to_take: list[str] = Field(description="Codes of the parts that are not passed yet")
    can_retake: bool
    retake_until: date | None = Field(description="Last day on which parts can be retaken")

    @classmethod
    def of(cls, found: PersonAssessment, names: Mapping[str, str]) -> PersonAssessmentOut:
        return cls(
            enrolment_id=found.enrolment_id,
            name=found.name,
            attempts=[AttemptOut.of(each, names) for each in found.attempts],
            passed=found.passed,
            parts_to_take=list(found.parts_to_take),
            can_retake=found.can_retake,
            retake_until=found.retake_until,
        )


class SessionAssessmentsOut(BaseModel):
    """The assessments of a session."""

    plan: AssessmentPlanIn | None = Field(description="null: the trainer says passed or not, without parts")
    assessments: list[PersonAssessmentOut]


router = APIRouter(tags=["training"])


@router.get("/sessions/{session_id}/assessments")
def list_assessments(session: ReadSession, viewer: ViewerDep, session_id: SessionId) -> SessionAssessmentsOut:
    """List the attempts of each person of a session, and what they still have to pass.

    For those who run the session.
    """
    training, found, names = queries.assessments(session, viewer, session_id, at=clock.now())
    plan = training.course.assessment
    return SessionAssessmentsOut(
        plan=AssessmentPlanIn.model_validate(plan) if plan is not None else None,
        assessments=[PersonAssessmentOut.of(each, names) for each in found],
    )
