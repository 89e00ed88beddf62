"""What a phone keeps of an estate to find help without signal: devices, their hours and walking times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry
from shapely.prepared import prep
from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.database.boxes import window_around
from aed.geo import METRES_PER_DEGREE, Position, distance_metres
from aed.hours.evaluation import hours_at
from aed.lookup.arrival import accessible_probability, estimated_walk_metres, usable_probability
from aed.lookup.candidates import Candidates, NearbyDevice, readiness_and_confidence
from aed.lookup.question import LookupQuestion
from aed.lookup.walks import WalksFromPatient
from aed.registry import nearby as nearby_queries
from aed.registry.devices.reachability import hour_band
from aed.registry.devices.rules import AccessAt, EntryMode, Readiness, access_at
from aed.registry.nearby import GateNearby
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import NO_WAY, Leg, fetch_seconds, leg_seconds, opening_seconds

MAX_PLACES: Final = 150
MIN_SPACING_METRES: Final = 40.0
AROUND_METRES: Final = 500.0
"""Devices up to this far outside an estate are kept too."""
MAX_DEVICES: Final = 40
REACH_METRES: Final = 1_000.0
"""Walks that are longer have no entry in the table."""
STATE_DAYS: Final = 14
"""Days for which hours and expiry dates are evaluated in advance."""
_SAME_PENALTY_SECONDS: Final = 15.0


class State(NamedTuple):
    """Whether a device can be used, from a moment on."""

    since: datetime
    access: AccessAt
    readiness: Readiness
    penalty_seconds: float
    """What the chance of a failed fetch adds to the expected time, as in `arrival.expected_seconds`."""


class Way(NamedTuple):
    """A walk between a place and a device."""

    metres: float
    """One way."""
    seconds: float
    """The whole fetch, there and back."""


@dataclass(frozen=True, slots=True)
class KeptDevice:
    near: NearbyDevice
    states: list[State]
    ways: list[Way | None]
    """From each of the pack's places; None if there is no walk of up to `REACH_METRES`."""
    ambulance_seconds: float
    """A fetch that takes longer is too late."""
    base_seconds: float
    """The time of a fetch besides walking, for estimates from elsewhere."""
    brought_offset_seconds: float
    """Half a fetch and this is the time until staff on site bring it, as in `arrival.bringing`."""


@dataclass(frozen=True, slots=True)
class Pack:
    """An estate for use without signal."""

    since: datetime
    """Start of the day, from which the states are known."""
    until: datetime
    places: list[Position]
    """Places in and around the estate."""
    spacing_metres: float
    """Places are no farther from each other."""
    devices: list[KeptDevice]
    emergency_number: str


def pack_of(
    connection: Connection,
    viewer: Viewer,
    boundary: BaseGeometry,
    *,
    time_zone: str,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Pack:
    """Return the devices in and around an estate that the viewer may see, for use without signal.

    1. Take the nearest `MAX_DEVICES` devices in service that the viewer may see at every hour.
    2. Walk from each device to a grid of places in and around the estate, with the gates as they are at
       `at`. The way back is taken to be as long. Without a street nearby, estimate by the straight line.
    3. Evaluate hours and expiry dates for `STATE_DAYS` days from the start of the day, so that a pack is the
       same during one day if nothing changes.
    """
    middle = boundary.representative_point()
    centre = Position(middle.y, middle.x)
    places, spacing = places_in(boundary)
    radius = max(distance_metres(centre, place) for place in places)
    since = datetime.combine(at.astimezone(ZoneInfo(time_zone)).date(), time(), ZoneInfo(time_zone))
    question = LookupQuestion(here=centre, at=at, limit=MAX_DEVICES, responders=0)
    candidates = Candidates(connection, viewer, question, settings)
    candidates.widen(about=MAX_DEVICES, to_metres=radius + AROUND_METRES)
    near = [
        candidates.device(number)
        for number in candidates.nearest_first[:MAX_DEVICES]
        if candidates.straight_metres[number] <= radius + AROUND_METRES
        and candidates.rows[number].hours_of_sharing is None
    ]
    gates_within = radius + AROUND_METRES + REACH_METRES
    gates = nearby_queries.gates_around(connection.dialect).fetch(
        connection, window_around(centre, gates_within)
    )
    devices = []
    for device in near:
        walks = _walks_from(connection, viewer, device, gates, at=at, network=network, settings=settings)
        if walks is not None:
            walks.local = candidates.local_time()
        planning = settings.planning
        devices.append(
            KeptDevice(
                near=device,
                states=_states_of(connection, device, since=since, settings=settings),
                ways=_ways(device, walks, places, settings),
                ambulance_seconds=planning.ambulance_seconds_by_region.get(
                    device.row.region_code, planning.ambulance_seconds
                ),
                base_seconds=_seconds(device, Leg(settings.arrival.slow_start_metres), settings)
                - 2 * settings.arrival.slow_start_metres * device.pace.seconds_per_metre,
                brought_offset_seconds=settings.arrival.bring_call_seconds
                + opening_seconds(device.pace, settings.arrival)
                - device.pace.pick_up_seconds / 2,
            )
        )
    until = since + timedelta(days=STATE_DAYS)
    return Pack(since, until, places, spacing, devices, candidates.emergency_number())


def places_in(boundary: BaseGeometry) -> tuple[list[Position], float]:
    """Return places in a shape and, less densely, up to `AROUND_METRES` outside, and the wider spacing.

    At most about `MAX_PLACES` each, on two grids.
    """
    around = boundary.buffer(AROUND_METRES / METRES_PER_DEGREE)
    inside, _ = _grid(boundary.buffer(MIN_SPACING_METRES / 2 / METRES_PER_DEGREE))
    outside, spacing = _grid(around)
    middle = boundary.representative_point()
    return [Position(middle.y, middle.x), *inside, *outside], spacing


def _grid(area: BaseGeometry) -> tuple[list[Position], float]:
    """Return a grid of about `MAX_PLACES` places in a shape, or fewer, and its spacing in metres."""
    west, south, east, north = area.bounds
    across = METRES_PER_DEGREE * math.cos(math.radians((south + north) / 2))
    square_metres = area.area * across * METRES_PER_DEGREE
    spacing = max(MIN_SPACING_METRES, math.sqrt(square_metres / MAX_PLACES))
    is_inside = prep(area).contains
    places = [
        Position(float(lat), float(lon))
        for lat in np.arange(south, north, spacing / METRES_PER_DEGREE)
        for lon in np.arange(west, east, spacing / across)
        if is_inside(Point(lon, lat))
    ]
    return places, spacing


def _walks_from(
    connection: Connection,
    viewer: Viewer,
    device: NearbyDevice,
    gates: list[GateNearby],
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> WalksFromPatient | None:
    """Return walks from a device; None without a network or without a street nearby."""
    here = Position(device.row.lat, device.row.lon)
    start = network.start_at(here) if network is not None else None
    if network is None or start is None:
        return None
    return WalksFromPatient(
        connection,
        viewer,
        network,
        here,
        start,
        at=at,
        numbers=settings.arrival,
        gates=gates,
        gates_within_metres=REACH_METRES,
    )


def _ways(
    device: NearbyDevice, walks: WalksFromPatient | None, places: list[Position], settings: Settings
) -> list[Way | None]:
    """Return the way between a device and each place."""
    here = Position(device.row.lat, device.row.lon)
    straight = [
        Leg(estimated_walk_metres(distance_metres(here, place), settings.arrival)) for place in places
    ]
    if walks is None:
        legs = [leg if leg.metres <= REACH_METRES else NO_WAY for leg in straight]
    else:
        walks.widen(REACH_METRES)
        snapped = walks.snap(np.array([each.lat for each in places]), np.array([each.lon for each in places]))
        legs = walks.legs(snapped)
        for i, edge in enumerate(snapped.edge):
            if edge < 0 and straight[i].metres <= REACH_METRES:  # no street near the place
                legs[i] = straight[i]
    return [
        Way(leg.metres, _seconds(device, leg, settings)) if math.isfinite(leg.metres) else None
        for leg in legs
    ]


def _seconds(device: NearbyDevice, way: Leg, settings: Settings) -> float:
    leg = leg_seconds(way, device.floors, device.pace, settings.arrival)
    return fetch_seconds(leg, leg, device.pace)


def _states_of(
    connection: Connection, device: NearbyDevice, *, since: datetime, settings: Settings
) -> list[State]:
    """Return the states of a device in order, each different from the one before.

    A device that is out on a call stays so: nobody can tell for how long.
    """
    row, numbers = device.row, settings.arrival
    calendar = nearby_queries.calendar_of(connection, row.holiday_calendar, row.calendar_version)
    zone = ZoneInfo(row.time_zone)
    found: list[State] = []
    at, end = since, since + timedelta(days=STATE_DAYS)
    while at < end:
        local = at.astimezone(zone)
        access = access_at(
            hours_at(row.opening_hours, at, time_zone=row.time_zone, calendar=calendar), EntryMode(row.entry)
        )
        readiness, trusted = readiness_and_confidence(
            local.date(),
            row.first_expiry,
            row.battery_expiry,
            row.last_checked_on,
            numbers.checked_within_days,
            settings.trust.readiness_half_life_days,
        )
        if row.out_alert is not None:
            readiness = Readiness.OUT_ON_CALL
        reachable = accessible_probability(access, device.place, hour_band(local, calendar), numbers)
        usable = usable_probability(reachable, readiness, trusted, numbers)
        state = State(at, access, readiness, (1 - usable) * numbers.failed_fetch_penalty_seconds)
        if not found or _is_different(found[-1], state):
            found.append(state)
        midnight = datetime.combine(local.date() + timedelta(days=1), time(), zone)
        at = min(midnight, access.until) if access.until is not None and access.until > at else midnight
    return found


def _is_different(one: State, other: State) -> bool:
    return (
        one.access.access is not other.access.access
        or one.readiness is not other.readiness
        or abs(one.penalty_seconds - other.penalty_seconds) >= _SAME_PENALTY_SECONDS
    )
