"""Where and when sessions of an estate are held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.database.geometry import position_of, shape_of
from aed.geo import Position
from aed.registry.estates.models import Estate
from aed.training.models import TrainingSession
from aed.training.rules import SessionState


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """Where a session is held."""

    position: Position
    place_en: str
    place_zh: str


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
