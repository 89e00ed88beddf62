"""Record drills, also those timed in exercises, and estimate the estate's pace from them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.geometry import position_of
from aed.database.idempotency import content_digest, require_same_content
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.geo import Position, distance_metres
from aed.incidents.alerts.queries import first_exact_location
from aed.incidents.drills import queries
from aed.incidents.drills.schemas import DrillIn
from aed.incidents.models import Alert, Drill, Incident
from aed.incidents.permissions import require_drill_deleter, require_drill_reporter
from aed.lookup.arrival import Basis, estimated_walk_metres
from aed.lookup.pace import Estimate, estimate
from aed.lookup.places import Buildings, Spot
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates.models import EstatePace
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

MAX_START_METRES: Final = 3_000.0
"""Starts farther from the device than this are refused."""
MAX_DRILL_AGE: Final = timedelta(days=365)
_EXERCISES: Final = UUID("4b1f6a0e-3c0e-4f43-8f2b-6d2a7a1c9e55")
"""UUID namespace of the keys of fetches timed in exercises."""
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def report_drill(
    session: Session,
    who: Viewer,
    device_id: int,
    new: DrillIn,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    at: datetime,
) -> Drill:
    """Store a timed fetch, and update the estate's pace.

    The walk is computed as in the lookup, without waits at gates: residents know them. A drill that was sent
    before under its key is returned unchanged.

    Raises NotFound, NotSignedIn, NotAllowed; Conflict for a withdrawn device, for one of no estate, and for
    another drill under a key that is taken; InvalidInput for a start too far away or an impossible time.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    require_drill_reporter(who, device.estate_id, device.region_id)
    digest = content_digest(f"{device_id} {new.model_dump_json(exclude={'ran_at'})}")
    known = queries.drill_by_key(session, str(new.key))
    if known is not None:
        require_same_content(known.digest, digest, "drill")
        return known
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    if device.estate_id is None:
        raise Conflict(
            "This device belongs to no estate: drills measure the pace of an estate.", field="device_id"
        )
    ran_at = new.ran_at or at
    if not at - MAX_DRILL_AGE <= ran_at <= at + _CLOCKS_DIFFER:
        raise InvalidInput("ran_at must be within the last year.", field="ran_at")
    start = new.start.position()
    straight = distance_metres(start, position_of(device.position))
    if straight > MAX_START_METRES:
        raise InvalidInput(
            "The start is {straight:.0f} m from the device; it must be within {max_start_metres:.0f} m.",
            field="start",
            straight=straight,
            max_start_metres=MAX_START_METRES,
        )
    metres, basis = _walk(network, start, device, straight, settings)
    floors = Buildings(session.connection(), settings.arrival).floor_seconds(
        Spot(start, new.floor), Spot(position_of(device.position), device.floor)
    )
    drill = Drill(
        key=str(new.key),
        digest=digest,
        device_id=device.id,
        estate_id=device.estate_id,
        start_lat=start.lat,
        start_lon=start.lon,
        start_floor=new.floor,
        device_floor=device.floor,
        seconds=new.seconds,
        walk_metres=metres,
        basis=basis,
        floor_seconds=2 * floors,
        ran_at=min(ran_at, at),
        reported_at=at,
        by_id=who.person_id,
        by_name=who.name,
        note=new.note,
    )
    session.add(drill)
    session.flush()
    update_estate_pace(session, device.estate_id, settings)
    return drill


def time_exercise(
    session: Session,
    incident: Incident,
    alert: Alert,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    at: datetime,
) -> Drill | None:
    """Store a device fetch of an exercise as a drill: first location of the phone, device, patient.

    Its walk is half of that way. Returns None without a location, for a device of no estate, or if the person
    did not arrive. Once per alert.

    visibility: for a job; the drill is shown as others are.
    """
    first, device = first_exact_location(session, alert.id), alert.device
    if first is None or device is None or device.estate_id is None or alert.there_at is None:
        return None
    seconds = (alert.there_at - first.at).total_seconds()
    start, patient = Position(first.lat, first.lon), Position(incident.lat, incident.lon)
    here, key = position_of(device.position), str(uuid5(_EXERCISES, f"alert {alert.id}"))
    straight = [distance_metres(start, here), distance_metres(patient, here)]
    if seconds <= 0 or max(straight) > MAX_START_METRES or queries.drill_by_key(session, key) is not None:
        return None
    ways = [
        _walk(network, one, device, far, settings)
        for one, far in zip((start, patient), straight, strict=True)
    ]
    buildings, there = Buildings(session.connection(), settings.arrival), Spot(here, device.floor)
    drill = Drill(
        key=key,
        digest=content_digest(key),
        device_id=device.id,
        estate_id=device.estate_id,
        start_lat=start.lat,
        start_lon=start.lon,
        start_floor=0,
        device_floor=device.floor,
        seconds=seconds,
        walk_metres=sum(metres for metres, _ in ways) / 2,
        basis=ways[0][1] if ways[0][1] is ways[1][1] else Basis.STRAIGHT_LINE,
        floor_seconds=buildings.floor_seconds(Spot(start, 0), there)
        + buildings.floor_seconds(there, Spot(patient, incident.floor)),
        ran_at=first.at,
        reported_at=at,
        by_id=alert.person_id,
        by_name=f"alert {alert.id}",
        note=f"exercise, incident {incident.id}",
    )
    session.add(drill)
    session.flush()
    update_estate_pace(session, device.estate_id, settings)
    return drill


def withdraw_drill(session: Session, who: Viewer, drill_id: int, *, settings: Settings, at: datetime) -> None:
    """Withdraw a drill so that it no longer counts; a second time changes nothing.

    Raises NotFound, NotSignedIn, NotAllowed.
    """
    drill, device = queries.drill(session, who, drill_id)
    require_drill_deleter(who, drill.by_id, drill.estate_id, device.region_id)
    if drill.withdrawn_at is None:
        drill.withdrawn_at, drill.withdrawn_by = at, who.name
        session.flush()
        update_estate_pace(session, drill.estate_id, settings)


def estimate_estate_pace(session: Session, estate_id: int, settings: Settings) -> Estimate:
    """Estimate the pace of an estate from its drills.

    visibility: of an estate that the caller has found for the viewer.
    """
    drills = queries.timed_fetches(session, estate_id, newest=settings.drills.max_drills)
    return estimate(drills, settings.drills, settings.arrival)


def _walk(
    network: WalkingNetwork | None, start: Position, device: Device, straight: float, settings: Settings
) -> tuple[float, Basis]:
    """Return metres one way, on the walking network where it is known, and how they were computed."""
    if network is not None:
        here = position_of(device.position)
        reachable = network.reachable(start, within_metres=settings.walking_reach_metres)
        if reachable is not None:
            cost = float(reachable.costs(network.snap([here.lat], [here.lon]))[0])
            if not math.isinf(cost):
                return cost, Basis.WALKING_NETWORK
    return estimated_walk_metres(straight, settings.arrival), Basis.STRAIGHT_LINE


def update_estate_pace(session: Session, estate_id: int, settings: Settings) -> bool:
    """Store the pace estimated from an estate's drills, or delete it if they are too few; True if it
    changed.

    The lookup uses a stored pace, and the general one elsewhere.

    visibility: computed from drills that their reporters may see.
    """
    exclusive_lock(session, f"pace of estate {estate_id}")
    found, kept = estimate_estate_pace(session, estate_id, settings), session.get(EstatePace, estate_id)
    before = (kept.seconds_per_metre, kept.pick_up_seconds, kept.drills) if kept is not None else None
    if not found.is_enough or found.seconds_per_metre is None or found.pick_up_seconds is None:
        now = None
        if kept is not None:
            session.delete(kept)
    else:
        now = (found.seconds_per_metre.value, found.pick_up_seconds.value, found.drills)
        if kept is None:
            kept = EstatePace(estate_id=estate_id)
            session.add(kept)
        kept.seconds_per_metre, kept.pick_up_seconds, kept.drills = now
    session.flush()
    return now != before
