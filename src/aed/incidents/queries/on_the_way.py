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
from aed.geo import Position, distance_metres
from aed.incidents.models import Alert, AlertPlace, Incident
from aed.incidents.queries.ways import Ways
from aed.incidents.rules.arrival import floor_seconds, floors_between
from aed.incidents.rules.incident import AT_THE_DEVICE_METRES
from aed.registry.models import Device, EstatePace
from aed.settings import Settings
from aed.spatial import position_of
from aed.walking.network import WalkingNetwork

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
    arrival, patient = settings.arrival, Position(incident.lat, incident.lon)
    floors = floor_seconds(incident.floor, arrival)
    if alert.device is None or has_device:
        return _walk_seconds(session, patient, here, at, network, settings) + floors
    device = position_of(alert.device.position)
    to_device = _walk_seconds(session, device, here, at, network, settings)
    to_patient = _walk_seconds(session, patient, device, at, network, settings)
    between = floors_between(distance_metres(patient, device), incident.floor, alert.device.floor, arrival)
    up = floor_seconds(alert.device.floor, arrival)
    return to_device + up + _pick_up_seconds(session, alert.device, settings) + to_patient + between


def _walk_seconds(
    session: Session,
    one: Position,
    other: Position,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> float:
    """visibility: between places that the caller knows."""
    arrival = settings.arrival
    straight = distance_metres(one, other)
    metres = straight * arrival.detour_factor
    start = network.start_at(one) if network is not None else None
    if network is not None and start is not None:
        ways = Ways(session.connection(), TIMETABLE, network, one, start, at=at, numbers=arrival)
        ways.widen(straight * _LONGER_THAN_STRAIGHT + _ROUND_THE_BLOCK_METRES)
        footing = ways.footings(np.array([other.lat]), np.array([other.lon]))
        found = [*ways.costs(footing), *(ways.costs_if_opened(footing) or [])]
        metres = next((each for each in found if math.isfinite(each)), metres)
    return metres / arrival.responder_metres_per_second


def _pick_up_seconds(session: Session, device: Device, settings: Settings) -> float:
    """visibility: a number of an estate, for the plan."""
    pace = session.get(EstatePace, device.estate_id) if device.estate_id is not None else None
    return pace.pick_up_seconds if pace is not None else settings.arrival.pick_up_seconds


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
