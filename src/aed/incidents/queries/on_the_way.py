"""Those who come: where they are, and how long they still need."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.rules.viewer import TIMETABLE
from aed.database.spatial import position_of
from aed.geo import Position, distance_metres
from aed.incidents.models import Alert, AlertPlace, Incident
from aed.incidents.rules.incident import AT_THE_DEVICE_METRES
from aed.lookup.arrival import estimated_walk_metres
from aed.lookup.buildings import Buildings, Spot
from aed.lookup.paces import pace_in, pace_to
from aed.lookup.walks import Ways
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import Leg, Pace, leg_seconds, opening_seconds

_LONGER_THAN_STRAIGHT = 4.0
"""No farther than so many times the straight line is a way looked for."""
_ROUND_THE_BLOCK_METRES = 600.0
"""And this, where the line is short; waits at gates count as metres."""


def seconds_left(
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
    """How long somebody who is `here` needs to the patient: by the device, unless he has been there already.

    On the streets with the gates as they stand; by the straight line where no way is known.
    visibility: for the plan, and for those who see the incident.
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
        ways = Ways(session.connection(), TIMETABLE, network, other, start, at=at, numbers=arrival)
        ways.widen(straight * _LONGER_THAN_STRAIGHT + _ROUND_THE_BLOCK_METRES)
        (found,) = ways.legs(ways.footings(np.array([one.lat]), np.array([one.lon])))
        if math.isfinite(found.metres):
            return found
    return Leg(estimated_walk_metres(straight, arrival))


def has_been_at(session: Session, alert: Alert) -> bool:
    """Whether somebody who fetches a device was seen where it hangs. visibility: of the person's own call."""
    assert alert.device is not None
    device = position_of(alert.device.position)
    places = session.execute(select(AlertPlace.lat, AlertPlace.lon).where(AlertPlace.alert_id == alert.id))
    return any(
        distance_metres(device, Position(lat, lon)) <= AT_THE_DEVICE_METRES
        for lat, lon in places
        if lat is not None and lon is not None
    )


class ExactPlace(NamedTuple):
    """Where a phone was, and when."""

    lat: float
    lon: float
    at: datetime


def first_exact_place(session: Session, alert_id: int) -> ExactPlace | None:
    """Where somebody set out from. visibility: for timing an exercise."""
    found = session.scalar(
        select(AlertPlace)
        .where(AlertPlace.alert_id == alert_id, AlertPlace.lat.is_not(None))
        .order_by(AlertPlace.at)
        .limit(1)
    )
    if found is None or found.lat is None or found.lon is None:
        return None
    return ExactPlace(found.lat, found.lon, found.at)


def newest_places(session: Session, alert_ids: Collection[int]) -> Mapping[int, AlertPlace]:
    """Of each the newest, by alert. visibility: of an incident that the caller has found for the viewer."""
    newest = (
        select(AlertPlace.alert_id, func.max(AlertPlace.at).label("at"))
        .where(AlertPlace.alert_id.in_(alert_ids))
        .group_by(AlertPlace.alert_id)
        .subquery()
    )
    found = session.scalars(
        select(AlertPlace).join(
            newest, (newest.c.alert_id == AlertPlace.alert_id) & (newest.c.at == AlertPlace.at)
        )
    )
    return {each.alert_id: each for each in found}


def last_place_id(session: Session) -> int:
    """visibility: a number."""
    return session.scalar(select(func.coalesce(func.max(AlertPlace.id), 0))) or 0


def places_after(
    session: Session, incident_ids: Collection[int], last_id: int
) -> Sequence[tuple[int, AlertPlace, Alert]]:
    """What those who come to these incidents have said since, with the incident and the alert, in order.

    visibility: the caller asked whose.
    """
    if not incident_ids:
        return []
    rows = session.execute(
        select(Alert.incident_id, AlertPlace, Alert)
        .join(Alert, Alert.id == AlertPlace.alert_id)
        .where(Alert.incident_id.in_(incident_ids), AlertPlace.id > last_id)
        .order_by(AlertPlace.id)
    )
    return [(incident_id, place, alert) for incident_id, place, alert in rows]
