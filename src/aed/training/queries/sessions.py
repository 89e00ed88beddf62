"""Sessions, and how many places of each are held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.accounts.regions import Region
from aed.database.boxes import inside_box
from aed.errors import NotFound
from aed.registry.devices.queries import BoundingBox
from aed.training.models import Course, Enrolment, TrainingSession
from aed.training.queries.seen import told_of
from aed.training.rules.enrolment import HOLDS_A_PLACE, EnrolmentState


class Places(NamedTuple):
    """How many of a session's places are held (taken, or offered to somebody), and how many people wait."""

    held: int = 0
    waiting: int = 0


class After(NamedTuple):
    """The last session of the page before."""

    starts_at: datetime
    id: int


def training_session(session: Session, viewer: Viewer, session_id: int) -> TrainingSession:
    """One session with its course, trainer, estate and region.

    Raises NotFound when there is none, or none for this viewer.
    """
    return _one(session, _whole(viewer).where(TrainingSession.id == session_id), session_id)


def locked(session: Session, viewer: Viewer, session_id: int) -> TrainingSession:
    """The same as it is now, and nobody else changes it or its roster until this transaction ends.

    On PostgreSQL the row is locked; SQLite has one writer. What was loaded before is read again.
    """
    statement = _whole(viewer).where(TrainingSession.id == session_id).with_for_update(of=TrainingSession)
    return _one(session, statement.execution_options(populate_existing=True), session_id)


def _one(session: Session, statement: Select[TrainingSession], session_id: int) -> TrainingSession:
    found = session.scalar(statement)
    if found is None:
        raise NotFound(f"There is no session {session_id} that you may see.", field="session_id")
    return found


def _whole(viewer: Viewer) -> Select[TrainingSession]:
    return (
        select(TrainingSession)
        .where(told_of(viewer))
        .options(
            joinedload(TrainingSession.course),
            joinedload(TrainingSession.trainer),
            joinedload(TrainingSession.estate),
            joinedload(TrainingSession.region),
        )
    )


def training_sessions(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after: After | None = None,
    starts_from: datetime | None = None,
    starts_before: datetime | None = None,
    box: BoundingBox | None = None,
    estate_id: int | None = None,
    region: str | None = None,
    language: str | None = None,
    course: str | None = None,
) -> Sequence[TrainingSession]:
    """A page of sessions in order of their beginning: one statement, whatever the page holds."""
    statement = _whole(viewer).order_by(TrainingSession.starts_at, TrainingSession.id).limit(limit)
    if after is not None:
        statement = statement.where(
            or_(
                TrainingSession.starts_at > after.starts_at,
                and_(TrainingSession.starts_at == after.starts_at, TrainingSession.id > after.id),
            )
        )
    if starts_from is not None:
        statement = statement.where(TrainingSession.starts_at >= starts_from)
    if starts_before is not None:
        statement = statement.where(TrainingSession.starts_at < starts_before)
    if box is not None:
        position = TrainingSession.position
        statement = statement.where(
            inside_box(session, position, west=box.west, south=box.south, east=box.east, north=box.north)
        )
    if estate_id is not None:
        statement = statement.where(TrainingSession.estate_id == estate_id)
    if region is not None:
        named = select(Region.id).where(Region.code == region)
        statement = statement.where(TrainingSession.region_id.in_(named))
    if language is not None:
        statement = statement.where(TrainingSession.language == language)
    if course is not None:
        statement = statement.where(
            TrainingSession.course_id.in_(select(Course.id).where(Course.code == course))
        )
    return session.scalars(statement).all()


def places(session: Session, session_ids: Sequence[int]) -> dict[int, Places]:
    """How many places of each of these sessions are held; in one statement.

    visibility: only how many, of sessions that the caller was told of.
    """
    counted = (
        select(
            Enrolment.session_id,
            func.count().filter(Enrolment.state.in_(HOLDS_A_PLACE)),
            func.count().filter(Enrolment.state == EnrolmentState.WAITING),
        )
        .where(
            Enrolment.session_id.in_(session_ids),
            Enrolment.state.in_([*HOLDS_A_PLACE, EnrolmentState.WAITING]),
        )
        .group_by(Enrolment.session_id)
    )
    found = {session_id: Places(held, waiting) for session_id, held, waiting in session.execute(counted)}
    return {session_id: found.get(session_id, Places()) for session_id in session_ids}


def places_of(session: Session, session_id: int) -> Places:
    return places(session, [session_id])[session_id]


def with_offers_over(session: Session, *, at: datetime) -> Sequence[int]:
    """The sessions in which a place was offered and not taken in time.

    visibility: for the timetable, which tells nobody.
    """
    over = select(Enrolment.session_id).where(
        Enrolment.state == EnrolmentState.OFFERED, Enrolment.offer_expires_at <= at
    )
    return session.scalars(over.distinct().order_by(Enrolment.session_id)).all()
