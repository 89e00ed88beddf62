"""The search for the devices that can be at a patient soonest."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Dialect

from aed.accounts.permissions import Viewer
from aed.database.event_loop import needs_a_thread
from aed.database.execute import drain_on_error
from aed.database.nearest import ExpandingSearch, Nearest
from aed.database.sieve import Sieve
from aed.database.types import as_date
from aed.geo import Position, in_mainland_china, may_be_within, metres_to_each
from aed.hours.evaluation import hours_at
from aed.lookup.answer import Answer, NearbyDevice, Question
from aed.lookup.arrival import (
    Basis,
    chance_of,
    chance_reachable,
    estimated_walk_metres,
    expected_seconds,
    fetch,
    metres_that_can_beat,
)
from aed.lookup.buildings import Buildings, Spot
from aed.lookup.grouping import bringing, is_too_far, max_cost_in_time
from aed.lookup.quarantined import quarantined_near
from aed.lookup.responders import nearest_responders
from aed.lookup.walks import LocalTime, Ways, sent_for_gates
from aed.registry import nearby as nearby_queries
from aed.registry.devices.reachability import HourBand, hour_band, place_class
from aed.registry.devices.rules import (
    Access,
    AccessAt,
    DeviceState,
    EntryMode,
    Readiness,
    access_at,
    confidence,
    readiness_on,
)
from aed.registry.nearby import DeviceNearby, GateNearby
from aed.settings import Settings
from aed.walking.footing import Footing, Footings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    Leg,
    Pace,
    fetch_seconds,
    least_leg_seconds,
    leg_seconds,
    pace_at,
    quickest_pace,
)

MOST_CANDIDATES = 5_000
"""Beyond this many the answer is what has been found, and says that it may not be complete."""
_NO_SHORTER_THAN_STRAIGHT = 1.001
"""Streets are measured on planes and in 32 bits: a straight street may come out this much too short."""
_ROUNDING_METRES = 0.001
MORE_THAN_ASKED = 4
_SOON_ROWS, _SOON_METRES = 200, 3_000.0
"""No more rows and no longer walks are a matter of a few milliseconds."""
MOST_UNUSABLE = 5
_ENTRIES = {entry.value: entry for entry in EntryMode}
"""Looked up in a tenth of the time in which one is made of its word."""


type _Hours = tuple[str | None, str, str, str | None, int | None]
"""What access follows from: expression, time zone, entry, calendar and its version."""


type _WalkTo = tuple[float, int, Basis, bool, bool]
"""One way to a device as far as it is known: its cost in metres (waits counted as metres), the device's
number, the basis, whether it is measured, whether a closed gate has to be opened for it."""


def is_soon_answered(dialect: Dialect, viewer: Viewer, question: Question) -> bool:
    """Whether that is likely a matter of a few milliseconds: it is devices alone that are asked for, and no
    more of them and no farther than is soon looked through. `nearest` needs a thread if there turn out to be.

    Where nobody has asked before it is not known how far it goes. PostgreSQL is asked all the same: while it
    reads what is not in memory yet, others are answered. SQLite would keep them waiting.
    Of anyone's questions: what others may see takes a statement of their own, which may have to be made.
    """
    if viewer.is_signed_in or question.with_routes:
        return False
    needed = _statement(dialect, viewer, question).likely_needed(question.here, at_least=question.limit)
    if needed is None:
        return dialect.name != "sqlite"
    return needed.metres <= _SOON_METRES and needed.rows <= _SOON_ROWS


def _statement(dialect: Dialect, viewer: Viewer, question: Question) -> Nearest[DeviceNearby]:
    """Return the one statement that is kept for such lookups, with what it remembers of earlier ones.

    Functions are cached by how they are called: an argument that is left out is not the same as its default.
    """
    if question.sent_from is None:
        return nearby_queries.nearest_devices(dialect, viewer)
    return nearby_queries.nearest_devices(dialect, viewer, question.sent_from)


def nearest(
    connection: Connection,
    viewer: Viewer,
    question: Question,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Answer:
    """The devices that can be at the patient soonest by expected time. Exact, not "nearest by line first".

    1. Take devices that the viewer may see, ring by ring outwards.
    2. Walk from the patient, with the gates as they stand for this viewer: while PostgreSQL looks for the
       devices, before SQLite reads them, if it is known about how far that will be.
    3. Ask hours and readiness at the moment, of the nearest first, and rank by expected time.
    4. Stop once no farther device could beat the last one kept: no walk is shorter than the straight line.
    """
    with drain_on_error(connection):
        return _nearest(connection, viewer, question, network, settings)


def _nearest(
    connection: Connection,
    viewer: Viewer,
    question: Question,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Answer:
    search = _Search(connection, viewer, question, network, settings)
    radius = settings.search_radius_metres
    rings = _statement(connection.dialect, viewer, question).rings(
        connection, question.here, at_least=question.limit, within_metres=radius
    )
    # Walks are longer than straight lines: the last of those kept is about the 25th on the straight line.
    about = question.limit + MORE_THAN_ASKED if network is None else 3 * question.limit
    search.walk_ahead(rings, about=about)
    search.look(rings, about=about)
    while True:
        ranked = search.ranked()
        usable = [near for near in ranked if near.is_usable]
        farthest = math.inf
        if len(usable) >= question.limit:
            last = usable[question.limit - 1]
            farthest = search.cost_that_can_beat(last.expected_seconds, is_too_far=last.is_too_far)
        enough = min(radius, search.straight_metres_of(farthest))
        is_complete = rings.complete_within_metres >= enough and search.has_all_within(farthest)
        if is_complete or len(rings.rows) >= MOST_CANDIDATES:
            break
        about = min(MOST_CANDIDATES, 4 * max(about, len(rings.rows)))
        if about > 2 * _SOON_ROWS:
            needs_a_thread()
        search.look_again(rings, about=about, to_metres=enough)
    rings.remember(enough, search.count_within(enough))
    devices = usable[: question.limit]
    unusable = search.unusable(ranked, devices)
    search.describe([*devices, *unusable])
    if viewer.is_signed_in:
        for near in (*devices, *unusable):
            near.row = nearby_queries.with_keepers_phone(connection, viewer, near.row)
    return Answer(
        question=question,
        basis=search.basis,
        emergency_number=search.emergency_number(),
        devices=devices,
        unusable=unusable,
        quarantined=[] if question.is_for_plan else quarantined_near(connection, viewer, question, settings),
        responders=nearest_responders(
            connection,
            viewer,
            question.here,
            search.ways,
            at=question.at,
            floor=question.floor,
            limit=question.responders,
            settings=settings,
            precision=question.precision,
        )
        if viewer.sees_responders and question.responders > 0
        else None,
        is_complete=is_complete,
    )


class _Search:
    """The state of one search: the rows so far, and the ways from the patient, widened as they ask for it."""

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
        self._bands: dict[tuple[str, str | None, int | None], HourBand] = {}
        """By time zone, calendar and its version."""
        self._accesses: dict[_Hours, AccessAt] = {}
        self._rows: list[DeviceNearby] = []
        self._straight: list[float] = []
        self._order: list[int] = []
        """The numbers of the rows within the search radius, nearest first."""
        self._known: dict[int, NearbyDevice] = {}
        self._quickest = quickest_pace(settings.arrival, seconds_per_metre=None, pick_up_seconds=None)
        self._paces: dict[tuple[bool, float | None, float | None], Pace] = {}
        self._buildings = Buildings(connection, settings.arrival)
        self._footings: list[Footing | None] = []
        """Of the rows, where there are streets."""
        self._left_out: list[tuple[float, float]] = []
        """Latitudes and longitudes of devices that were not read, being too far on foot."""
        self._left_out_beyond = math.inf
        """So far: metres on foot."""
        self.ways: Ways | None = None

    @property
    def basis(self) -> Basis:
        return Basis.STRAIGHT_LINE if self.ways is None else Basis.WALKING_NETWORK

    def straight_metres_of(self, walk_metres: float) -> float:
        """A device farther than this on the straight line has a longer walk, measured or estimated."""
        if self.ways is None:
            return walk_metres / self._settings.arrival.detour_factor
        return walk_metres * _NO_SHORTER_THAN_STRAIGHT

    def _add(self, rows: Sequence[DeviceNearby]) -> None:
        """Takes a ring of devices into account."""
        if rows:
            first, radius = len(self._rows), self._settings.search_radius_metres
            self._quickest = quickest_pace(
                self._settings.arrival,
                seconds_per_metre=rows[0].least_seconds_per_metre,
                pick_up_seconds=rows[0].least_pick_up_seconds,
            )
            self._rows += rows
            self._straight += metres_to_each(self._question.here, rows)
            straight = self._straight
            self._order += [each for each in range(first, len(straight)) if straight[each] <= radius]
            self._order.sort(key=straight.__getitem__)
        self._begin()
        if self.ways is not None and rows:
            self._footings += self.ways.footings_of_devices(rows)

    def look(self, rings: ExpandingSearch[DeviceNearby], *, about: int) -> None:
        """Takes the first ring into account; SQLite need not read what is known to be too far on foot."""
        self._add(rings.widen(about=about, sieve=self._sieve()))
        if not rings.may_lack_rows:
            self._left_out.clear()
        if self.ways is not None and self._may_lack_the_nearest():
            self.ways.local = None
            self.look_again(rings, about=about, to_metres=rings.complete_within_metres)

    def look_again(self, rings: ExpandingSearch[DeviceNearby], *, about: int, to_metres: float) -> None:
        """Takes the next ring into account, and whatever was left out."""
        self._left_out.clear()
        self._add(rings.widen(about=about, to_metres=to_metres))

    def _sieve(self) -> Sieve | None:
        ways, left_out = self.ways, self._left_out
        if ways is None or not ways.within_metres:
            return None
        self._left_out_beyond, may_reach = ways.within_metres, ways.may_reach()

        def is_worth_reading(lat: float, lon: float) -> bool:
            if may_reach(lat, lon):
                return True
            left_out.append((lat, lon))
            return False

        return is_worth_reading

    def _may_lack_the_nearest(self) -> bool:
        """Whether the nearest device on the straight line may have been left out: that one says what time it
        is here and, if it is on this side of the border, which number to call."""
        if not self._left_out:
            return False
        if not self._order:
            return True
        here, nearest = self._question.here, self._rows[self._order[0]]
        if in_mainland_china(Position(nearest.lat, nearest.lon)) is not in_mainland_china(here):
            return True
        return may_be_within(here, self._left_out, self._straight[self._order[0]])

    def has_all_within(self, walk_metres: float) -> bool:
        """Whether no device was left out that is so near on foot, or estimated to be just so far."""
        return not self._left_out or walk_metres < self._left_out_beyond

    def count_within(self, metres: float) -> int:
        """How many devices are about that near."""
        read = bisect_right(self._order, metres, key=self._straight.__getitem__)
        return read + len(self._left_out)

    def ranked(self) -> list[NearbyDevice]:
        """The devices so far, soonest expected first; those that cannot be used come last.

        Those that could not be expected sooner than the last that is asked for may be left out.
        """
        if self.ways is not None and self._order:
            return self._walked(self.ways)
        return self._soonest(self._straight_lines())

    def walk_ahead(self, rings: ExpandingSearch[DeviceNearby], *, about: int) -> None:
        """Walks as far as is likely to be needed while the database looks for the devices.

        Not where it is unknown how far, or where something must be known first that the nearest device tells.
        """
        likely = rings.likely_metres
        if self._network is None or likely is None:
            return
        likely = min(likely, self._settings.walking_reach_metres)
        gates = sent_for_gates(self._connection, self._question.here, likely)
        rings.send(about=about)
        start = self._network.start_at(self._question.here)
        found = gates()
        if start is not None:
            self.ways = self._ways(self._network, start, found, likely)
            if self.ways.can_widen_unasked(likely):
                self.ways.widen(likely)

    def _ways(
        self,
        network: WalkingNetwork,
        start: Footing,
        gates: Sequence[GateNearby] = (),
        gates_within_metres: float = 0.0,
    ) -> Ways:
        return Ways(
            self._connection,
            self._viewer,
            network,
            self._question.here,
            start,
            at=self._question.at,
            numbers=self._settings.arrival,
            gates=gates,
            gates_within_metres=gates_within_metres,
        )

    def _begin(self) -> None:
        """Where the walk starts. The nearest device lends the gates on the map its time zone and holidays."""
        if self._network is None:
            return
        if self.ways is None and (start := self._network.start_at(self._question.here)) is not None:
            self.ways = self._ways(self._network, start)
        if self.ways is not None and self.ways.local is None and self._order:
            near = self._rows[self._order[0]]
            calendar = nearby_queries.calendar_of(
                self._connection, near.holiday_calendar, near.calendar_version
            )
            self.ways.local = LocalTime(near.time_zone, calendar)

    def _walked(self, ways: Ways) -> list[NearbyDevice]:
        """Measures the walks until those that will be told are measured, usable or not, and ranks.

        What is not within reach yet is at least as far as the reach, or as the way through gates that are
        closed: as long as such a device is not among the first, its true walk does not matter. Nor does any
        walk that is too long to beat the last of the first whose walks are known: so far the reach need go.
        """
        most, numbers = self._settings.walking_reach_metres, self._settings.arrival
        limit = self._question.limit
        within = ways.within_metres
        if not within:
            # More than the usual detour: every other question would have to walk a second time, and farther.
            within = self._last_straight(limit) * 1.1 * numbers.detour_factor + 50.0
        while True:
            within = min(max(within, ways.within_metres), most)
            ways.widen(within)
            found = self._soonest(self._measured(ways))
            first = [near for near in found if near.is_usable][:limit]
            told = [*first, *self.unusable(found, first)]
            if within >= most or all(near.is_measured for near in told):
                return found
            known = [near for near in found if near.is_usable and near.is_measured][:limit]
            enough = math.inf
            if len(known) == limit:
                last = known[-1]
                enough = self.cost_that_can_beat(last.expected_seconds, is_too_far=last.is_too_far) + 1.0
            within = enough if within < enough < 2.0 * within else 2.0 * within

    def _last_straight(self, limit: int) -> float:
        """How far on the straight line the first `limit` usable devices are, or all there are."""
        usable = 0
        for number in self._order:
            usable += (self._known.get(number) or self._device(number)).is_usable
            if usable == limit:
                return self._straight[number]
        return self._straight[self._order[min(limit, len(self._order)) - 1]]

    def _straight_lines(self) -> list[_WalkTo]:
        straight, detour = self._straight, self._settings.arrival.detour_factor
        return [
            (straight[number] * detour, number, Basis.STRAIGHT_LINE, True, False) for number in self._order
        ]

    def _measured(self, ways: Ways) -> list[_WalkTo]:
        """What the reach tells of each device: its walk, or as much as is known of it so far."""
        straight, numbers, within = self._straight, self._settings.arrival, ways.within_metres
        is_last = within >= self._settings.walking_reach_metres
        footings = self._footings
        costs = ways.metres_to(footings)
        opened = ways.metres_if_opened(footings) or costs
        walks: list[_WalkTo] = []
        for number in self._order:
            cost = costs[number]
            if cost != math.inf:
                walk = (cost, number, Basis.WALKING_NETWORK, True, False)
            elif footings[number] is None:
                metres = straight[number] * numbers.detour_factor
                walk = (metres, number, Basis.STRAIGHT_LINE, True, False)
            elif opened[number] != math.inf:
                walk = (opened[number], number, Basis.WALKING_NETWORK, is_last, is_last)
            else:
                metres = max(straight[number], within)
                if is_last:
                    metres = estimated_walk_metres(straight[number], numbers, at_least=within)
                walk = (metres, number, Basis.STRAIGHT_LINE, is_last, False)
            walks.append(walk)
        walks.sort()
        return walks

    def _soonest(self, walks: Sequence[_WalkTo]) -> list[NearbyDevice]:
        """The devices at the end of these walks, shortest first, ranked by expected time.

        Leaves out those whose walk is too long to beat the last that is asked for.
        """
        numbers, limit = self._settings.arrival, self._question.limit
        best: list[tuple[bool, float]] = []
        last, can_beat = (True, math.inf), math.inf
        found: list[NearbyDevice] = []
        for cost, number, basis, is_measured, by_closed_gate in walks:
            if cost > can_beat:
                break
            near = self._known.get(number) or self._device(number)
            near.basis, near.is_measured, near.by_closed_gate = basis, is_measured, by_closed_gate
            if is_measured:
                near.way = self._way(number, cost, basis, by_closed_gate=by_closed_gate)
                leg = leg_seconds(near.way, near.floors, near.pace, numbers)
            else:
                near.way = Leg(cost)
                leg = least_leg_seconds(cost, near.pace, numbers) + near.floors
            near.fetch_seconds = fetch_seconds(leg, leg, near.pace)
            chance = near.chance * numbers.chance_closed_gate if by_closed_gate else near.chance
            expected = near.expected_seconds = expected_seconds(near.fetch_seconds, chance, numbers)
            near.is_too_far = self._is_too_far(near)
            found.append(near)
            if near.is_usable and (near.is_too_far, expected) < last:
                insort(best, (near.is_too_far, expected))
                if len(best) >= limit:
                    last = best[limit - 1]
                    can_beat = self.cost_that_can_beat(last[1], is_too_far=last[0]) + _ROUNDING_METRES
        found.sort(key=_by_expected)
        return found

    def _way(self, number: int, cost: float, basis: Basis, *, by_closed_gate: bool) -> Leg:
        """The way that costs so much: how far, and how long gates keep somebody waiting."""
        place = self._footings[number] if basis is Basis.WALKING_NETWORK else None
        if place is None or self.ways is None:
            return Leg(cost)
        return self.ways.leg(place, cost, by_closed_gate=by_closed_gate)

    def _tell(self, near: NearbyDevice) -> None:
        numbers = self._settings.arrival
        chance = near.chance * numbers.chance_closed_gate if near.by_closed_gate else near.chance
        near.fetch = fetch(
            near.way, floors_seconds=near.floors, chance=chance, pace=near.pace, numbers=numbers
        )
        if near.is_usable and not self._question.is_for_plan:
            near.bringing = bringing(
                near.row.guard_phone,
                near.access.access,
                near.way,
                near.floors,
                chance=near.chance,
                pace=near.pace,
                numbers=numbers,
            )
            near.is_too_far = near.is_too_far and not self._is_brought_in_time(near)

    def _device(self, number: int) -> NearbyDevice:
        """A device with its hours and readiness at the moment; asked once for each."""
        row = self._rows[number]
        hours = (row.opening_hours, row.time_zone, row.entry, row.holiday_calendar, row.calendar_version)
        access = self._accesses.get(hours) or self._access(hours, row)
        straight, numbers = self._straight[number], self._settings.arrival
        readiness, trusted = _readiness(
            self._today[row.time_zone],
            row.first_expiry,
            row.battery_expiry,
            row.last_checked_on,
            numbers.checked_within_days,
            self._settings.trust.readiness_half_life_days,
        )
        if row.out_alert is not None:
            readiness = Readiness.OUT_ON_CALL
        is_usable = access.access is not Access.CLOSED and readiness.is_usable
        patient = Spot(self._question.here, self._question.floor)
        floors = self._buildings.floor_seconds(patient, Spot(Position(row.lat, row.lon), row.floor))
        place = place_class(row.place_en, row.place_zh, is_in_estate=row.estate_id is not None)
        band = self._bands[row.time_zone, row.holiday_calendar, row.calendar_version]
        reachable = chance_reachable(access, place, band, numbers)
        near = NearbyDevice(
            number,
            row,
            straight,
            access,
            readiness,
            trusted,
            is_usable,
            floors,
            place,
            band,
            reachable,
            chance_of(reachable, readiness, trusted, numbers),
            self._pace(row),
        )
        self._known[number] = near
        return near

    def _pace(self, row: DeviceNearby) -> Pace:
        """Worked out once for all devices of an estate."""
        key = (row.estate_id is not None, row.seconds_per_metre, row.pick_up_seconds)
        if key not in self._paces:
            self._paces[key] = pace_at(
                is_in_estate=key[0],
                seconds_per_metre=key[1],
                pick_up_seconds=key[2],
                numbers=self._settings.arrival,
            )
        return self._paces[key]

    def cost_that_can_beat(self, expected_seconds: float, *, is_too_far: bool) -> float:
        """How much a way may cost, in metres, to beat that, wherever the device is. Any device that is in
        time beats one that is too far."""
        numbers = self._settings.arrival
        sooner = metres_that_can_beat(expected_seconds, self._quickest, numbers)
        if not is_too_far:
            return sooner
        planning = self._settings.planning
        latest = max(planning.ambulance_seconds, *planning.ambulance_seconds_by_region.values(), 0.0)
        return max(sooner, max_cost_in_time(latest, self._quickest, numbers))

    def _is_too_far(self, near: NearbyDevice) -> bool:
        if self._question.is_for_plan:
            return False
        return is_too_far(
            near.way.metres,
            near.fetch_seconds,
            ambulance_seconds=self._ambulance_seconds(near),
            numbers=self._settings.arrival,
        )

    def _is_brought_in_time(self, near: NearbyDevice) -> bool:
        return near.bringing is not None and near.bringing.seconds <= self._ambulance_seconds(near)

    def _ambulance_seconds(self, near: NearbyDevice) -> float:
        planning = self._settings.planning
        return planning.ambulance_seconds_by_region.get(near.row.region_code, planning.ambulance_seconds)

    def _access(self, hours: _Hours, row: DeviceNearby) -> AccessAt:
        """Asked once for all devices with the same hours in the same place."""
        at, zone = self._question.at, row.time_zone
        calendar = nearby_queries.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        found = hours_at(row.opening_hours, at, time_zone=zone, calendar=calendar)
        local = at.astimezone(ZoneInfo(zone))
        self._today[zone] = local.date()
        self._bands[zone, row.holiday_calendar, row.calendar_version] = hour_band(local, calendar)
        access = self._accesses[hours] = access_at(found, _ENTRIES[row.entry])
        return access

    def unusable(self, ranked: list[NearbyDevice], kept: list[NearbyDevice]) -> list[NearbyDevice]:
        """Devices that would have been sooner than the last one kept, if they could be used."""

        latest = kept[-1].fetch_seconds if len(kept) >= self._question.limit else math.inf
        sooner = [near for near in ranked if not near.is_usable and near.fetch_seconds <= latest]
        return sorted(sooner, key=lambda near: (near.fetch_seconds, near.row.id))[:MOST_UNUSABLE]

    def emergency_number(self) -> str:
        """Of the region of the nearest device on the same side of China's border; else mainland China's, or
        the one that any GSM phone knows."""
        is_in_china = in_mainland_china(self._question.here)
        for number in self._order:
            row = self._rows[number]
            if in_mainland_china(Position(row.lat, row.lon)) is is_in_china:
                return row.emergency_number
        if is_in_china:
            return self._settings.emergency_number_mainland_china
        return self._settings.emergency_number_elsewhere

    def describe(self, chosen: list[NearbyDevice]) -> None:
        """Adds the fetch, the gates passed and, where asked for, the route."""
        for near in chosen:
            self._tell(near)
        ways, with_routes = self.ways, self._question.with_routes
        walked = [near for near in chosen if near.basis is Basis.WALKING_NETWORK]
        if ways is None or not walked or not (with_routes or ways.has_gates_to_tell):
            return
        footings = Footings.of([self._footings[near.number] for near in walked])
        for i, (near, may_meet) in enumerate(zip(walked, ways.may_meet_gates(footings), strict=True)):
            if with_routes or may_meet or near.by_closed_gate:
                walk, near.gates = ways.walk_to(
                    footings, i, by_closed_gate=near.by_closed_gate, with_line=with_routes
                )
                near.route = walk if with_routes else None


@lru_cache(maxsize=16_384)
def _readiness(
    today: date,
    first_expiry: date | str | None,
    battery_expiry: date | str | None,
    last_checked_on: date | str | None,
    checked_within_days: int,
    half_life_days: float,
) -> tuple[Readiness, float]:
    """Whether a device is ready on a day, and how far that can be trusted. Remembered: many were fitted and
    checked on the same days, and are asked about again and again."""
    checked_on = as_date(last_checked_on)
    readiness = readiness_on(
        today,
        state=DeviceState.IN_SERVICE,
        first_expiry=as_date(first_expiry),
        battery_expiry=as_date(battery_expiry),
        last_checked_on=checked_on,
        checked_within_days=checked_within_days,
    )
    days = (today - checked_on).days if checked_on is not None else None
    return readiness, confidence(days, half_life_days=half_life_days)


def _by_expected(near: NearbyDevice) -> tuple[bool, bool, float, float, int]:
    return not near.is_usable, near.is_too_far, near.expected_seconds, near.straight_metres, near.row.id
