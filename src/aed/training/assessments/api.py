"""Route of the assessments of a session; marks are recorded with the results of the roster."""

from __future__ import annotations

from fastapi import APIRouter

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.training.assessments import queries
from aed.training.assessments.schemas import PersonAssessmentOut, SessionAssessmentsOut
from aed.training.courses.schemas import AssessmentPlanIn
from aed.training.parameters import SessionId

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
