"""Training sessions, their places, and which of them a viewer can see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import estate_visible_to
from aed.database.boxes import inside_box
from aed.errors import NotFound
from aed.geo import BoundingBox
from aed.registry.estates.models import Estate
from aed.training.models import Course, Enrolment, TrainingSession
from aed.training.permissions import ENROL, RUN_IN_ESTATES, RUN_IN_REGIONS
from aed.training.rules import HOLDS_A_PLACE, EnrolmentState, SessionAudience


class SessionPlaces(NamedTuple):
    """Places of a session that are held (taken or offered), and the number of people waiting."""

    held: int = 0
    waiting: int = 0


class After(NamedTuple):
    """Cursor: the last session of the previous page."""

    starts_at: datetime
    id: int


def training_session(session: Session, viewer: Viewer, session_id: int) -> TrainingSession:
    """Return a session with its course, trainer, estate and region.

    Raises NotFound if none is visible to the viewer.
    """
    return _require_session(
        session, _visible_with_details(viewer).where(TrainingSession.id == session_id), session_id
    )


def locked(session: Session, viewer: Viewer, session_id: int) -> TrainingSession:
    """Return the session, reloaded and locked against changes of it and its roster until commit.

    PostgreSQL locks the row; SQLite already serialises writers. Raises NotFound if none is visible to the
    viewer.
    """
    statement = (
        _visible_with_details(viewer)
        .where(TrainingSession.id == session_id)
        .with_for_update(of=TrainingSession)
    )
    return _require_session(session, statement.execution_options(populate_existing=True), session_id)


def _require_session(
    session: Session, statement: Select[TrainingSession], session_id: int
) -> TrainingSession:
    found = session.scalar(statement)
    if found is None:
        raise NotFound(
            "There is no session {session_id}, or you may not see it.",
            field="session_id",
            session_id=session_id,
        )
    return found


def _visible_with_details(viewer: Viewer) -> Select[TrainingSession]:
    """Select visible sessions with their course, trainer, estate and region loaded."""
    return (
        select(TrainingSession)
        .where(visible_sessions(viewer))
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
    only_run: bool = False,
) -> Sequence[TrainingSession]:
    """Return a page of sessions in order of their start, in one SQL statement.

    `only_run`: only those whose training the viewer runs.
    """
    statement = (
        _visible_with_details(viewer).order_by(TrainingSession.starts_at, TrainingSession.id).limit(limit)
    )
    if after is not None:
        statement = statement.where(
            or_(
                TrainingSession.starts_at > after.starts_at,
                and_(TrainingSession.starts_at == after.starts_at, TrainingSession.id > after.id),
            )
        )
    if only_run:
        statement = statement.where(sessions_run_by(viewer))
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


def places(session: Session, session_ids: Sequence[int]) -> dict[int, SessionPlaces]:
    """Return the held places and the waiting-list length of each session, in one SQL statement.

    visibility: counts only, of sessions that the caller has been shown.
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
    found = {
        session_id: SessionPlaces(held, waiting) for session_id, held, waiting in session.execute(counted)
    }
    return {session_id: found.get(session_id, SessionPlaces()) for session_id in session_ids}


def places_of(session: Session, session_id: int) -> SessionPlaces:
    """Return the held places and the waiting-list length of one session."""
    return places(session, [session_id])[session_id]


def with_offers_over(session: Session, *, at: datetime) -> Sequence[int]:
    """Return the ids of sessions with expired offers.

    visibility: for the scheduler, which shows them to nobody.
    """
    over = select(Enrolment.session_id).where(
        Enrolment.state == EnrolmentState.OFFERED, Enrolment.offer_expires_at <= at
    )
    return session.scalars(over.distinct().order_by(Enrolment.session_id)).all()


def visible_sessions(viewer: Viewer) -> ColumnElement[bool]:
    """Return a condition: the viewer may see the session, cancelled ones included.

    Everyone can see public sessions. Members can also see those of their own estates; dispatchers and people
    with a role on a region can see all in the region; network administrators can see all.
    """
    if viewer.is_administrator:
        return true()
    found: list[ColumnElement[bool]] = [TrainingSession.audience == SessionAudience.PUBLIC]
    if viewer.own_estate_ids:
        found.append(TrainingSession.estate_id.in_(viewer.own_estate_ids))
    officers = (each.region_ids for each in viewer.role_assignments if each.role in RUN_IN_ESTATES)
    regions = {*viewer.region_ids, *(region for ids in officers for region in ids)}
    if regions:
        found.append(TrainingSession.region_id.in_(sorted(regions)))
    return or_(*found)


def run_by(viewer: Viewer, *, estate_id: Any, region_id: Any) -> ColumnElement[bool]:
    """Return a condition: the viewer runs the training of the estate. SQL version of `runs_training`.

    The arguments are column expressions (`Any`: see `on_rosters_of`).
    """
    if TokenScope.WRITE not in viewer.scopes or not viewer.is_signed_in:
        return false()
    if viewer.is_administrator:
        return true()
    if viewer.person_id is None:
        is_of_one = viewer.role is TokenRole.MEMBER and viewer.estate_id is not None
        return estate_id == viewer.estate_id if is_of_one else false()
    found: list[ColumnElement[bool]] = []
    for holding in viewer.role_assignments:
        if holding.role not in RUN_IN_ESTATES:
            continue
        if holding.estate_id is not None:
            found.append(estate_id == holding.estate_id)
        elif holding.region_ids:
            found.append(region_id.in_(holding.region_ids))
        else:
            return true()
    return or_(false(), *found)


def sessions_run_by(viewer: Viewer) -> ColumnElement[bool]:
    """Return a condition: the viewer runs the session. SQL version of `runs_training` for sessions."""
    estate_id, region_id = TrainingSession.estate_id, TrainingSession.region_id
    of_estate = run_by(viewer, estate_id=estate_id, region_id=region_id)
    if viewer.is_administrator or viewer.person_id is None or TokenScope.WRITE not in viewer.scopes:
        return of_estate
    officers = [each for each in viewer.role_assignments if each.role in RUN_IN_REGIONS]
    if any(each.estate_id is None and not each.region_ids for each in officers):
        return of_estate
    regions = sorted({region for each in officers if each.estate_id is None for region in each.region_ids})
    return or_(
        and_(estate_id.is_not(None), of_estate),
        and_(estate_id.is_(None), region_id.in_(regions)),
    )


def on_rosters_of(viewer: Viewer, *estate_ids: Any, region_id: Any, person_id: Any) -> ColumnElement[bool]:
    """Return a condition: the viewer may see the person on a roster, with name and phone number.

    SQL version of `runs_training` and `require_enroller`. `estate_ids` are the columns of the session's
    estate and of the person's estate. Those who run the session see everyone on it; other estates see the
    people whom they enrolled; people see themselves. (`Any`, because the columns come from different
    tables.)
    """
    if TokenScope.WRITE not in viewer.scopes:
        return false()
    if viewer.is_administrator:
        return true()
    if viewer.person_id is None:
        if viewer.role is TokenRole.MEMBER and viewer.estate_id is not None:
            return or_(*(column == viewer.estate_id for column in estate_ids))
        return false()
    found: list[ColumnElement[bool]] = [person_id == viewer.person_id]
    for holding in viewer.role_assignments:
        if holding.estate_id is not None and holding.role in RUN_IN_ESTATES:
            found += [column == holding.estate_id for column in estate_ids]
        elif holding.estate_id is not None and holding.role in ENROL:
            found.append(estate_ids[-1] == holding.estate_id)
        elif holding.region_ids and holding.role in RUN_IN_REGIONS:
            found.append(region_id.in_(holding.region_ids))
        elif holding.region_ids and holding.role in RUN_IN_ESTATES:
            found.append(and_(region_id.in_(holding.region_ids), estate_ids[0].is_not(None)))
    return or_(*found)


def estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return an estate that the viewer can see or whose training they run.

    Raises NotFound if there is none for this viewer.
    """
    found = session.scalar(
        select(Estate).where(
            Estate.id == estate_id,
            or_(
                estate_visible_to(
                    viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state
                ),
                run_by(viewer, estate_id=Estate.id, region_id=Estate.region_id),
            ),
        )
    )
    if found is None:
        raise NotFound(
            "There is no estate {estate_id}, or you may not see it.", field="estate_id", estate_id=estate_id
        )
    return found
