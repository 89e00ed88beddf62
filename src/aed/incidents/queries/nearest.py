"""The question, the answer, and the search for the devices that can be at a patient soonest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

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
from aed.registry.rules.device import (
    AccessAt,
    DeviceState,
    Entry,
    Readiness,
    access_at,
    readiness_on,
)
from aed.registry.rules.hours import hours_at
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.reach import Walk

MOST_CANDIDATES = 5_000
"""Beyond this many the answer is what has been found, and says that it may not be complete."""
MORE_THAN_ASKED = 6
MOST_UNUSABLE = 5


@dataclass(frozen=True, slots=True)
class Question:
    """One lookup: a patient's place and floor, a moment, how many answers."""

    here: Position
    at: datetime
    limit: int = 5
    floor: int = 0
    with_routes: bool = False
    responders: int = 10


@dataclass(slots=True)
class NearbyDevice:
    """A device as the answer tells of it: the place, the time, and what they follow from."""

    row: Row[*tuple[Any, ...]]
    """Of `registry.queries.nearest_devices`."""
    straight_metres: float
    access: AccessAt
    readiness: Readiness
    basis: Basis
    """A walk that is not measured yet, or not within reach, is estimated from the straight line."""
    walk_metres: float
    """One way, without waits."""
    fetch: Fetch
    is_measured: bool = True
    by_closed_gate: bool = False
    """No way leads there unless a gate is opened that is closed for this viewer."""
    gates: tuple[GatePassed, ...] = ()
    route: Walk | None = None

    @property
    def is_usable(self) -> bool:
        return self.fetch.chance > 0


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
    at_least = question.limit + MORE_THAN_ASKED
    while True:
        ring = registry.nearest_devices(connection.dialect, viewer).ring(
            connection, question.here, at_least=at_least, within_metres=settings.search_radius_metres
        )
        ranked = search.ranked(ring.rows)
        usable = [near for near in ranked if near.is_usable]
        enough = settings.search_radius_metres
        if len(usable) >= question.limit:
            last = usable[question.limit - 1].fetch.expected_seconds
            enough = min(enough, metres_that_can_beat(last, settings.arrival))
        is_complete = ring.complete_within_metres >= enough
        if is_complete or at_least >= MOST_CANDIDATES:
            break
        # The count grows with the square of the distance; 1.2 for luck.
        growth = 1.2 * (enough / max(ring.complete_within_metres, 1.0)) ** 2
        at_least = min(MOST_CANDIDATES, math.ceil(at_least * min(max(growth, 1.5), 4.0)))
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
        self._dates: dict[str, date] = {}
        self._rows: Sequence[Row[*tuple[Any, ...]]] = ()
        self._places: dict[int, int] = {}
        self._footings: Any = None
        self.ways: Ways | None = None

    @property
    def basis(self) -> Basis:
        return Basis.STRAIGHT_LINE if self.ways is None else Basis.WALKING_NETWORK

    def ranked(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[NearbyDevice]:
        """The devices of these rows, soonest expected first; those that cannot be used last."""
        if not rows:
            return []
        lats, lons = positions(rows)
        straight = distances_metres(self._question.here, lats, lons).tolist()
        found = [
            self._candidate(row, metres)
            for row, metres in zip(rows, straight, strict=True)
            if metres <= self._settings.search_radius_metres
        ]
        found.sort(key=_soonest)
        if self._network is None or not found:
            return found
        if self.ways is None:
            self._begin(found[0].row)
        if self.ways is not None:
            self._walk(found)
        return found

    def _begin(self, near: Row[*tuple[Any, ...]]) -> None:
        """The first walk. The nearest device lends the gates on the map its time zone and holidays."""
        assert self._network is not None
        calendar = registry.calendar_of(self._connection, near.holiday_calendar, near.calendar_version)
        ways = Ways(
            self._connection,
            self._viewer,
            self._network,
            self._question.here,
            at=self._question.at,
            local=LocalTime(near.time_zone, calendar),
            numbers=self._settings.arrival,
        )
        if self._network.covers(self._question.here):
            self.ways = ways

    def _walk(self, found: list[NearbyDevice]) -> None:
        """Measures the walks until the first `limit` are measured, and sorts.

        What is not within reach yet is at least as far as the reach, or as the way through gates that are
        closed: as long as such a device is not among the first, its true walk does not matter.
        """
        assert self.ways is not None
        ways, most = self.ways, self._settings.walking_reach_metres
        limit = self._question.limit
        lats, lons = positions([near.row for near in found])
        footings = ways.footings(lats, lons)
        on_street = (footings.edge >= 0).tolist()
        self._footings, self._places = footings, {near.row.id: i for i, near in enumerate(found)}
        usable = [near for near in found if near.is_usable]
        kept = usable[:limit] or found[:limit]
        within = max(near.straight_metres for near in kept) * self._settings.arrival.detour_factor + 100.0
        order = list(found)
        while True:
            within = min(max(within, ways.within_metres), most)
            ways.widen(within)
            costs = ways.costs(footings)
            opened = ways.costs_if_opened(footings) or costs
            for near, cost, if_opened, is_on_street in zip(order, costs, opened, on_street, strict=True):
                if is_on_street:  # else the estimate stands
                    self._measure(near, cost, if_opened, within)
            found.sort(key=_soonest)
            first = [near for near in found if near.is_usable][:limit]
            if within >= most or all(near.is_measured for near in first):
                return
            within *= 2.0

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
        near.fetch = self._fetch(near, near.walk_metres)

    def _candidate(self, row: Row[*tuple[Any, ...]], straight_metres: float) -> NearbyDevice:
        numbers, at = self._settings.arrival, self._question.at
        calendar = registry.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        hours = hours_at(row.opening_hours, at, time_zone=row.time_zone, calendar=calendar)
        today = self._dates.get(row.time_zone)
        if today is None:
            today = self._dates[row.time_zone] = at.astimezone(ZoneInfo(row.time_zone)).date()
        near = NearbyDevice(
            row=row,
            straight_metres=straight_metres,
            access=access_at(hours, Entry(row.entry)),
            readiness=readiness_on(
                today,
                state=DeviceState.IN_SERVICE,
                first_expiry=as_date(row.first_expiry),
                last_checked_on=as_date(row.last_checked_on),
                checked_within_days=numbers.checked_within_days,
            ),
            basis=Basis.STRAIGHT_LINE,
            walk_metres=estimated_walk_metres(straight_metres, numbers),
            fetch=_NOT_YET,
        )
        near.fetch = self._fetch(near, near.walk_metres)
        return near

    def _fetch(self, near: NearbyDevice, cost_metres: float) -> Fetch:
        return fetch(
            cost_metres,
            straight_metres=near.straight_metres,
            patient_floor=self._question.floor,
            device_floor=near.row.floor,
            access=near.access.access,
            readiness=near.readiness,
            numbers=self._settings.arrival,
            by_closed_gate=near.by_closed_gate,
        )

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
        ways = self.ways
        if ways is None or not (self._question.with_routes or ways.meets_gates):
            return
        for near in chosen:
            if near.basis is Basis.WALKING_NETWORK:
                walk, near.gates = ways.walk_to(
                    self._footings, self._places[near.row.id], by_closed_gate=near.by_closed_gate
                )
                near.walk_metres = walk.metres
                near.route = walk if self._question.with_routes else None


_NOT_YET = Fetch(math.inf, 0.0, 0.0, math.inf)


def _soonest(near: NearbyDevice) -> tuple[bool, float, float, int]:
    return not near.is_usable, near.fetch.expected_seconds, near.straight_metres, near.row.id


def _emergency_number(ranked: list[NearbyDevice], here: Position, settings: Settings) -> str:
    """Of the region of the nearest device; else of mainland China, or the one that GSM phones know."""
    if ranked:
        number: str = min(ranked, key=lambda near: near.straight_metres).row.emergency_number
        return number
    if in_mainland_china(here):
        return settings.emergency_number_mainland_china
    return settings.emergency_number_elsewhere
