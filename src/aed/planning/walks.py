"""Walks from one device to many buildings, through gates as they are at certain moments.

The arithmetic is that of the lookup: the same network, gates, paces and floors, from the device to the
patient's door instead of the other way; both take equally long. A way through a closed gate does not count.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.database.boxes import window_around
from aed.geo import METRES_PER_DEGREE, Position
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.lookup.walks import BESIDE_THE_STREET_METRES, LocalTime, WalksFromPatient, passing_of
from aed.registry import nearby
from aed.registry.estates.rules import GatePassing
from aed.registry.nearby import GateNearby
from aed.settings.arrival import Arrival
from aed.walking.network import WalkingNetwork
from aed.walking.snapping import SnappedPoint
from aed.walking.streets import Crossing
from aed.walking.travel import Pace, leg_seconds, max_cost_metres, metres_of_wait, walk_seconds

type Floats = NDArray[np.float64]
type Indices = NDArray[np.intp]

_PLANE_ERROR = 1.01
_MARK_METRES = 0.001
"""A delay that makes a path name a gate that stops nobody."""


@dataclass(frozen=True, slots=True)
class GateChange:
    """A gate as it would be."""

    passage: str | None = None
    """None: as it is."""
    opening_hours: str | None = None
    """None: as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Doors:
    """The doors of buildings, as arrays."""

    lat: Floats
    lon: Floats
    estate: NDArray[np.int64]
    """Estate ids; 0 for a building outside estates."""


class _Timetable(NamedTuple):
    """Hours of gates; many gates share them."""

    text: str
    time_zone: str
    calendar: HolidayDates | None


class WalksToDoors:
    """Walks to the same doors from any device, at the same moments, which are named by their index.

    Walks with the same gates are searched once.
    """

    def __init__(
        self,
        connection: Connection,
        network: WalkingNetwork | None,
        doors: Doors,
        moments: Sequence[datetime],
        *,
        numbers: Arrival,
        local: LocalTime,
        gates: Mapping[int, GateChange] | None = None,
    ) -> None:
        self._connection, self._network, self._doors = connection, network, doors
        self._moments = moments
        self._numbers, self._local, self._changes = numbers, local, gates or {}
        self._gates: dict[tuple[Position, float], list[GateNearby]] = {}
        self._timed: dict[tuple[Position, float], tuple[int, ...]] = {}
        self._timetables: dict[_Timetable, int] = {}
        self._states: list[list[Opening]] = []
        self._metres: dict[tuple[Pace, float], float] = {}
        self._found: dict[Hashable, tuple[Indices, Floats]] = {}
        self._snapped: list[SnappedPoint | None] = []
        if network is not None:
            points = network.snap(doors.lat, doors.lon)
            self._snapped = [points.one(i, network.contracted) for i in range(len(doors.lat))]
        self.estimated = 0
        """Devices whose walks were estimated from straight lines, for lack of a street nearby."""

    @property
    def door_count(self) -> int:
        return len(self._doors.lat)

    def gates_state(self, place: Position, pace: Pace, moment: int, *, within_seconds: float) -> Hashable:
        """Return what is open and closed around a place; equal states have equal walks."""
        timetables = self.timetables(place, pace, within_seconds=within_seconds)
        return tuple(self._states[each][moment] for each in timetables)

    def timetables(self, place: Position, pace: Pace, *, within_seconds: float) -> tuple[int, ...]:
        """Return the numbers of the timetables that gates around a place have."""
        key = place, self._reach(pace, within_seconds)
        if key not in self._timed:
            self._timed[key] = self._timetables_around(*key)
        return self._timed[key]

    def states(self, timetable: int) -> Sequence[Opening]:
        """Return whether gates with this timetable are open at each of the moments."""
        return self._states[timetable]

    def gates_around(self) -> list[GateNearby]:
        """Return the registered gates around every place that was asked for so far, by id."""
        found = {row.id: row for rows in self._gates.values() for row in rows}
        return [found[key] for key in sorted(found)]

    def seconds_to_doors(
        self,
        place: Position,
        pace: Pace,
        moment: int,
        *,
        within_seconds: float,
    ) -> tuple[Indices, Floats]:
        """Return the doors within reach, and the seconds to each, one way without floors.

        `within_seconds` is there and back, including picking up the device. Who lives behind a door passes
        the gates of their own estate as its member, all others as an outsider.
        """
        key = (
            place,
            pace,
            within_seconds,
            self.gates_state(place, pace, moment, within_seconds=within_seconds),
        )
        if key not in self._found:
            self._found[key] = self._search(place, pace, within_seconds, self._moments[moment])
        return self._found[key]

    def _reach(self, pace: Pace, within_seconds: float) -> float:
        key = pace, within_seconds
        if key not in self._metres:
            one_way = (within_seconds - pace.pick_up_seconds) / 2
            self._metres[key] = max_cost_metres(one_way, pace, self._numbers)
        return self._metres[key]

    def _search(
        self, place: Position, pace: Pace, within_seconds: float, at: datetime
    ) -> tuple[Indices, Floats]:
        numbers, doors, network = self._numbers, self._doors, self._network
        metres, one_way = self._reach(pace, within_seconds), (within_seconds - pace.pick_up_seconds) / 2
        away = np.hypot(
            (doors.lat - place.lat) * METRES_PER_DEGREE,
            (doors.lon - place.lon) * METRES_PER_DEGREE * math.cos(math.radians(place.lat)),
        )
        near = np.flatnonzero(away <= metres * _PLANE_ERROR)
        start = network.start_at(place) if network is not None else None
        if network is None or start is None:
            self.estimated += 1
            walked = away[near] * numbers.detour_factor
            seconds = np.array([walk_seconds(each, pace, numbers) for each in walked.tolist()])
            return near[seconds <= one_way], seconds[seconds <= one_way]
        rows = self._gates_around(place, metres)
        inside = np.isin(doors.estate[near], [row.estate_id for row in rows])
        found: list[tuple[Indices, Floats]] = []
        for estate in (0, *np.unique(doors.estate[near][inside]).tolist()):
            those = near[~inside] if estate == 0 else near[inside & (doors.estate[near] == estate)]
            if not len(those):
                continue
            walks = WalksFromPatient(
                self._connection,
                ANYONE if estate == 0 else _resident(estate),
                network,
                place,
                start,
                at=at,
                numbers=numbers,
                gates=rows,
                gates_within_metres=metres,
            )
            walks.local = self._local
            walks.widen(metres)
            snapped = [self._snapped[i] for i in those.tolist()]
            seconds = np.full(len(those), math.inf)
            for i, (point, cost) in enumerate(zip(snapped, walks.costs(snapped), strict=True)):
                if point is not None and math.isfinite(cost):
                    leg = walks.leg(point, cost, by_closed_gate=False)
                    seconds[i] = leg_seconds(leg, 0.0, pace, numbers)
            found.append((those[seconds <= one_way], seconds[seconds <= one_way]))
        if not found:
            return np.zeros(0, dtype=np.intp), np.zeros(0)
        return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])

    def _gates_around(self, place: Position, metres: float) -> list[GateNearby]:
        key = (place, metres)
        if key not in self._gates:
            rows: Sequence[GateNearby] = nearby.gates_around(self._connection.dialect).fetch(
                self._connection, window_around(place, metres + BESIDE_THE_STREET_METRES)
            )
            self._gates[key] = [_changed(row, self._changes.get(row.id)) for row in rows]
        return self._gates[key]

    def _timetables_around(self, place: Position, metres: float) -> tuple[int, ...]:
        """Return the timetables of the registered gates around, and of those that only the map has."""
        found = {
            _Timetable(
                row.opening_hours,
                row.time_zone,
                nearby.calendar_of(self._connection, row.holiday_calendar, row.calendar_version),
            )
            for row in self._gates_around(place, metres)
            if row.opening_hours is not None
        }
        barriers = self._network.barriers_near(place, metres) if self._network is not None else []
        found |= {
            _Timetable(each.opening_hours, self._local.time_zone, self._local.calendar)
            for each in barriers
            if each.opening_hours is not None
        }
        return tuple(sorted(map(self._numbered, found)))

    def _numbered(self, timetable: _Timetable) -> int:
        text, time_zone, calendar = timetable
        if timetable not in self._timetables:
            self._timetables[timetable] = len(self._states)
            self._states.append(
                [hours_at(text, at, time_zone=time_zone, calendar=calendar).state for at in self._moments]
            )
        return self._timetables[timetable]

    def gates_passed(
        self,
        place: Position,
        pace: Pace,
        moment: int,
        *,
        within_seconds: float,
        doors: Indices,
        estate_id: int,
    ) -> dict[int, tuple[int, ...]]:
        """Return the ids of the estate's gates that an outsider passes from each door to a place.

        Doors without a way are left out, as are all if there is no street near the place.
        """
        network, numbers, metres = self._network, self._numbers, self._reach(pace, within_seconds)
        if network is None or not len(doors):
            return {}
        closed: list[Crossing] = []
        delays: list[tuple[Crossing, float]] = []
        gates: dict[Crossing, int] = {}
        for row in self._gates_around(place, metres):
            crossing = network.crossing_at(Position(row.lat, row.lon), within_metres=BESIDE_THE_STREET_METRES)
            if crossing is None:
                continue
            passed = passing_of(self._connection, row, ANYONE, self._moments[moment])
            if passed is GatePassing.NOT:
                closed.append(crossing)
                continue
            wait = numbers.guarded_gate_seconds if passed is GatePassing.AFTER_A_WAIT else 0.0
            delays.append((crossing, metres_of_wait(wait, numbers) + _MARK_METRES))
            if row.estate_id == estate_id:
                gates[crossing] = row.id
        registered = {crossing.edge for crossing in (*closed, *(each[0] for each in delays))}
        closed += [
            barrier.crossing
            for barrier in network.barriers_near(place, metres)
            if barrier.crossing.edge not in registered
            and (barrier.locked or barrier.access in ("no", "private"))
        ]
        reachable = network.reachable(place, within_metres=metres, closed=closed, delays=delays)
        if reachable is None:
            return {}
        points = network.snap(self._doors.lat[doors], self._doors.lon[doors])
        costs = reachable.costs(points)
        return {
            int(door): tuple(gates[each] for each in reachable.crossings_to(points, i) if each in gates)
            for i, door in enumerate(doors.tolist())
            if math.isfinite(costs[i])
        }


def _resident(estate_id: int) -> Viewer:
    """Return the viewer that a resident of the estate is, for gates."""
    return Viewer(role=TokenRole.MEMBER, estate_id=estate_id, estate_ids=(estate_id,))


def _changed(row: GateNearby, change: GateChange | None) -> GateNearby:
    if change is None:
        return row
    return row._replace(
        passage=change.passage or row.passage, opening_hours=change.opening_hours or row.opening_hours
    )
