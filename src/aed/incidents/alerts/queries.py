"""Read who is alerted or busy elsewhere, and where people and devices are."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import SCHEDULER
from aed.accounts.regions.models import Region
from aed.database.geometry import position_of
from aed.geo import Position, distance_metres
from aed.incidents.models import Alert, AlertLocation, Incident
from aed.incidents.queries import is_active_at
from aed.incidents.rules import (
    AT_DEVICE_METRES,
    COMING_STATES,
    LIVE_STATES,
    AlertState,
    ChildPads,
    IncidentKind,
    IncidentState,
    Task,
)
from aed.lookup.arrival import estimated_walk_metres
from aed.lookup.places import Buildings, Spot, pace_in, pace_to
from aed.lookup.walks import WalksFromPatient
from aed.registry.devices.models import Consumable
from aed.registry.devices.rules import ConsumableKind, ConsumableState
from aed.settings import Settings
from aed.settings.planning import Planning
from aed.walking.network import WalkingNetwork
from aed.walking.travel import Leg, Pace, leg_seconds, opening_seconds


def is_device_taken_by_another(session: Session, device_id: int, alert_id: int, incident_id: int) -> bool:
    """True if another person has the device, or found that it cannot be had.

    A second person of the same incident may go for it until the first has it in their hands. visibility: only
    that it is unavailable.
    """
    found = session.scalars(
        select(Alert).where(
            Alert.out_device_id == device_id, Alert.device_settled_at.is_(None), Alert.id != alert_id
        )
    )
    return any(
        each.incident_id != incident_id
        or each.device_taken_at is not None
        or each.fetch_failure is not None
        or each.device_used_at is not None
        for each in found
    )


def alerts_fetching(session: Session, device_id: int, *, region_id: int) -> Sequence[Alert]:
    """List alerts of open incidents of the region that fetch this device. visibility: for re-tasking them."""
    return session.scalars(
        select(Alert)
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Alert.device_id == device_id,
            Alert.state.in_(LIVE_STATES),
            Incident.state == IncidentState.OPEN,
            Incident.region_id == region_id,
        )
        .options(joinedload(Alert.device))
        .order_by(Alert.incident_id, Alert.id)
    ).all()


def unsettled_devices(session: Session, *, after_id: int, limit: int) -> Sequence[tuple[int, int]]:
    """List (alert, incident) whose device upkeep has not taken over yet, by alert id. visibility: for a
    job.
    """
    rows = session.execute(
        select(Alert.id, Alert.incident_id)
        .where(Alert.out_device_id.is_not(None), Alert.device_settled_at.is_(None), Alert.id > after_id)
        .order_by(Alert.id)
        .limit(limit)
    )
    return [(row.id, row.incident_id) for row in rows]


_UNANSWERED: Final = LIVE_STATES - COMING_STATES


def busy_elsewhere(session: Session, incident: Incident, *, at: datetime, numbers: Planning) -> set[int]:
    """Return the ids of people who must not be alerted to this incident because of another.

    1. A real patient loses nobody to a test, an exercise or an incident whose time is over.
    2. People who accepted a call to another real patient are busy, and so are those who were asked less than
       `asked_elsewhere_seconds` ago. After that, silence counts as no.
    3. A patient whom a dispatcher has confirmed loses nobody to an unconfirmed report, unless that person has
       accepted: invented reports must not take people away.
    4. An exercise alerts nobody who is alerted to a real patient, however long ago. A test is planned as a
       real incident.

    visibility: only ids; nobody is alerted to two incidents at once.
    """
    lately = Alert.asked_at > at - timedelta(seconds=numbers.asked_elsewhere_seconds)
    comes, asked = Alert.state.in_(COMING_STATES), and_(Alert.state.in_(_UNANSWERED), lately)
    of_a_real_one = Incident.kind == IncidentKind.REAL
    if incident.kind is IncidentKind.EXERCISE:
        of_an_exercise = Incident.kind == IncidentKind.EXERCISE
        busy = or_(and_(of_a_real_one, Alert.state.in_(LIVE_STATES)), and_(of_an_exercise, or_(comes, asked)))
    elif incident.confirmed_at is not None:
        busy = and_(of_a_real_one, or_(comes, and_(asked, Incident.confirmed_at.is_not(None))))
    else:
        busy = and_(of_a_real_one, or_(comes, asked))
    return set(
        session.scalars(
            select(Alert.person_id)
            .join(Incident, Incident.id == Alert.incident_id)
            .where(Incident.id != incident.id, is_active_at(at, numbers), busy)
        )
    )


def people_in_exercises(
    session: Session, person_ids: Sequence[int], *, at: datetime, numbers: Planning
) -> set[int]:
    """Return which of these people are alerted to an exercise now. visibility: for the text of an alert."""
    return set(
        session.scalars(
            select(Alert.person_id)
            .join(Incident, Incident.id == Alert.incident_id)
            .where(
                Alert.person_id.in_(person_ids),
                Alert.state.in_(LIVE_STATES),
                Incident.kind == IncidentKind.EXERCISE,
                is_active_at(at, numbers),
            )
        )
    )


def other_alerts(
    session: Session, person_ids: Sequence[int], *, not_of: int, kinds: Sequence[IncidentKind]
) -> Sequence[tuple[int, int]]:
    """List (incident, alert) of these people's live alerts in other open incidents of those kinds.

    visibility: for stopping them.
    """
    rows = session.execute(
        select(Alert.incident_id, Alert.id)
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Alert.person_id.in_(person_ids),
            Alert.state.in_(LIVE_STATES),
            Incident.id != not_of,
            Incident.state == IncidentState.OPEN,
            Incident.kind.in_(kinds),
        )
        .order_by(Alert.incident_id, Alert.id)
    )
    return [(incident_id, alert_id) for incident_id, alert_id in rows]


_LONGER_THAN_STRAIGHT = 4.0
"""Walks longer than this many times the straight line are not searched."""
_ROUND_THE_BLOCK_METRES = 600.0
"""Added to that limit, for short lines; waits at gates count as metres."""


def remaining_seconds(
    session: Session,
    incident: Incident,
    alert: Alert,
    here: Position,
    *,
    at: datetime,
    has_device: bool,
    network: WalkingNetwork | None,
    settings: Settings,
) -> float:
    """Return how long a person at `here` needs to the patient, by the device unless they have been there.

    On the walking network with the gates as they are now; by the straight line where no walk is known.
    visibility: for the plan, and for people who see the incident.
    """
    arrival, patient = settings.arrival, Spot(Position(incident.lat, incident.lon), incident.floor)
    start = Spot(here, 0)  # a phone does not tell on which floor it is
    buildings = Buildings(session.connection(), arrival)

    def seconds(one: Spot, other: Spot, pace: Pace) -> float:
        way = _leg(session, one.position, other.position, at, network, settings)
        return leg_seconds(way, buildings.floor_seconds(one, other), pace, arrival)

    if alert.device is None:
        return seconds(start, patient, pace_to(session, patient.position, arrival))
    pace = pace_in(session, alert.device.estate_id, arrival)
    if has_device:
        return seconds(start, patient, pace)
    device = Spot(position_of(alert.device.position), alert.device.floor)
    there, back = seconds(start, device, pace), seconds(device, patient, pace)
    return there + opening_seconds(pace, arrival) + back


def _leg(
    session: Session,
    one: Position,
    other: Position,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Leg:
    """visibility: between places that the caller knows."""
    arrival = settings.arrival
    straight = distance_metres(one, other)
    start = network.start_at(other) if network is not None else None
    if network is not None and start is not None:
        ways = WalksFromPatient(
            session.connection(), SCHEDULER, network, other, start, at=at, numbers=arrival
        )
        ways.widen(straight * _LONGER_THAN_STRAIGHT + _ROUND_THE_BLOCK_METRES)
        (found,) = ways.legs(ways.snap(np.array([one.lat]), np.array([one.lon])))
        if math.isfinite(found.metres):
            return found
    return Leg(estimated_walk_metres(straight, arrival))


def has_reached_device(session: Session, alert: Alert) -> bool:
    """True if a person who fetches a device was located at it. visibility: of the person's own call."""
    assert alert.device is not None
    device = position_of(alert.device.position)
    places = session.execute(
        select(AlertLocation.lat, AlertLocation.lon).where(AlertLocation.alert_id == alert.id)
    )
    return any(
        distance_metres(device, Position(lat, lon)) <= AT_DEVICE_METRES
        for lat, lon in places
        if lat is not None and lon is not None
    )


class OthersComing(NamedTuple):
    """How many other people have accepted a call, by what they do; without names and places."""

    on_the_way: int = 0
    there: int = 0
    bringing: int = 0
    """Fetching a device, or with one in their hands; those who are there with one included."""
    guiding: int = 0


def others_coming(session: Session, alert: Alert) -> OthersComing:
    """Count the other people who come to the same patient. visibility: for a person who was alerted to it."""
    found = session.scalars(
        select(Alert).where(
            Alert.incident_id == alert.incident_id, Alert.id != alert.id, Alert.state.in_(COMING_STATES)
        )
    ).all()
    helping = [each for each in found if each.task is not Task.GUIDE]
    there = sum(each.state is AlertState.THERE for each in helping)
    return OthersComing(
        on_the_way=len(helping) - there,
        there=there,
        bringing=sum(each.task is Task.FETCH and each.device_returned_at is None for each in helping),
        guiding=len(found) - len(helping),
    )


class ExactLocation(NamedTuple):
    """Exact location of a phone at a moment."""

    lat: float
    lon: float
    at: datetime


def first_exact_location(session: Session, alert_id: int) -> ExactLocation | None:
    """Return where a person set out from. visibility: for timing an exercise."""
    found = session.scalar(
        select(AlertLocation)
        .where(AlertLocation.alert_id == alert_id, AlertLocation.lat.is_not(None))
        .order_by(AlertLocation.at)
        .limit(1)
    )
    if found is None or found.lat is None or found.lon is None:
        return None
    return ExactLocation(found.lat, found.lon, found.at)


def latest_locations(session: Session, alert_ids: Collection[int]) -> Mapping[int, AlertLocation]:
    """Return the latest location of each alert, by alert id.

    visibility: of an incident that the caller has found for the viewer.
    """
    newest = (
        select(AlertLocation.alert_id, func.max(AlertLocation.at).label("at"))
        .where(AlertLocation.alert_id.in_(alert_ids))
        .group_by(AlertLocation.alert_id)
        .subquery()
    )
    found = session.scalars(
        select(AlertLocation).join(
            newest, (newest.c.alert_id == AlertLocation.alert_id) & (newest.c.at == AlertLocation.at)
        )
    )
    return {each.alert_id: each for each in found}


def last_location_id(session: Session) -> int:
    """visibility: an id."""
    return session.scalar(select(func.coalesce(func.max(AlertLocation.id), 0))) or 0


def locations_after(
    session: Session, incident_ids: Collection[int], last_id: int
) -> Sequence[tuple[int, AlertLocation, Alert]]:
    """List (incident, location, alert) that were reported since, in order.

    visibility: the caller checks whose they are.
    """
    if not incident_ids:
        return []
    rows = session.execute(
        select(Alert.incident_id, AlertLocation, Alert)
        .join(Alert, Alert.id == AlertLocation.alert_id)
        .where(Alert.incident_id.in_(incident_ids), AlertLocation.id > last_id)
        .order_by(AlertLocation.id)
    )
    return [(incident_id, place, alert) for incident_id, place, alert in rows]


def child_pads_of(session: Session, device_id: int, *, today: date) -> ChildPads:
    """Return whether child pads are fitted and not expired. visibility: of a device that somebody fetches."""
    fitted, last = session.execute(
        select(func.count(), func.max(Consumable.expires_on)).where(
            Consumable.device_id == device_id,
            Consumable.kind == ConsumableKind.CHILD_PADS,
            Consumable.state == ConsumableState.FITTED,
        )
    ).one()
    if not fitted:
        return ChildPads.NOT_KNOWN
    return ChildPads.FITTED if last is None or last >= today else ChildPads.EXPIRED


class OwnAlert(NamedTuple):
    """An alert as the person who got it sees it afterwards."""

    alert: Alert
    kind: IncidentKind
    time_zone: str


def alerts_of_person(session: Session, person_id: int, *, limit: int) -> list[OwnAlert]:
    """List the alerts that a person got, newest first, without those of line tests.

    visibility: for the person alone; nothing about the patient or about others.
    """
    rows = session.execute(
        select(Alert, Incident.kind, Region.time_zone)
        .join(Incident, Incident.id == Alert.incident_id)
        .join(Region, Region.id == Incident.region_id)
        .where(Alert.person_id == person_id, Incident.kind != IncidentKind.TEST)
        .order_by(Alert.id.desc())
        .limit(limit)
    )
    return [OwnAlert(*row) for row in rows]
