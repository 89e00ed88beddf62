"""What the training desk shows: places, courses, the sessions of a month, and a session with its roster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, false, select, true
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenScope, Viewer
from aed.accounts.regions.models import Region
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.training import queries as session_queries
from aed.training.courses import queries as course_queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.enrolments.queries import RosterRow
from aed.training.models import Course, TrainingSession
from aed.training.permissions import RUN_IN_REGIONS, require_trainer
from aed.training.queries import SessionPlaces, run_by
from aed.training.rules import CourseState
from aed.training.trainers.queries import warnings_for
from aed.training.trainers.rules import SessionWarning

MAX_PLACES: Final = 500
MAX_COURSES: Final = 200
MAX_SESSIONS: Final = 300


@dataclass(frozen=True, slots=True)
class TrainingPlace:
    """An estate or region whose training the viewer runs."""

    value: str
    """`estate-3` or `region-CN-33`, as in the form."""
    name: dict[str, str]
    estate_id: int | None
    region_id: int
    region: str
    time_zone: str


def training_places(session: Session, viewer: Viewer) -> list[TrainingPlace]:
    """Return the estates, then the regions, whose training the viewer runs, by name.

    visibility: by the viewer's roles.
    """
    estates = session.execute(
        select(Estate, Region)
        .join(Region, Region.id == Estate.region_id)
        .where(
            run_by(viewer, estate_id=Estate.id, region_id=Estate.region_id),
            Estate.state == EstateState.ACTIVE,
        )
        .order_by(Estate.name_zh, Estate.id)
        .limit(MAX_PLACES)
    )
    regions = session.scalars(select(Region).where(_runs_region(viewer)).order_by(Region.code))
    return [
        TrainingPlace(
            f"estate-{estate.id}",
            {"en": estate.name_en, "zh": estate.name_zh},
            estate.id,
            region.id,
            region.code,
            estate.time_zone or region.time_zone,
        )
        for estate, region in estates
    ] + [
        TrainingPlace(
            f"region-{each.code}",
            {"en": each.name_en, "zh": each.name_zh},
            None,
            each.id,
            each.code,
            each.time_zone,
        )
        for each in regions
    ]


def _runs_region(viewer: Viewer) -> ColumnElement[bool]:
    """Return a condition: the viewer runs the sessions of the region outside estates."""
    if TokenScope.WRITE not in viewer.scopes:
        return false()
    if viewer.is_administrator:
        return true()
    officers = [
        each for each in viewer.role_assignments if each.role in RUN_IN_REGIONS and each.estate_id is None
    ]
    if any(not each.region_ids for each in officers):
        return true()
    return Region.id.in_(sorted({id_ for each in officers for id_ in each.region_ids}))


def offered_courses(session: Session) -> list[Course]:
    """Return the courses that can be planned, by code.

    visibility: courses are public.
    """
    return [
        each
        for each in course_queries.courses(session, limit=MAX_COURSES)
        if each.state is CourseState.OFFERED
    ]


def sessions_between(
    session: Session, viewer: Viewer, starts_from: datetime, starts_before: datetime
) -> list[tuple[TrainingSession, SessionPlaces]]:
    """Return the sessions that the viewer runs in a span of time, earliest first, with their places."""
    found = session_queries.training_sessions(
        session,
        viewer,
        limit=MAX_SESSIONS,
        starts_from=starts_from,
        starts_before=starts_before,
        only_run=True,
    )
    places = session_queries.places(session, [each.id for each in found])
    return [(each, places[each.id]) for each in found]


def warnings_of_session(
    session: Session, viewer: Viewer, training: TrainingSession, places: SessionPlaces
) -> list[SessionWarning]:
    """Return what those who run the session should mend."""
    return warnings_for(session, viewer, [training], {training.id: places}).get(training.id, [])


def roster_of(
    session: Session, viewer: Viewer, session_id: int
) -> tuple[TrainingSession, SessionPlaces, Sequence[RosterRow]]:
    """Return a session that the viewer runs, its places and its roster.

    Raises NotFound, NotSignedIn or NotAllowed.
    """
    training = session_queries.training_session(session, viewer, session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    rows = enrolment_queries.roster(session, viewer, session_id)
    return training, session_queries.places_of(session, session_id), rows
