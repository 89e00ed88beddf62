"""The question, the answer, and the search for the devices that can be at a patient soonest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from aed.accounts.rules import Viewer
from aed.db import as_date
from aed.geo import Position, distances_metres, in_mainland_china
from aed.incidents.queries.people import NearbyResponder, nearest_responders
from aed.incidents.queries.ways import GatePassed, LocalTime, Ways, positions
from aed.incidents.rules.arrival import (
    Basis,
    Fetch,
    estimated_walk_metres,
    fetch,
    metres_that_can_beat,
)
from aed.registry import queries as registry
from aed.registry.queries import DeviceNearby
from aed.registry.rules.device import (
    Access,
    AccessAt,
    DeviceState,
    Entry,
    Readiness,
    access_at,
    readiness_on,
)
from aed.registry.rules.hours import hours_at
from aed.settings import Settings
from aed.walking.footing import Footings
from aed.walking.network import WalkingNetwork
from aed.walking.reach import Walk

MOST_CANDIDATES = 5_000
"""Beyond this many the answer is what has been found, and says that it may not be complete."""
_NO_SHORTER_THAN_STRAIGHT = 1.001
"""Streets are measured on planes and in 32 bits: a straight street may come out this much too short."""
MORE_THAN_ASKED = 4
MOST_UNUSABLE = 5


type _Hours = tuple[str | None, str, str, str | None, int | None]
"""What access follows from: expression, time zone, entry, calendar and its version."""


@dataclass(frozen=True, slots=True)
class Question:
    """One lookup: a patient's place and floor, a moment, how many answers."""

    here: Position
    at: datetime
    limit: int = 5
    floor: int = 0
    with_routes: bool = False
    responders: int = 10


_NOT_YET = Fetch(math.inf, 0.0, 0.0, math.inf)


@dataclass(slots=True)
class NearbyDevice:
    """A device as the answer tells of it: the place, the time, and what they follow from."""

    row: DeviceNearby
    straight_metres: float
    access: AccessAt
    readiness: Readiness
    is_usable: bool
    walk_metres: float
    """One way, without waits. One that is not measured yet, or not within reach, is estimated."""
    fetch: Fetch = _NOT_YET
    basis: Basis = Basis.STRAIGHT_LINE
    is_measured: bool = True
    by_closed_gate: bool = False
    """No way leads there unless a gate is opened that is closed for this viewer."""
    gates: tuple[GatePassed, ...] = ()
    route: Walk | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `devices` are usable now, soonest first; `unusable` are nearer than the last of them
    but closed or not ready; `responders` is None for a viewer who sees none."""

    question: Question
    basis: Basis
    emergency_number: str
    devices: list[NearbyDevice]
    unusable: list[NearbyDevice]
    responders: list[NearbyResponder] | None
    is_complete: bool


def nearest(
    connection: Connection,
    viewer: Viewer,
    question: Question,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Answer:
    """The devices that can be at the patient soonest by expected time. Exact, not "nearest by line first".

    1. Take devices that the viewer may see in order of straight-line distance.
    2. Ask each one's hours and readiness at the moment.
    3. Walk from the patient, with the gates as they stand for this viewer.
    4. Rank by expected time.
    5. Stop once no farther device could beat the last one kept: no walk is shorter than the straight line.
    """
    search = _Search(connection, viewer, question, network, settings)
    # Walks are longer than straight lines: the last of those kept is about the 25th on the straight line.
    about = question.limit + MORE_THAN_ASKED if network is None else 3 * question.limit
    enough = math.inf
    while True:
        ring = registry.nearest_devices(connection.dialect, viewer).ring(
            connection,
            question.here,
            about=about,
            within_metres=settings.search_radius_metres,
            complete_to_metres=enough,
        )
        ranked = search.ranked(
            ring.rows, within_metres=min(settings.search_radius_metres, ring.complete_within_metres)
        )
        usable = [near for near in ranked if near.is_usable]
        enough = settings.search_radius_metres
        if len(usable) >= question.limit:
            last = usable[question.limit - 1].fetch.expected_seconds
            enough = min(enough, search.straight_metres_of(metres_that_can_beat(last, settings.arrival)))
        is_complete = ring.complete_within_metres >= enough
        if is_complete or about >= MOST_CANDIDATES:
            break
        # The count grows with the square of the distance; 1.2 for luck.
        growth = 1.2 * (enough / max(ring.complete_within_metres, 1.0)) ** 2
        about = min(MOST_CANDIDATES, math.ceil(about * min(max(growth, 1.5), 4.0)))
    devices = usable[: question.limit]
    unusable = search.unusable(ranked, devices)
    search.describe([*devices, *unusable])
    return Answer(
        question=question,
        basis=search.basis,
        emergency_number=_emergency_number(ranked, question.here, settings),
        devices=devices,
        unusable=unusable,
        responders=nearest_responders(
            connection,
            viewer,
            question.here,
            search.ways,
            at=question.at,
            floor=question.floor,
            limit=question.responders,
            settings=settings,
        )
        if viewer.sees_responders
        else None,
        is_complete=is_complete,
    )


class _Search:
    """The state of one search: the ways from the patient, widened as candidates ask for it."""

    def __init__(
        self,
        connection: Connection,
        viewer: Viewer,
        question: Question,
        network: WalkingNetwork | None,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._viewer = viewer
        self._question = question
        self._network = network
        self._settings = settings
        self._today: dict[str, date] = {}
        """By time zone."""
        self._accesses: dict[_Hours, AccessAt] = {}
        self._places: dict[int, int] = {}
        self._footings: Footings | None = None
        self.ways: Ways | None = None

    @property
    def basis(self) -> Basis:
        return Basis.STRAIGHT_LINE if self.ways is None else Basis.WALKING_NETWORK

    def straight_metres_of(self, walk_metres: float) -> float:
        """A device farther than this on the straight line has a longer walk, measured or estimated."""
        if self.ways is None:
            return walk_metres / self._settings.arrival.detour_factor
        return walk_metres * _NO_SHORTER_THAN_STRAIGHT

    def ranked(self, rows: Sequence[DeviceNearby], *, within_metres: float) -> list[NearbyDevice]:
        """The devices of these rows within a straight line, soonest expected first.

        Those that cannot be used come last.
        """
        if not rows:
            self._begin(())
            return []
        lats, lons = positions(rows)
        straight = distances_metres(self._question.here, lats, lons).tolist()
        found = [
            self._candidate(row, metres)
            for row, metres in zip(rows, straight, strict=True)
            if metres <= within_metres
        ]
        found.sort(key=_nearest)
        self._begin(found)
        if self.ways is not None and found:
            self._walk(found)
        else:
            for near in found:
                near.fetch = self._fetch(near)
            found.sort(key=_soonest)
        return found

    def _begin(self, found: Sequence[NearbyDevice]) -> None:
        """The first walk. The nearest device lends the gates on the map its time zone and holidays."""
        if self._network is None or self.ways is not None:
            return
        local = None
        if found:
            near = found[0].row
            calendar = registry.calendar_of(self._connection, near.holiday_calendar, near.calendar_version)
            local = LocalTime(near.time_zone, calendar)
        start = self._network.start_at(self._question.here)
        if start is not None:
            self.ways = Ways(
                self._connection,
                self._viewer,
                self._network,
                self._question.here,
                start,
                at=self._question.at,
                local=local,
                numbers=self._settings.arrival,
            )

    def _walk(self, found: list[NearbyDevice]) -> None:
        """Measures the walks until those that will be told are measured, and sorts.

        What is not within reach yet is at least as far as the reach, or as the way through gates that are
        closed: as long as such a device is not among the first, its true walk does not matter. Nor does any
        walk that is too long to beat the last of the first whose walks are known: so far the reach need go.
        """
        assert self.ways is not None
        ways, most = self.ways, self._settings.walking_reach_metres
        limit = self._question.limit
        lats, lons = positions([near.row for near in found])
        footings = ways.footings_of_devices(lats, lons)
        on_street = (footings.edge >= 0).tolist()
        self._footings, self._places = footings, {near.row.id: i for i, near in enumerate(found)}
        kept = [near for near in found if near.is_usable][:limit] or found[:limit]
        # More than the usual detour: every other question would have to walk a second time, and farther.
        within = kept[-1].straight_metres * 1.15 * self._settings.arrival.detour_factor + 100.0
        order = list(found)
        while True:
            within = min(max(within, ways.within_metres), most)
            ways.widen(within)
            costs = ways.costs(footings)
            opened = ways.costs_if_opened(footings) or costs
            for near, cost, if_opened, is_on_street in zip(order, costs, opened, on_street, strict=True):
                if is_on_street:  # else the estimate stands
                    self._measure(near, cost, if_opened, within)
                near.fetch = self._fetch(near)
            found.sort(key=_soonest)
            first = [near for near in found if near.is_usable][:limit]
            if len(first) < limit:  # then those are told, too, that cannot be used
                first = found[: len(first) + MOST_UNUSABLE]
            if within >= most or all(near.is_measured for near in first):
                return
            known = [near for near in found if near.is_usable and near.is_measured][:limit]
            enough = math.inf
            if len(known) == limit:
                last = known[-1].fetch.expected_seconds
                enough = metres_that_can_beat(last, self._settings.arrival) + 1.0
            within = enough if within < enough < 2.0 * within else 2.0 * within

    def _measure(self, near: NearbyDevice, cost: float, if_opened: float, within: float) -> None:
        """What the reach tells of one device: its walk, or as much as is known of it so far."""
        is_last = within >= self._settings.walking_reach_metres
        near.is_measured = is_last or not math.isinf(cost)
        near.by_closed_gate = is_last and math.isinf(cost) and not math.isinf(if_opened)
        near.basis = Basis.WALKING_NETWORK
        if not math.isinf(cost):
            near.walk_metres = cost
        elif not math.isinf(if_opened):
            near.walk_metres = if_opened
        else:
            near.basis = Basis.STRAIGHT_LINE
            near.walk_metres = max(near.straight_metres, within)
            if is_last:
                near.walk_metres = estimated_walk_metres(
                    near.straight_metres, self._settings.arrival, at_least=within
                )

    def _fetch(self, near: NearbyDevice) -> Fetch:
        return fetch(
            near.walk_metres,
            straight_metres=near.straight_metres,
            patient_floor=self._question.floor,
            device_floor=near.row.floor,
            access=near.access.access,
            readiness=near.readiness,
            numbers=self._settings.arrival,
            by_closed_gate=near.by_closed_gate,
        )

    def _candidate(self, row: DeviceNearby, straight_metres: float) -> NearbyDevice:
        numbers = self._settings.arrival
        hours = (row.opening_hours, row.time_zone, row.entry, row.holiday_calendar, row.calendar_version)
        access = self._accesses.get(hours) or self._access(hours, row)
        readiness = readiness_on(
            self._today[row.time_zone],
            state=DeviceState.IN_SERVICE,
            first_expiry=as_date(row.first_expiry),
            last_checked_on=as_date(row.last_checked_on),
            checked_within_days=numbers.checked_within_days,
        )
        is_usable = access.access is not Access.CLOSED and readiness.is_usable
        walk_metres = estimated_walk_metres(straight_metres, numbers)
        return NearbyDevice(row, straight_metres, access, readiness, is_usable, walk_metres)

    def _access(self, hours: _Hours, row: DeviceNearby) -> AccessAt:
        """Asked once for all devices with the same hours in the same place."""
        at = self._question.at
        calendar = registry.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        found = hours_at(row.opening_hours, at, time_zone=row.time_zone, calendar=calendar)
        self._today[row.time_zone] = at.astimezone(ZoneInfo(row.time_zone)).date()
        access = self._accesses[hours] = access_at(found, Entry(row.entry))
        return access

    def unusable(self, ranked: list[NearbyDevice], kept: list[NearbyDevice]) -> list[NearbyDevice]:
        """Devices that would have been sooner than the last one kept, if they could be used."""
        latest = kept[-1].fetch.fetch_seconds if len(kept) >= self._question.limit else math.inf
        sooner = [
            near
            for near in ranked
            if not near.is_usable and near.is_measured and near.fetch.fetch_seconds <= latest
        ]
        return sorted(sooner, key=lambda near: (near.fetch.fetch_seconds, near.row.id))[:MOST_UNUSABLE]

    def describe(self, chosen: list[NearbyDevice]) -> None:
        """Adds the gates passed and, where asked for, the route."""
        ways, with_routes = self.ways, self._question.with_routes
        walked = [near for near in chosen if near.basis is Basis.WALKING_NETWORK]
        if ways is None or not walked:
            return
        assert self._footings is not None
        footings = self._footings.take([self._places[near.row.id] for near in walked])
        for i, (near, may_meet) in enumerate(zip(walked, ways.may_meet_gates(footings), strict=True)):
            if with_routes or may_meet or near.by_closed_gate:
                walk, near.gates = ways.walk_to(
                    footings, i, by_closed_gate=near.by_closed_gate, with_line=with_routes
                )
                near.walk_metres = walk.metres
                near.route = walk if with_routes else None


def _nearest(near: NearbyDevice) -> float:
    return near.straight_metres


def _soonest(near: NearbyDevice) -> tuple[bool, float, float, int]:
    return not near.is_usable, near.fetch.expected_seconds, near.straight_metres, near.row.id


def _emergency_number(ranked: list[NearbyDevice], here: Position, settings: Settings) -> str:
    """Of the region of the nearest device on the same side of China's border; else mainland China's, or the
    one that any GSM phone knows."""
    is_in_china = in_mainland_china(here)
    for near in sorted(ranked, key=lambda near: near.straight_metres):
        if in_mainland_china(Position(near.row.lat, near.row.lon)) is is_in_china:
            return near.row.emergency_number
    if is_in_china:
        return settings.emergency_number_mainland_china
    return settings.emergency_number_elsewhere
