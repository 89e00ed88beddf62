"""Database input of the gap table: estates, buildings, responders, expiring certificates, planned sessions.

Each function runs a fixed number of SQL statements, however many estates are requested.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, and_, exists, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.database.boxes import inside_box
from aed.database.geometry import latitude, longitude, shape_of
from aed.geo import BoundingBox, Position
from aed.registry.estates.models import Building, Estate
from aed.registry.estates.rules import EstateState
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.queries import counts_for_calling
from aed.responders.rules import CertificateKind, ResponderState
from aed.training.gaps.rules import LAPSES_WITHIN_DAYS, PastSessions, PlannedSession
from aed.training.models import Assessment, Course, Enrolment, TrainingSession
from aed.training.queries import run_by
from aed.training.rules import HOLDS_A_PLACE, EnrolmentState, SessionState


class GapEstate(NamedTuple):
    """An estate whose training the viewer runs."""

    id: int
    name_en: str
    name_zh: str
    region: str
    time_zone: str
    holiday_calendar: str | None


def estates_run_by(
    session: Session,
    viewer: Viewer,
    *,
    estate_id: int | None = None,
    region_ids: Collection[int] | None = None,
    after_id: int = 0,
    limit: int | None = None,
) -> list[GapEstate]:
    """Return the active estates whose training the viewer runs, in order of id."""
    statement = (
        select(
            Estate.id,
            Estate.name_en,
            Estate.name_zh,
            Region.code,
            func.coalesce(Estate.time_zone, Region.time_zone),
            Region.holiday_calendar,
        )
        .join(Region, Region.id == Estate.region_id)
        .where(
            run_by(viewer, estate_id=Estate.id, region_id=Estate.region_id),
            Estate.state == EstateState.ACTIVE,
            Estate.id > after_id,
        )
        .order_by(Estate.id)
        .limit(limit)
    )
    if estate_id is not None:
        statement = statement.where(Estate.id == estate_id)
    if region_ids is not None:
        statement = statement.where(Estate.region_id.in_(region_ids))
    return [GapEstate(*row) for row in session.execute(statement)]


class CoveredBuilding(NamedTuple):
    """A building, or (with `id` None) the centre of an estate whose buildings are not registered."""

    id: int | None
    name_en: str
    name_zh: str
    position: Position


def covered_buildings(session: Session, estates: Sequence[GapEstate]) -> dict[int, list[CoveredBuilding]]:
    """Return the buildings of each estate by estate id; for an estate without any, its centre.

    visibility: the caller has checked that the viewer runs these estates.
    """
    ids = [estate.id for estate in estates]
    found: dict[int, list[CoveredBuilding]] = defaultdict(list)
    for row in session.execute(
        select(
            Building.estate_id,
            Building.id,
            Building.name_en,
            Building.name_zh,
            latitude(Building.position),
            longitude(Building.position),
        )
        .where(_among(Building.estate_id, ids))
        .order_by(Building.estate_id, Building.id)
    ):
        found[row[0]].append(CoveredBuilding(row[1], row[2], row[3], Position(row[4], row[5])))
    named = {estate.id: estate for estate in estates if estate.id not in found}
    if not named:
        return found
    for estate_id, boundary in session.execute(
        select(Estate.id, Estate.boundary).where(_among(Estate.id, list(named)))
    ):
        if estate_id not in named:
            continue
        middle = shape_of(boundary).representative_point()
        estate = named[estate_id]
        found[estate_id].append(
            CoveredBuilding(None, estate.name_en, estate.name_zh, Position(middle.y, middle.x))
        )
    return found


_MAX_LISTED_IDS = 500
"""With more ids, select their whole range and filter in Python, because SQL statements have a maximum
length.
"""


def _among(column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """Return a condition on ids that may match more rows than asked for; the caller filters the rest."""
    if len(ids) <= _MAX_LISTED_IDS:
        found: ColumnElement[bool] = column.in_(ids)
        return found
    between: ColumnElement[bool] = column.between(min(ids), max(ids))
    return between


def _last_valid_day() -> Any:
    """Return a subquery of the latest `valid_until` of each responder.

    visibility: part of statements that restrict the people themselves.
    """
    return (
        select(Certificate.responder_id, func.max(Certificate.valid_until).label("valid_until"))
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Region, Region.id == Responder.region_id)
        .where(counts_for_calling())
        .group_by(Certificate.responder_id)
        .subquery("last_valid")
    )


def places_around(
    session: Session, *, box: BoundingBox | None, valid_from: date
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the registered places of active responders inside a box (None: everywhere).

    Each row holds the person's id, the position and hours of the place, the person's availability and pause,
    and the last valid day of their certificate.

    visibility: for counting only; the rows hold no names, and no position is returned to anyone.
    """
    last_valid = _last_valid_day()
    statement = (
        select(
            Responder.person_id,
            latitude(ResponderPlace.position).label("lat"),
            longitude(ResponderPlace.position).label("lon"),
            ResponderPlace.hours,
            Responder.availability,
            Responder.paused_until,
            last_valid.c.valid_until,
        )
        .join(Responder, Responder.id == ResponderPlace.responder_id)
        .join(last_valid, last_valid.c.responder_id == Responder.id)
        .where(Responder.state == ResponderState.ACTIVE, last_valid.c.valid_until >= valid_from)
    )
    if box is not None:
        statement = statement.where(
            inside_box(
                session,
                ResponderPlace.position,
                west=box.west,
                south=box.south,
                east=box.east,
                north=box.north,
            )
        )
    return session.execute(statement).all()


class ExpiryCount(NamedTuple):
    """How many certificates of one kind expire on one day in an estate."""

    estate_id: int
    valid_until: date
    kind: CertificateKind
    certificates: int


def lapsing_counts(
    session: Session, estates: Sequence[GapEstate], *, at: datetime
) -> dict[int, list[ExpiryCount]]:
    """Return, by estate, how many certificates expire on each day of the next `LAPSES_WITHIN_DAYS` days.

    Only the latest certificate of each kind counts for each person.

    visibility: counts only, of estates that the viewer runs.
    """
    today = {estate.id: at.astimezone(ZoneInfo(estate.time_zone)).date() for estate in estates}
    last = (
        select(
            Responder.estate_id,
            Certificate.kind,
            func.max(Certificate.valid_until).label("valid_until"),
        )
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Region, Region.id == Responder.region_id)
        .where(
            counts_for_calling(),
            Responder.state == ResponderState.ACTIVE,
            _among(Responder.estate_id, list(today)),
        )
        .group_by(Responder.id, Responder.estate_id, Certificate.kind)
        .having(
            func.max(Certificate.valid_until).between(
                min(today.values()), max(today.values()) + timedelta(days=LAPSES_WITHIN_DAYS)
            )
        )
        .subquery("last")
    )
    counted = (
        select(last.c.estate_id, last.c.valid_until, last.c.kind, func.count())
        .group_by(last.c.estate_id, last.c.valid_until, last.c.kind)
        .order_by(last.c.estate_id, last.c.valid_until, last.c.kind)
    )
    found: dict[int, list[ExpiryCount]] = defaultdict(list)
    for row in session.execute(counted):
        each = ExpiryCount(*row)
        day = today.get(each.estate_id)
        if day is not None and day <= each.valid_until <= day + timedelta(days=LAPSES_WITHIN_DAYS):
            found[each.estate_id].append(each)
    return found


def planned(session: Session, *, at: datetime) -> tuple[list[PlannedSession], set[int]]:
    """Return the planned sessions that award a certificate, and the ids of people with a place in one.

    Sessions count if they end within `LAPSES_WITHIN_DAYS` days. The people may renew their certificates
    there.

    visibility: counts only; the ids are for internal use and are not returned to anyone.
    """
    until = at + timedelta(days=LAPSES_WITHIN_DAYS)
    sessions = session.execute(
        select(TrainingSession.id, TrainingSession.estate_id, TrainingSession.capacity)
        .join(Course, Course.id == TrainingSession.course_id)
        .where(
            TrainingSession.state == SessionState.PLANNED,
            TrainingSession.starts_at > at,
            TrainingSession.ends_at <= until,
            Course.certificate_kind.is_not(None),
        )
        .order_by(TrainingSession.id)
    ).all()
    wanted = select(TrainingSession.id).join(Course, Course.id == TrainingSession.course_id)
    wanted = wanted.where(
        TrainingSession.state == SessionState.PLANNED,
        TrainingSession.starts_at > at,
        TrainingSession.ends_at <= until,
        Course.certificate_kind.is_not(None),
    )
    held: dict[int, int] = defaultdict(int)
    learners: dict[int, dict[int | None, int]] = defaultdict(lambda: defaultdict(int))
    people: set[int] = set()
    for session_id, estate_id, person_id, is_callable in session.execute(
        select(
            Enrolment.session_id,
            Enrolment.estate_id,
            Enrolment.person_id,
            _is_callable(Enrolment.person_id, on=at.date()),
        ).where(Enrolment.session_id.in_(wanted), Enrolment.state.in_(HOLDS_A_PLACE))
    ):
        held[session_id] += 1
        people.add(person_id)
        if not is_callable:
            learners[session_id][estate_id] += 1
    found = [
        PlannedSession(row.id, row.estate_id, row.capacity, held[row.id], dict(learners[row.id]))
        for row in sessions
    ]
    return found, people


def _is_callable(person_id: Any, *, on: date) -> ColumnElement[bool]:
    """Return a condition: the person is an active responder with a valid certificate on that day.

    visibility: part of statements that restrict the people themselves.
    """
    return exists().where(
        Responder.person_id == person_id,
        Responder.state == ResponderState.ACTIVE,
        Region.id == Responder.region_id,
        Certificate.responder_id == Responder.id,
        Certificate.valid_until >= on,
        counts_for_calling(),
    )


HISTORY_DAYS = 730
"""How far back `outcomes` looks."""


def outcomes(session: Session, *, at: datetime) -> PastSessions:
    """Return the results of all sessions of the last two years that award a certificate.

    visibility: network-wide counts, used as rates.
    """
    held = and_(
        TrainingSession.state == SessionState.HELD,
        TrainingSession.ends_at.between(at - timedelta(days=HISTORY_DAYS), at),
        Course.certificate_kind.is_not(None),
    )
    sessions, places = session.execute(
        select(func.count(), func.coalesce(func.sum(TrainingSession.capacity), 0))
        .select_from(TrainingSession)
        .join(Course, Course.id == TrainingSession.course_id)
        .where(held)
    ).one()
    passed = Assessment.passed
    taken, passing, serving = session.execute(
        select(
            func.count(Enrolment.id),
            func.count().filter(passed),
            func.count().filter(and_(passed, _is_callable(Enrolment.person_id, on=at.date()))),
        )
        .select_from(Enrolment)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .join(Course, Course.id == TrainingSession.course_id)
        .outerjoin(Assessment, Assessment.enrolment_id == Enrolment.id)
        .where(held, Enrolment.state == EnrolmentState.ENROLLED)
    ).one()
    return PastSessions(sessions, int(places), taken, passing, serving)
