"""Walking times between the places of a round, over the walking network with its gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.database.boxes import window_around
from aed.geo import Position, distance_metres
from aed.hours.evaluation import HolidayDates
from aed.lookup.walks import LocalTime, WalksFromPatient
from aed.registry.nearby import gates_around
from aed.settings.arrival import Arrival
from aed.upkeep.rounds.rules import WALKING_METRES_PER_SECOND
from aed.walking.network import WalkingNetwork
from aed.walking.snapping import SnappedPoints
from aed.walking.travel import floors_between

DETOUR: Final = 3.0
"""Walks are searched up to so many times the greatest straight line between two places…"""
DETOUR_METRES: Final = 1_000.0
"""…and this much more."""
MAX_WALK_METRES: Final = 25_000.0


class Place(NamedTuple):
    """A device, or where a round starts or ends."""

    position: Position
    floor: int


@dataclass(frozen=True, slots=True)
class RoundWalks:
    """Seconds from each place to each other; infinite if there is no way."""

    seconds: list[list[float]]
    is_estimated: bool
    """True if some were estimated from straight lines, for lack of a street nearby."""


def walks_between(
    connection: Connection,
    viewer: Viewer,
    network: WalkingNetwork | None,
    places: Sequence[Place],
    *,
    at: datetime,
    time_zone: str,
    calendar: HolidayDates | None,
    numbers: Arrival,
) -> RoundWalks:
    """Return the walking times of an inspector between all places, including stairs and lifts.

    Gates are as they are at `at` for the viewer. Where a closed gate is the only way, the time to have it
    opened is added.
    """
    straight = [[distance_metres(one.position, other.position) for other in places] for one in places]
    starts = [network.start_at(place.position) if network is not None else None for place in places]
    if network is None or not any(starts):
        metres = [[each * numbers.detour_factor for each in row] for row in straight]
        return RoundWalks(_with_floors(metres, None, places, numbers), is_estimated=True)
    farthest = max(map(max, straight))
    reach = min(farthest * DETOUR + DETOUR_METRES, MAX_WALK_METRES)
    rows = gates_around(connection.dialect).fetch(
        connection, window_around(places[0].position, farthest + reach)
    )
    points = network.snap(
        np.array([place.position.lat for place in places]), np.array([place.position.lon for place in places])
    )
    local = LocalTime(time_zone, calendar)
    metres, waits = [], []
    for i, (place, start) in enumerate(zip(places, starts, strict=True)):
        estimated = [each * numbers.detour_factor for each in straight[i]]
        if start is None:
            metres.append(estimated)
            waits.append([0.0] * len(places))
            continue
        walks = WalksFromPatient(
            connection,
            viewer,
            network,
            place.position,
            start,
            at=at,
            numbers=numbers,
            gates=rows,
            gates_within_metres=reach,
        )
        walks.local = local
        walks.widen(reach)
        legs = walks.legs(points)
        has_street = _has_street(points)
        metres.append([leg.metres if has_street[j] else estimated[j] for j, leg in enumerate(legs)])
        waits.append([leg.wait_seconds if has_street[j] else 0.0 for j, leg in enumerate(legs)])
    return RoundWalks(_with_floors(metres, waits, places, numbers), is_estimated=not all(starts))


def _has_street(points: SnappedPoints) -> list[bool]:
    return [edge >= 0 for edge in points.edge.tolist()]


def _with_floors(
    metres: Sequence[Sequence[float]],
    waits: Sequence[Sequence[float]] | None,
    places: Sequence[Place],
    numbers: Arrival,
) -> list[list[float]]:
    """Return the seconds of walks of these metres, with waits at gates, stairs and lifts."""
    return [
        [
            0.0
            if i == j
            else metres[i][j] / WALKING_METRES_PER_SECOND
            + (waits[i][j] if waits is not None else 0.0)
            + floors_between(one.floor, other.floor, is_same_building=False, numbers=numbers)
            for j, other in enumerate(places)
        ]
        for i, one in enumerate(places)
    ]
