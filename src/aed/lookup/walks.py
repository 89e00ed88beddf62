"""How far it is on foot from a patient, with the gates as they stand for one viewer at one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.database.nearest import Located
from aed.geo import Position
from aed.hours.evaluation import HolidayCalendar, Opening, hours_at
from aed.registry import nearby as nearby_queries
from aed.registry.estates.rules import GatePassing, Passage, passing
from aed.registry.nearby import GateNearby
from aed.settings import Arrival
from aed.walking.footing import Footing, Footings
from aed.walking.network import Barrier, WalkingNetwork
from aed.walking.reach import Reach
from aed.walking.streets import Crossing
from aed.walking.travel import NO_WAY, Leg, metres_of_wait, seconds_of_wait
from aed.walking.way import Walk

_NOBODY_PASSES = frozenset({"no", "private"})
_BESIDE_THE_STREET_METRES = 15.0
"""A registered gate stands on the street that is this near."""


@dataclass(frozen=True, slots=True)
class GatePassed:
    """A gate on the way that is worth a word: it makes you wait, or is closed, or its hours are not known."""

    name_en: str
    name_zh: str
    wait_seconds: float
    hours_known: bool = True
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Where the gates on the map, which belong to no estate, take their time and holidays from."""

    time_zone: str
    calendar: HolidayCalendar | None


@dataclass(slots=True)
class _Gates:
    closed: list[Crossing]
    waits: list[tuple[Crossing, float]]
    told: dict[Crossing, GatePassed]
    estates: dict[Crossing, int]
    """Of registered gates."""

    def close(self, crossing: Crossing, name_en: str, name_zh: str, numbers: Arrival) -> None:
        self.closed.append(crossing)
        self.told[crossing] = GatePassed(name_en, name_zh, numbers.closed_gate_seconds, is_closed=True)

    def keep_waiting(self, crossing: Crossing, told: GatePassed, numbers: Arrival) -> None:
        self.waits.append((crossing, metres_of_wait(told.wait_seconds, numbers)))
        self.told[crossing] = told

    def waits_if_opened(self, numbers: Arrival) -> list[tuple[Crossing, float]]:
        """The waits, if closed gates were opened on asking."""
        wait = metres_of_wait(numbers.closed_gate_seconds, numbers)
        return [*self.waits, *((crossing, wait) for crossing in self.closed)]


class Ways:
    """Walks from one place. Widens as far as it is asked to, and no farther."""

    def __init__(
        self,
        connection: Connection,
        viewer: Viewer,
        network: WalkingNetwork,
        here: Position,
        start: Footing,
        *,
        at: datetime,
        numbers: Arrival,
        gates: Sequence[GateNearby] = (),
        gates_within_metres: float = 0.0,
    ) -> None:
        self._connection = connection
        self._viewer = viewer
        self._network = network
        self._here = here
        self._start = start
        self._at = at
        self._numbers = numbers
        self._registered = gates
        self._registered_within = gates_within_metres
        self._gates: _Gates | None = None
        self._gates_within = 0.0
        self._reach: Reach | None = None
        self._opened: Reach | None = None
        self._delays: Callable[[Footing], float] | None = None
        self._delays_if_opened: Callable[[Footing], float] | None = None
        self.local: LocalTime | None = None
        """Of the place, once somebody knows it."""
        self.within_metres = 0.0

    def widen(self, within_metres: float) -> None:
        """Walks everything within that many metres."""
        if self.within_metres >= within_metres:
            return
        gates = self.gates(within_metres)
        reach = self._reach = self._network.reach(
            self._start, within_metres=within_metres, closed=gates.closed, delays=gates.waits
        )
        if gates.closed and reach is not None:
            self._opened = reach.with_gates(delays=gates.waits_if_opened(self._numbers))
        self.within_metres = within_metres
        self._delays = None if reach is None else reach.delays()
        self._delays_if_opened = None if self._opened is None else self._opened.delays()

    def footings(self, lats: NDArray[np.float64], lons: NDArray[np.float64]) -> Footings:
        return self._network.footings(lats, lons)

    def footings_of_devices(self, rows: Sequence[Located]) -> list[Footing | None]:
        """The same of a few rows, remembered: devices stand still and are asked for again and again."""
        return self._network.footings_of_places([(row.lat, row.lon) for row in rows])

    def legs(self, footings: Footings) -> list[Leg]:
        """The way to each point as the gates stand; where there is none within reach, the way if closed gates
        were opened on asking; else `NO_WAY`."""
        assert self._reach is not None
        return legs_of(self._reach, self._opened, footings, self._numbers)

    def legs_from(self, other: Position, footings: Footings, *, within_metres: float) -> list[Leg] | None:
        """The same from another place, by the gates that were looked for around this one; None where no
        street is near it."""
        assert self._gates is not None
        gates = self._gates
        reach = self._network.reach(
            other, within_metres=within_metres, closed=gates.closed, delays=gates.waits
        )
        if reach is None:
            return None
        opened = reach.with_gates(delays=gates.waits_if_opened(self._numbers)) if gates.closed else None
        return legs_of(reach, opened, footings, self._numbers)

    def leg(self, place: Footing, cost_metres: float, *, by_closed_gate: bool) -> Leg:
        """The way to a place within reach that costs so much (`metres_to`, `metres_if_opened`)."""
        delay = self._delays_if_opened if by_closed_gate else self._delays
        assert delay is not None
        waits = delay(place)
        return Leg(max(0.0, cost_metres - waits), seconds_of_wait(waits, self._numbers))

    def metres_to(self, places: Sequence[Footing | None]) -> list[float]:
        """What the way to each of these places costs in metres, waits counted as metres (`metres_of_wait`);
        infinite where that is not within reach."""
        assert self._reach is not None
        return self._reach.metres_to(places)

    def metres_if_opened(self, places: Sequence[Footing | None]) -> list[float] | None:
        """The same, if closed gates were opened on asking; None where there is no closed gate around."""
        return None if self._opened is None else self._opened.metres_to(places)

    def may_reach(self) -> Callable[[float, float], bool]:
        """What says of one latitude and longitude after the other whether a device there may be within reach,
        closed gates opened. Where it is not known yet on which street that is, it may."""
        assert self._reach is not None
        footing, metres_to = self._network.footing_remembered, self._reach.measure()
        if_opened = None if self._opened is None else self._opened.measure()

        def may(lat: float, lon: float) -> bool:
            place = footing(lat, lon)
            if place is None or metres_to(place) != math.inf:
                return True
            return if_opened is not None and if_opened(place) != math.inf

        return may

    def legs_if_guided(self, footings: Footings, estate_id: int) -> list[Leg] | None:
        """The way to each point, if somebody opened the gates of that estate; None where none of them is
        worth a word."""
        assert self._reach is not None
        assert self._gates is not None
        gates = self._gates
        if all(gates.estates.get(crossing) != estate_id for crossing in gates.told):
            return None
        delays = gates.waits_if_opened(self._numbers)
        others = [each for each in delays if gates.estates.get(each[0]) != estate_id]
        return legs_of(self._reach.with_gates(delays=others), None, footings, self._numbers)

    @property
    def has_gates_to_tell(self) -> bool:
        """Whether any gate around is worth a word."""
        assert self._gates is not None
        return bool(self._gates.told)

    def may_meet_gates(self, footings: Footings) -> list[bool]:
        """Whether the way to each point may pass a gate worth a word, so that its walk is not its cost."""
        assert self._reach is not None
        return self._reach.may_pass_crossings(footings) if self.has_gates_to_tell else [False] * len(footings)

    def walk_to(
        self, footings: Footings, i: int, *, by_closed_gate: bool, with_line: bool
    ) -> tuple[Walk, tuple[GatePassed, ...]]:
        """The way to a point within reach, and the gates on it that are worth a word."""
        reach = self._opened if by_closed_gate else self._reach
        assert reach is not None
        assert self._gates is not None
        walk = reach.walk_to(footings, i, with_line=with_line)
        return walk, tuple(self._gates.told[crossing] for crossing in walk.crossings)

    def can_widen_unasked(self, within_metres: float) -> bool:
        """Whether that can be walked without a question to the database, and without the time of the place:
        gates on the map that have hours are told in that."""
        if self._registered_within < within_metres:
            return False
        calendars = ((row.holiday_calendar, row.calendar_version) for row in self._registered)
        if not all(nearby_queries.has_calendar(self._connection, *calendar) for calendar in calendars):
            return False
        barriers = self._network.barriers_near(self._here, within_metres)
        return all(barrier.opening_hours is None for barrier in barriers)

    def gates(self, within_metres: float) -> _Gates:
        """The gates within that many metres, or more: whom they stop, whom they keep waiting.

        A registered gate speaks for the one that the map has at the same place.
        """
        if self._gates is not None and self._gates_within >= within_metres:
            return self._gates
        if self._registered_within < within_metres:
            self._registered = sent_for_gates(self._connection, self._here, within_metres)()
            self._registered_within = within_metres
        gates = _Gates([], [], {}, {})
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
                gates.close(crossing, row.name_en, row.name_zh, self._numbers)
            elif passed is GatePassing.AFTER_A_WAIT or hours is Opening.UNKNOWN:
                wait = self._numbers.guarded_gate_seconds if passed is GatePassing.AFTER_A_WAIT else 0.0
                told = GatePassed(row.name_en, row.name_zh, wait, hours is not Opening.UNKNOWN)
                gates.keep_waiting(crossing, told, self._numbers)
        for barrier in self._network.barriers_near(self._here, within_metres):
            if barrier.crossing.edge not in registered:
                self._stand(barrier, gates)
        self._gates, self._gates_within = gates, within_metres
        return gates

    def _stand(self, barrier: Barrier, gates: _Gates) -> None:
        """A gate that only the map knows: locked ones and others' private ones stop; hours are asked."""
        if barrier.locked:
            gates.close(barrier.crossing, "a locked gate", "一处上锁的出入口", self._numbers)
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
        passage = Passage.RESIDENTS if barrier.access in _NOBODY_PASSES else Passage.OPEN
        passed = passing(passage, hours, is_member=False, guard_can_be_rung=self._viewer.sees_responders)
        if passed is GatePassing.NOT:
            gates.close(barrier.crossing, "a closed gate", "一处关闭的出入口", self._numbers)
        elif passed is GatePassing.AFTER_A_WAIT:
            told = GatePassed("a private gate", "一处非公共出入口", self._numbers.guarded_gate_seconds)
            gates.keep_waiting(barrier.crossing, told, self._numbers)
        elif hours is Opening.UNKNOWN:
            told = GatePassed("a gate", "一处出入口", 0.0, hours_known=False)
            gates.keep_waiting(barrier.crossing, told, self._numbers)


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


def passing_of(connection: Connection, row: GateNearby, viewer: Viewer, at: datetime) -> GatePassing:
    """What a registered gate means for that traveller at that moment."""
    return _passing(row, _hours_of(connection, row, at), viewer)


def sent_for_gates(
    connection: Connection, here: Position, within_metres: float
) -> Callable[[], Sequence[GateNearby]]:
    """Asks for the gates that a walk of that length may meet; what is given back reads them."""
    return nearby_queries.gates_around(connection.dialect).send(
        connection, here, within_metres=within_metres + _BESIDE_THE_STREET_METRES
    )


@lru_cache(maxsize=100_000)
def _crossing_at(network: WalkingNetwork, lat: float, lon: float) -> Crossing | None:
    """Where a registered gate stands on the network; neither ever moves, so it is looked up once."""
    return network.crossing_at(Position(lat, lon), within_metres=_BESIDE_THE_STREET_METRES)


def legs_of(reach: Reach, opened: Reach | None, footings: Footings, numbers: Arrival) -> list[Leg]:
    """The way to each point: within reach, else within `opened`, else `NO_WAY`."""
    legs = [NO_WAY] * len(footings)
    for each in (reach, opened):
        if each is None:
            continue
        delay = each.delays()
        for i, cost in enumerate(each.costs(footings).tolist()):
            place = footings.one(i, each.found.chains)
            if place is not None and math.isinf(legs[i].metres) and math.isfinite(cost):
                waits = delay(place)
                legs[i] = Leg(max(0.0, cost - waits), seconds_of_wait(waits, numbers))
    return legs
