"""Routes for the grades of trainers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import IfMatch, version_from_if_match
from aed.training.trainers import actions, queries
from aed.training.trainers.schemas import TrainerGradeIn, TrainerGradeOut

router = APIRouter(tags=["training"])

IssuerId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
PersonId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/issuers/{issuer_id}/trainer-grades")
def list_trainer_grades(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId
) -> list[TrainerGradeOut]:
    """List the grades that an issuer gave trainers, those that expire first.

    For those who manage the issuer.
    """
    return [TrainerGradeOut.of(each) for each in queries.grades(session, viewer, issuer_id)]


@router.put("/issuers/{issuer_id}/trainer-grades")
def record_trainer_grade(
    session: WriteSession, viewer: ViewerDep, issuer_id: IssuerId, new: TrainerGradeIn
) -> TrainerGradeOut:
    """Record or renew the grade of a trainer. Repeating the request changes nothing."""
    return TrainerGradeOut.of(actions.record_grade(session, viewer, issuer_id, new, at=clock.now()))


@router.delete("/issuers/{issuer_id}/trainer-grades/{person_id}", status_code=204)
def remove_trainer_grade(
    session: WriteSession,
    viewer: ViewerDep,
    issuer_id: IssuerId,
    person_id: PersonId,
    if_match: IfMatch = None,
) -> None:
    """Remove the grade of a trainer."""
    actions.remove_grade(
        session, viewer, issuer_id, person_id, version=version_from_if_match(if_match), at=clock.now()
    )
