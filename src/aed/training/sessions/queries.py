"""Who trains at a place, and where sessions of an estate are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.accounts.role_grants import RoleGrant
from aed.database.geometry import position_of, shape_of
from aed.geo import Position
from aed.registry.estates.models import Estate
from aed.training.models import TrainingSession
from aed.training.rules import SessionState

MAX_TRAINERS: Final = 500


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """Where a session is held."""

    position: Position
    place_en: str
    place_zh: str


def trainers(session: Session, *, estate_id: int | None, region_id: int) -> Sequence[Person]:
    """Return the people who train there, by name: training officers, and trainers of sessions in the region.

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
    return session.scalars(
        select(Person)
        .where(
            Person.erased_at.is_(None),
            Person.joined_into_id.is_(None),
            or_(Person.id.in_(officers), Person.id.in_(before)),
        )
        .order_by(Person.name, Person.id)
        .limit(MAX_TRAINERS)
    ).all()


def place_of_estate(session: Session, estate: Estate) -> SessionPlace:
    """Return where the latest session of the estate was held; without one, the middle of the estate.

    visibility: for those who run the training of the estate.
    """
    latest = session.scalars(
        select(TrainingSession)
        .where(TrainingSession.estate_id == estate.id)
        .order_by(TrainingSession.starts_at.desc(), TrainingSession.id.desc())
        .limit(1)
    ).first()
    if latest is not None:
        return SessionPlace(position_of(latest.position), latest.place_en, latest.place_zh)
    middle = shape_of(estate.boundary).representative_point()
    return SessionPlace(Position(middle.y, middle.x), estate.name_en, estate.name_zh)


def starts_of_course(session: Session, training: TrainingSession) -> set[datetime]:
    """Return when sessions of the same course, estate and region begin, without cancelled ones.

    visibility: for those who run the session.
    """
    return set(
        session.scalars(
            select(TrainingSession.starts_at).where(
                TrainingSession.course_id == training.course_id,
                TrainingSession.region_id == training.region_id,
                TrainingSession.estate_id.is_not_distinct_from(training.estate_id),
                TrainingSession.state != SessionState.CANCELLED,
            )
        )
    )
