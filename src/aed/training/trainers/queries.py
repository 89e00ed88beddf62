"""People who train at a place, and their grades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.models import Region
from aed.accounts.role_grants import RoleGrant
from aed.issuers import queries as issuer_queries
from aed.issuers.models import Issuer
from aed.training.models import Course, TrainerGrade, TrainingSession
from aed.training.permissions import runs_training
from aed.training.queries import SessionPlaces
from aed.training.rules import SessionState
from aed.training.trainers.rules import SessionWarning, warnings_of

MAX_TRAINERS: Final = 500


def trainers(session: Session, *, estate_id: int | None, region_id: int) -> Sequence[Person]:
    """Return the people who train there, by name.

    They are training officers, trainers of sessions in the region, and holders of a grade of its issuers.

    visibility: for those who run the training there.
    """
    above: list[int] = []
    region = session.get(Region, region_id)
    while region is not None:
        above.append(region.id)
        region = session.get(Region, region.parent_id) if region.parent_id is not None else None
    officers = select(RoleGrant.person_id).where(
        RoleGrant.role == Role.TRAINING_OFFICER,
        RoleGrant.revoked_at.is_(None),
        or_(RoleGrant.region_id.in_(above), RoleGrant.estate_id == estate_id),
    )
    before = select(TrainingSession.trainer_id).where(
        TrainingSession.region_id == region_id, TrainingSession.trainer_id.is_not(None)
    )
    graded = (
        select(TrainerGrade.person_id)
        .join(Issuer, Issuer.id == TrainerGrade.issuer_id)
        .where(Issuer.region_id.in_(above))
    )
    return session.scalars(
        select(Person)
        .where(
            Person.erased_at.is_(None),
            Person.joined_into_id.is_(None),
            or_(Person.id.in_(officers), Person.id.in_(before), Person.id.in_(graded)),
        )
        .order_by(Person.name, Person.id)
        .limit(MAX_TRAINERS)
    ).all()


def grades(session: Session, viewer: Viewer, issuer_id: int) -> Sequence[TrainerGrade]:
    """Return the grades that an issuer gave, those that expire first, with their people.

    visibility: for those who manage the issuer. Raises NotFound, NotSignedIn, NotAllowed.
    """
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_manages_issuer(viewer, issuer.region_id)
    statement = (
        select(TrainerGrade)
        .where(TrainerGrade.issuer_id == issuer_id)
        .options(joinedload(TrainerGrade.person))
        .order_by(TrainerGrade.valid_until, TrainerGrade.id)
    )
    return session.scalars(statement).all()


def grade_of(session: Session, issuer_id: int, person_id: int) -> TrainerGrade | None:
    """Return the grade of a person, or None.

    visibility: for those who manage the issuer, which the caller checks.
    """
    return session.scalar(
        select(TrainerGrade)
        .where(TrainerGrade.issuer_id == issuer_id, TrainerGrade.person_id == person_id)
        .options(joinedload(TrainerGrade.person))
    )


@dataclass(frozen=True, slots=True)
class GradeRule:
    """What the issuer of a session's course demands of its trainer, and until when their grade is valid."""

    is_required: bool
    valid_until: date | None
    """None if the trainer has no grade of this issuer."""


def grade_rules(session: Session, session_ids: Sequence[int]) -> dict[int, GradeRule]:
    """Return the rule for each session whose course has an issuer.

    visibility: for those who run the sessions, which the caller checks.
    """
    statement = (
        select(TrainingSession.id, Issuer.requires_trainer_grade, TrainerGrade.valid_until)
        .join(Course, Course.id == TrainingSession.course_id)
        .join(Issuer, Issuer.id == Course.issuer_id)
        .outerjoin(
            TrainerGrade,
            and_(
                TrainerGrade.issuer_id == Issuer.id,
                TrainerGrade.person_id == TrainingSession.trainer_id,
            ),
        )
        .where(TrainingSession.id.in_(session_ids))
    )
    return {id_: GradeRule(required, until) for id_, required, until in session.execute(statement)}


def warnings_for(
    session: Session,
    viewer: Viewer,
    found: Sequence[TrainingSession],
    places: dict[int, SessionPlaces],
) -> dict[int, list[SessionWarning]]:
    """Return the warnings about each session that the viewer runs: trainers, manikins, the trainer's grade.

    Their courses must be loaded. At most one SQL statement.
    """
    run = [
        each
        for each in found
        if each.state is not SessionState.CANCELLED and runs_training(viewer, each.estate_id, each.region_id)
    ]
    if not run:
        return {}
    rules = grade_rules(session, [each.id for each in run])
    warnings = {}
    for each in run:
        rule = rules.get(each.id)
        is_planned = each.state is SessionState.PLANNED
        warnings[each.id] = warnings_of(
            learners=each.capacity if is_planned else places[each.id].held,
            trainers=each.trainers,
            manikins=each.manikins,
            learners_per_trainer=each.course.learners_per_trainer,
            learners_per_manikin=each.course.learners_per_manikin,
            is_grade_required=rule is not None and rule.is_required and each.trainer_id is not None,
            grade_valid_until=rule.valid_until if rule is not None else None,
            held_on=each.ends_at.astimezone(ZoneInfo(each.time_zone)).date(),
        )
    return warnings
