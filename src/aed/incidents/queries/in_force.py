"""Which open incidents still count at a moment, and whom they keep busy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from aed.geo import Position
from aed.incidents.models import Alert, Incident
from aed.incidents.rules.incident import COMES, LIVE, Kind, Known, State, lasts
from aed.settings import Planning

_UNANSWERED: Final = LIVE - COMES


def in_force(at: datetime, numbers: Planning) -> ColumnElement[bool]:
    """Select open incidents whose time is not over: `rules.incident.lapses_at`, in SQL.

    A job closes the others; until it has, they are treated as closed. visibility: it is a predicate itself.
    """
    since = {kind: at - lasts(kind, numbers) for kind in Kind}
    return and_(
        Incident.state == State.OPEN,
        or_(
            and_(Incident.kind == Kind.TEST, Incident.opened_at > since[Kind.TEST]),
            and_(Incident.kind == Kind.EXERCISE, Incident.opened_at > since[Kind.EXERCISE]),
            and_(
                Incident.kind == Kind.REAL,
                or_(Incident.opened_at > since[Kind.REAL], Incident.ambulance_at > since[Kind.REAL]),
            ),
        ),
    )


def open_around(
    session: Session, region_id: int, kind: Kind, *, at: datetime, numbers: Planning
) -> list[Known]:
    """List the incidents of that kind which a report may be of.

    visibility: for finding out whether a report is of one of them.
    """
    since = at - timedelta(minutes=numbers.same_patient_minutes)
    rows = session.execute(
        select(
            Incident.id, Incident.kind, Incident.lat, Incident.lon, Incident.floor, Incident.opened_at
        ).where(
            Incident.region_id == region_id,
            Incident.kind == kind,
            Incident.opened_at >= since,
            in_force(at, numbers),
        )
    )
    return [Known(row.id, row.kind, Position(row.lat, row.lon), row.floor, row.opened_at) for row in rows]


def busy_elsewhere(session: Session, incident: Incident, *, at: datetime, numbers: Planning) -> set[int]:
    """Return the people who are not to be called to this incident because of another, by number.

    1. A real patient loses nobody to a test, an exercise or an incident whose time is over.
    2. People who said that they come to another real patient are busy; so are those who were asked less than
       `asked_elsewhere_seconds` ago. After that, silence means no.
    3. A patient whom a dispatcher has confirmed loses nobody to a report that none has, unless that person
       comes: invented reports must not take the people away.
    4. An exercise calls nobody who is called to a real patient, whenever that was. A test is planned as a
       real one is.

    visibility: only numbers; nobody is called to two at once.
    """
    lately = Alert.asked_at > at - timedelta(seconds=numbers.asked_elsewhere_seconds)
    comes, asked = Alert.state.in_(COMES), and_(Alert.state.in_(_UNANSWERED), lately)
    of_a_real_one = Incident.kind == Kind.REAL
    if incident.kind is Kind.EXERCISE:
        of_an_exercise = Incident.kind == Kind.EXERCISE
        busy = or_(and_(of_a_real_one, Alert.state.in_(LIVE)), and_(of_an_exercise, or_(comes, asked)))
    elif incident.confirmed_at is not None:
        busy = and_(of_a_real_one, or_(comes, and_(asked, Incident.confirmed_at.is_not(None))))
    else:
        busy = and_(of_a_real_one, or_(comes, asked))
    return set(
        session.scalars(
            select(Alert.person_id)
            .join(Incident, Incident.id == Alert.incident_id)
            .where(Incident.id != incident.id, in_force(at, numbers), busy)
        )
    )


def in_exercises(session: Session, person_ids: Sequence[int], *, at: datetime, numbers: Planning) -> set[int]:
    """Return who of these is called to an exercise at this moment.

    visibility: for the words of the call to a real patient.
    """
    return set(
        session.scalars(
            select(Alert.person_id)
            .join(Incident, Incident.id == Alert.incident_id)
            .where(
                Alert.person_id.in_(person_ids),
                Alert.state.in_(LIVE),
                Incident.kind == Kind.EXERCISE,
                in_force(at, numbers),
            )
        )
    )


def other_alerts(
    session: Session, person_ids: Sequence[int], *, not_of: int, kinds: Sequence[Kind]
) -> Sequence[tuple[int, int]]:
    """List (incident, alert) of these people's live alerts in other open incidents of those kinds.

    visibility: for taking these people out of them.
    """
    rows = session.execute(
        select(Alert.incident_id, Alert.id)
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Alert.person_id.in_(person_ids),
            Alert.state.in_(LIVE),
            Incident.id != not_of,
            Incident.state == State.OPEN,
            Incident.kind.in_(kinds),
        )
        .order_by(Alert.incident_id, Alert.id)
    )
    return [(incident_id, alert_id) for incident_id, alert_id in rows]


def unconfirmed(
    session: Session, kind: Kind, *, by: str, estate_id: int | None, at: datetime, numbers: Planning
) -> tuple[int, int]:
    """Count open incidents of that kind that no dispatcher has confirmed: (by the reporter, in the estate).

    visibility: counts.
    """
    row = session.execute(
        select(
            func.count(case((Incident.opened_by == by, 1))),
            func.count(case((Incident.estate_id == estate_id, 1))),  # of no estate: none
        ).where(
            Incident.kind == kind,
            Incident.confirmed_at.is_(None),
            in_force(at, numbers),
        )
    ).one()
    return int(row[0]), int(row[1])


# --- for the timetable ----------------------------------------------------------------------------------


def due_to_look_at(session: Session, at: datetime, *, numbers: Planning, limit: int) -> Sequence[int]:
    """List the incidents that are to be planned again, real ones first. visibility: for the timetable."""
    return session.scalars(
        select(Incident.id)
        .where(Incident.look_at <= at, in_force(at, numbers))
        .order_by(case((Incident.kind == Kind.REAL, 0), else_=1), Incident.look_at)
        .limit(limit)
    ).all()


def past_their_time(session: Session, at: datetime, *, numbers: Planning, limit: int) -> Sequence[int]:
    """List the open incidents whose time is over. visibility: for the timetable."""
    return session.scalars(
        select(Incident.id)
        .where(Incident.state == State.OPEN, ~in_force(at, numbers))
        .order_by(Incident.id)
        .limit(limit)
    ).all()


def due_to_be_reminded_of(session: Session, at: datetime, *, numbers: Planning, limit: int) -> Sequence[int]:
    """List real incidents that nobody closed though the ambulance was expected a while ago.

    visibility: for the timetable.
    """
    expected = at - timedelta(seconds=numbers.remind_after_seconds)
    return session.scalars(
        select(Incident.id)
        .where(
            Incident.kind == Kind.REAL,
            Incident.reminded_at.is_(None),
            Incident.ambulance_at <= expected,
            in_force(at, numbers),
        )
        .order_by(Incident.id)
        .limit(limit)
    ).all()
