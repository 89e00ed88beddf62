"""Walking distances from a patient, with gates evaluated for one viewer at one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.database.boxes import window_around
from aed.geo import Placed, Position
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.registry import nearby as nearby_queries
from aed.registry.estates.rules import GatePassing, Passage, passing
from aed.registry.nearby import GateNearby
from aed.settings.arrival import Arrival
from aed.walking.network import Barrier, WalkingNetwork
from aed.walking.path import Walk
from aed.walking.reachable import Reachable
from aed.walking.snapping import SnappedPoint, SnappedPoints
from aed.walking.streets import Crossing
from aed.walking.travel import NO_WAY, Leg, metres_of_wait, seconds_of_wait

_PRIVATE_ACCESS: Final = frozenset({"no", "private"})
BESIDE_THE_STREET_METRES: Final = 15.0
"""Maximum distance at which a registered gate is assigned to a street."""
_FETCHED_AHEAD: Final = 2.0
"""Registered gates are fetched this many times as far as asked, since most lookups search once more."""


@dataclass(frozen=True, slots=True)
class GatePassed:
    """A gate on the way that the answer mentions: it has a wait, is closed, or its hours are unknown."""

    name_en: str
    name_zh: str
    wait_seconds: float
    hours_known: bool = True
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Time zone and holidays for gates from the map, which belong to no estate."""

    time_zone: str
    calendar: HolidayDates | None


@dataclass(slots=True)
class _GatesNearby:
    """The gates nearby, evaluated for one viewer at one moment."""

    closed: list[Crossing]
    waits: list[tuple[Crossing, float]]
    """Waits, converted to metres of walking."""
    mentioned: dict[Crossing, GatePassed]
    estates: dict[Crossing, int]
    """Estate ids of registered gates."""

    def add_closed(self, crossing: Crossing, name_en: str, name_zh: str, numbers: Arrival) -> None:
        self.closed.append(crossing)
        self.mentioned[crossing] = GatePassed(name_en, name_zh, numbers.closed_gate_seconds, is_closed=True)

    def add_wait(self, crossing: Crossing, gate: GatePassed, numbers: Arrival) -> None:
        self.waits.append((crossing, metres_of_wait(gate.wait_seconds, numbers)))
        self.mentioned[crossing] = gate

    def waits_if_opened(self, numbers: Arrival) -> list[tuple[Crossing, float]]:
        """Return all waits in metres, with closed gates as waits until someone opens them."""
        wait = metres_of_wait(numbers.closed_gate_seconds, numbers)
        return [*self.waits, *((crossing, wait) for crossing in self.closed)]


class WalksFromPatient:
    """Walks from one place, up to the distance given to `widen`.

    Costs are metres; waits at gates are converted to metres (`metres_of_wait`). If a closed gate is nearby,
    walks are searched twice: with gates as they are, and with closed gates opened after a wait.
    """

    def __init__(
        self,
        connection: Connection,
        viewer: Viewer,
        network: WalkingNetwork,
        here: Position,
        start: SnappedPoint,
        *,
        at: datetime,
        numbers: Arrival,
        gates: Sequence[GateNearby] = (),
        gates_within_metres: float = 0.0,
    ) -> None:
        self._connection, self._viewer, self._network = connection, viewer, network
        self._here, self._start, self._at, self._numbers = here, start, at, numbers
        self._registered = gates
        self._registered_within = gates_within_metres
        self._gates: _GatesNearby | None = None
        self._gates_within = 0.0
        self._reachable: Reachable | None = None
        self._opened: Reachable | None = None
        self._delays: Callable[[SnappedPoint], float] | None = None
        self._delays_if_opened: Callable[[SnappedPoint], float] | None = None
        self.local: LocalTime | None = None
        """Set before the first search; if None, the hours of gates from the map are unknown."""
        self.within_metres = 0.0
        """Distance searched so far."""

    def look_for_gates(self, within_metres: float) -> None:
        """Find and evaluate the gates within `within_metres`.

        A registered gate replaces the gate that the map has on the same street.
        """
        if self._gates is not None and self._gates_within >= within_metres:
            return
        if self._registered_within < within_metres:
            self._registered_within = within_metres * _FETCHED_AHEAD
            window = window_around(self._here, self._registered_within + BESIDE_THE_STREET_METRES)
            self._registered = nearby_queries.gates_around(self._connection.dialect).fetch(
                self._connection, window
            )
        self._gates, self._gates_within = self._evaluated_gates(within_metres), within_metres

    def widen(self, within_metres: float) -> None:
        """Search all walks of up to `within_metres`; do nothing if they were searched already."""
        if self.within_metres >= within_metres:
            return
        self.look_for_gates(within_metres)
        gates = self._gates
        assert gates is not None
        reachable = self._reachable = self._network.reachable(
            self._start, within_metres=within_metres, closed=gates.closed, delays=gates.waits
        )
        if gates.closed and reachable is not None:
            self._opened = reachable.with_gates(delays=gates.waits_if_opened(self._numbers))
        self.within_metres = within_metres
        self._delays = None if reachable is None else reachable.delays()
        self._delays_if_opened = None if self._opened is None else self._opened.delays()

    def snap(self, lats: NDArray[np.float64], lons: NDArray[np.float64]) -> SnappedPoints:
        """Return the nearest positions on the streets for arrays of coordinates."""
        return self._network.snap(lats, lons)

    def snapped_devices(self, rows: Sequence[Placed]) -> list[SnappedPoint | None]:
        """Return the nearest position on the streets for each row. Cached, since devices do not move."""
        return self._network.snapped_places([(row.lat, row.lon) for row in rows])

    def costs(self, places: Sequence[SnappedPoint | None]) -> list[float]:
        """Return the cost in metres of the way to each place; infinite if it is out of reach."""
        assert self._reachable is not None
        return self._reachable.metres_to(places)

    def costs_if_opened(self, places: Sequence[SnappedPoint | None]) -> list[float] | None:
        """Return the costs with closed gates opened after a wait; None if no closed gate is nearby."""
        return None if self._opened is None else self._opened.metres_to(places)

    def leg(self, place: SnappedPoint, cost_metres: float, *, by_closed_gate: bool) -> Leg:
        """Split a cost from `costs` or `costs_if_opened` into metres on foot and seconds of waiting."""
        delay = self._delays_if_opened if by_closed_gate else self._delays
        assert delay is not None
        waits = delay(place)
        return Leg(max(0.0, cost_metres - waits), seconds_of_wait(waits, self._numbers))

    def legs(self, snapped_points: SnappedPoints) -> list[Leg]:
        """Return the way to each point: as gates are, else with closed gates opened, else `NO_WAY`."""
        assert self._reachable is not None
        return _legs(self._reachable, self._opened, snapped_points, self._numbers)

    def legs_from(
        self, other: Position, snapped_points: SnappedPoints, *, within_metres: float
    ) -> list[Leg] | None:
        """Return the way from another place to each point, with the gates that `look_for_gates` found here.

        Returns None if no street is near the other place.
        """
        assert self._gates is not None
        gates = self._gates
        reachable = self._network.reachable(
            other, within_metres=within_metres, closed=gates.closed, delays=gates.waits
        )
        if reachable is None:
            return None
        opened = reachable.with_gates(delays=gates.waits_if_opened(self._numbers)) if gates.closed else None
        return _legs(reachable, opened, snapped_points, self._numbers)

    def legs_if_guided(self, snapped_points: SnappedPoints, estate_id: int) -> list[Leg] | None:
        """Return the way to each point if a guide opens the estate's gates.

        Returns None if that makes no difference because no gate of the estate stops or delays anyone.
        """
        assert self._reachable is not None
        assert self._gates is not None
        gates = self._gates
        if all(gates.estates.get(crossing) != estate_id for crossing in gates.mentioned):
            return None
        delays = gates.waits_if_opened(self._numbers)
        others = [each for each in delays if gates.estates.get(each[0]) != estate_id]
        return _legs(self._reachable.with_gates(delays=others), None, snapped_points, self._numbers)

    @property
    def has_gates_to_mention(self) -> bool:
        """Whether any gate nearby would be mentioned in the answer."""
        assert self._gates is not None
        return bool(self._gates.mentioned)

    def may_meet_gates(self, snapped_points: SnappedPoints) -> list[bool]:
        """Return, for each point, whether the way to it may pass a gate that the answer mentions."""
        assert self._reachable is not None
        if not self.has_gates_to_mention:
            return [False] * len(snapped_points)
        return self._reachable.may_pass_crossings(snapped_points)

    def walk_to(
        self, snapped_points: SnappedPoints, i: int, *, by_closed_gate: bool, with_line: bool
    ) -> tuple[Walk, tuple[GatePassed, ...]]:
        """Return the walk to point `i`, which must be within reach, and the gates on it to mention."""
        reachable = self._opened if by_closed_gate else self._reachable
        assert reachable is not None
        assert self._gates is not None
        walk = reachable.walk_to(snapped_points, i, with_line=with_line)
        return walk, tuple(self._gates.mentioned[crossing] for crossing in walk.crossings)

    def _evaluated_gates(self, within_metres: float) -> _GatesNearby:
        gates = _GatesNearby([], [], {}, {})
        registered: set[int] = set()
        for row in self._registered:
            crossing = _crossing_at(self._network, row.lat, row.lon)
            if crossing is None:
                continue
            registered.add(crossing.edge)
            gates.estates[crossing] = row.estate_id
            hours = _hours_of(self._connection, row, self._at)
            passed = _passing(row, hours, self._viewer)
            if passed is GatePassing.NOT:
                gates.add_closed(crossing, row.name_en, row.name_zh, self._numbers)
            elif passed is GatePassing.AFTER_A_WAIT or hours is Opening.UNKNOWN:
                wait = self._numbers.guarded_gate_seconds if passed is GatePassing.AFTER_A_WAIT else 0.0
                gate = GatePassed(row.name_en, row.name_zh, wait, hours is not Opening.UNKNOWN)
                gates.add_wait(crossing, gate, self._numbers)
        for barrier in self._network.barriers_near(self._here, within_metres):
            if barrier.crossing.edge not in registered:
                self._add_barrier(barrier, gates)
        return gates

    def _add_barrier(self, barrier: Barrier, gates: _GatesNearby) -> None:
        """Add a gate from the map: locked and private gates stop people; others do so outside their hours."""
        if barrier.locked:
            gates.add_closed(barrier.crossing, "a locked gate", "一处上锁的出入口", self._numbers)
            return
        hours = Opening.OPEN
        if barrier.opening_hours is not None:
            if self.local is None:
                hours = Opening.UNKNOWN
            else:
                hours = hours_at(
                    barrier.opening_hours,
                    self._at,
                    time_zone=self.local.time_zone,
                    calendar=self.local.calendar,
                ).state
        passage = Passage.RESIDENTS if barrier.access in _PRIVATE_ACCESS else Passage.OPEN
        passed = passing(passage, hours, is_member=False, guard_can_be_rung=self._viewer.sees_responders)
        if passed is GatePassing.NOT:
            gates.add_closed(barrier.crossing, "a closed gate", "一处关闭的出入口", self._numbers)
        elif passed is GatePassing.AFTER_A_WAIT:
            gate = GatePassed("a private gate", "一处非公共出入口", self._numbers.guarded_gate_seconds)
            gates.add_wait(barrier.crossing, gate, self._numbers)
        elif hours is Opening.UNKNOWN:
            gate = GatePassed("a gate", "一处出入口", 0.0, hours_known=False)
            gates.add_wait(barrier.crossing, gate, self._numbers)


def passing_of(connection: Connection, row: GateNearby, viewer: Viewer, at: datetime) -> GatePassing:
    """Return whether the viewer can pass a registered gate at a moment: freely, after a wait, or not."""
    return _passing(row, _hours_of(connection, row, at), viewer)


def _hours_of(connection: Connection, row: GateNearby, at: datetime) -> Opening:
    calendar = nearby_queries.calendar_of(connection, row.holiday_calendar, row.calendar_version)
    return hours_at(row.opening_hours, at, time_zone=row.time_zone, calendar=calendar).state


def _passing(row: GateNearby, hours: Opening, viewer: Viewer) -> GatePassing:
    return passing(
        Passage(row.passage),
        hours,
        is_member=viewer.belongs_to(row.estate_id),
        guard_can_be_rung=viewer.sees_responders,
    )


@lru_cache(maxsize=100_000)
def _crossing_at(network: WalkingNetwork, lat: float, lon: float) -> Crossing | None:
    """Return the position of a registered gate on the network. Cached, since neither moves."""
    return network.crossing_at(Position(lat, lon), within_metres=BESIDE_THE_STREET_METRES)


def _legs(
    reachable: Reachable, opened: Reachable | None, snapped_points: SnappedPoints, numbers: Arrival
) -> list[Leg]:
    """Return the way to each point by `reachable`, else by `opened`, else `NO_WAY`."""
    legs = [NO_WAY] * len(snapped_points)
    for each in (reachable, opened):
        if each is None:
            continue
        delay = each.delays()
        for i, cost in enumerate(each.costs(snapped_points).tolist()):
            place = snapped_points.one(i, each.found.contracted)
            if place is not None and math.isinf(legs[i].metres) and math.isfinite(cost):
                waits = delay(place)
                legs[i] = Leg(max(0.0, cost - waits), seconds_of_wait(waits, numbers))
    return legs
