"""The devices that a lookup chooses from, nearest by straight line first, with their state at the moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.database.nearest import NearestQuery
from aed.database.types import as_date
from aed.geo import Position, in_mainland_china, metres_to_each
from aed.hours.evaluation import hours_at
from aed.lookup.arrival import Basis, Bringing, Fetch, chance_of, chance_reachable
from aed.lookup.places import Buildings, Spot
from aed.lookup.question import LookupQuestion
from aed.lookup.walks import GatePassed, LocalTime
from aed.registry import nearby as nearby_queries
from aed.registry.devices.reachability import HourBand, PlaceClass, hour_band, place_class
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
from aed.registry.nearby import DeviceNearby, OutOfService
from aed.settings import Settings
from aed.walking.travel import NO_WAY, Leg, Pace, pace_at, quickest_pace
from aed.walking.way import Walk

MAX_QUARANTINED: Final = 5
_ENTRIES: Final = {entry.value: entry for entry in EntryMode}
"""Looking a member up takes a tenth of the time of `EntryMode(value)`."""
_NOT_YET: Final = Fetch(math.inf, 0.0, 0.0, math.inf)

type _Hours = tuple[str | None, str, str, str | None, int | None]
"""What access follows from: expression, time zone, entry, calendar and its version."""


@dataclass(slots=True)
class NearbyDevice:
    """A candidate: the device, its state at the moment, and what the ranking finds out about its walk."""

    number: int
    """Its place among the candidates' rows."""
    row: DeviceNearby
    straight_metres: float
    access: AccessAt
    readiness: Readiness
    confidence: float
    """In its readiness; fades since the last check."""
    is_usable: bool
    floors: float
    """Seconds one way on stairs and in lifts."""
    place: PlaceClass
    band: HourBand
    reachable: float
    """The chance that one can get at it: by its hours, else by the class of its place and the hour."""
    chance: float
    """The chance that it can be reached, if no closed gate is on the way, and is ready."""
    pace: Pace
    """The estate's own, that of estates, or the general one."""
    way: Leg = NO_WAY
    """Estimated where it is not measured yet, or not within reach."""
    fetch_seconds: float = math.inf
    expected_seconds: float = math.inf
    """What it is ranked by."""
    fetch: Fetch = _NOT_YET
    """Only of devices in the answer."""
    basis: Basis = Basis.STRAIGHT_LINE
    is_too_far: bool = False
    """Too far to be fetched in time (`arrival.is_too_far`)."""
    bringing: Bringing | None = None
    """How a person who is with it brings it. Only of devices in the answer."""
    is_measured: bool = True
    by_closed_gate: bool = False
    """No way leads there unless a gate is opened that is closed for this viewer."""
    gates: tuple[GatePassed, ...] = ()
    route: Walk | None = None

    @property
    def walk_metres(self) -> float:
        """One way, without waits."""
        return self.way.metres

    @property
    def is_last_resort(self) -> bool:
        """Its pads have expired and nothing else is against it."""
        return self.readiness is Readiness.PADS_EXPIRED and self.access.access is not Access.CLOSED

    @property
    def soonest_expected_seconds(self) -> float:
        """Fetched or brought, whichever is sooner."""
        brought = self.bringing.expected_seconds if self.bringing is not None else math.inf
        return min(self.expected_seconds, brought)


class QuarantinedDevice(NamedTuple):
    """A device that is out of service, listed so that nobody runs to it."""

    row: OutOfService
    straight_metres: float


class Candidates:
    """Devices in service around the patient that the viewer may see, fetched ring by ring outwards.

    `rows` and `straight_metres` are in the order in which they were fetched; `nearest_first` has the numbers
    of those within the search radius. Hours and readiness are evaluated once for each device that is asked
    for (`device`).
    """

    def __init__(
        self, connection: Connection, viewer: Viewer, question: LookupQuestion, settings: Settings
    ) -> None:
        self._connection, self._question, self._settings = connection, question, settings
        self._search = _statement(connection, viewer, question).search(
            connection,
            question.here,
            at_least=question.limit,
            within_metres=settings.search_radius_metres,
        )
        self.rows: list[DeviceNearby] = []
        self.straight_metres: list[float] = []
        self.nearest_first: list[int] = []
        self.quickest = quickest_pace(settings.arrival, seconds_per_metre=None, pick_up_seconds=None)
        """No device is reached at a quicker pace."""
        self._known: dict[int, NearbyDevice] = {}
        self._today: dict[str, date] = {}
        """By time zone."""
        self._bands: dict[tuple[str, str | None, int | None], HourBand] = {}
        """By time zone, calendar and its version."""
        self._accesses: dict[_Hours, AccessAt] = {}
        self._paces: dict[tuple[bool, float | None, float | None], Pace] = {}
        self._buildings = Buildings(connection, settings.arrival)

    @property
    def complete_within_metres(self) -> float:
        """Every device nearer than this on the straight line is among the rows."""
        return self._search.complete_within_metres

    def widen(self, *, about: int, to_metres: float = math.inf) -> None:
        """Fetch the next ring: then about `about` devices are there in all, or all within `to_metres`."""
        rows = self._search.widen(about=about, to_metres=to_metres)
        if not rows:
            return
        self.quickest = quickest_pace(
            self._settings.arrival,
            seconds_per_metre=rows[0].least_seconds_per_metre,
            pick_up_seconds=rows[0].min_pick_up_seconds,
        )
        first, radius, straight = len(self.rows), self._settings.search_radius_metres, self.straight_metres
        self.rows += rows
        straight += metres_to_each(self._question.here, rows)
        self.nearest_first += [each for each in range(first, len(straight)) if straight[each] <= radius]
        self.nearest_first.sort(key=straight.__getitem__)

    def remember(self, metres: float) -> None:
        """Note that the search had to look this far: the next one nearby begins with that."""
        self._search.remember(metres)

    def device(self, number: int) -> NearbyDevice:
        """Return a device with its hours and readiness at the moment."""
        near = self._known.get(number)
        if near is None:
            near = self._known[number] = self._evaluated(number)
        return near

    def usable_within_metres(self, limit: int) -> float:
        """Return how far the `limit`-th usable device is on the straight line; if there are fewer, the
        `limit`-th device, or the last."""
        usable = 0
        for number in self.nearest_first:
            usable += self.device(number).is_usable
            if usable == limit:
                return self.straight_metres[number]
        return self.straight_metres[self.nearest_first[min(limit, len(self.nearest_first)) - 1]]

    def local_time(self) -> LocalTime | None:
        """Return the nearest device's time zone and holidays: those of gates on the map, which have none."""
        if not self.nearest_first:
            return None
        row = self.rows[self.nearest_first[0]]
        calendar = nearby_queries.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        return LocalTime(row.time_zone, calendar)

    def emergency_number(self) -> str:
        """Return the number of the region of the nearest device on the same side of China's border; else
        mainland China's, or the one that any GSM phone knows."""
        is_in_china = in_mainland_china(self._question.here)
        for number in self.nearest_first:
            row = self.rows[number]
            if in_mainland_china(Position(row.lat, row.lon)) is is_in_china:
                return row.emergency_number
        if is_in_china:
            return self._settings.emergency_number_mainland_china
        return self._settings.emergency_number_elsewhere

    def _evaluated(self, number: int) -> NearbyDevice:
        row = self.rows[number]
        hours = (row.opening_hours, row.time_zone, row.entry, row.holiday_calendar, row.calendar_version)
        access = self._accesses.get(hours) or self._access(hours, row)
        numbers = self._settings.arrival
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
        patient = Spot(self._question.here, self._question.floor)
        place = place_class(row.place_en, row.place_zh, is_in_estate=row.estate_id is not None)
        band = self._bands[row.time_zone, row.holiday_calendar, row.calendar_version]
        reachable = chance_reachable(access, place, band, numbers)
        return NearbyDevice(
            number=number,
            row=row,
            straight_metres=self.straight_metres[number],
            access=access,
            readiness=readiness,
            confidence=trusted,
            is_usable=access.access is not Access.CLOSED and readiness.is_usable,
            floors=self._buildings.floor_seconds(patient, Spot(Position(row.lat, row.lon), row.floor)),
            place=place,
            band=band,
            reachable=reachable,
            chance=chance_of(reachable, readiness, trusted, numbers),
            pace=self._pace(row),
        )

    def _access(self, hours: _Hours, row: DeviceNearby) -> AccessAt:
        """Evaluate hours once for all devices with the same ones in the same place."""
        at, zone = self._question.at, row.time_zone
        calendar = nearby_queries.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        found = hours_at(row.opening_hours, at, time_zone=zone, calendar=calendar)
        local = at.astimezone(ZoneInfo(zone))
        self._today[zone] = local.date()
        self._bands[zone, row.holiday_calendar, row.calendar_version] = hour_band(local, calendar)
        access = self._accesses[hours] = access_at(found, _ENTRIES[row.entry])
        return access

    def _pace(self, row: DeviceNearby) -> Pace:
        """Work a pace out once for all devices of an estate."""
        key = (row.estate_id is not None, row.seconds_per_metre, row.pick_up_seconds)
        if key not in self._paces:
            self._paces[key] = pace_at(
                is_in_estate=key[0],
                seconds_per_metre=key[1],
                pick_up_seconds=key[2],
                numbers=self._settings.arrival,
            )
        return self._paces[key]


def quarantined_near(
    connection: Connection, viewer: Viewer, question: LookupQuestion, settings: Settings
) -> list[QuarantinedDevice]:
    """Return the nearest devices out of service that this viewer may see, as far as one would fetch them."""
    within = settings.arrival.max_fetch_metres
    search = nearby_queries.nearest_out_of_service(connection.dialect, viewer).search(
        connection, question.here, at_least=MAX_QUARANTINED, within_metres=within
    )
    rows = search.widen(about=MAX_QUARANTINED + 3, to_metres=within)
    near = zip(metres_to_each(question.here, rows), rows, strict=True) if rows else ()
    found = sorted((metres, row.id, row) for metres, row in near if metres <= within)
    return [QuarantinedDevice(row, metres) for metres, _, row in found[:MAX_QUARANTINED]]


def _statement(
    connection: Connection, viewer: Viewer, question: LookupQuestion
) -> NearestQuery[DeviceNearby]:
    """Return the one statement that is kept for such lookups.

    A cached function tells calls apart by their arguments: one that is left out is not its default.
    """
    if question.sent_from is None:
        return nearby_queries.nearest_devices(connection.dialect, viewer)
    return nearby_queries.nearest_devices(connection.dialect, viewer, question.sent_from)


@lru_cache(maxsize=16_384)
def _readiness(
    today: date,
    first_expiry: date | str | None,
    battery_expiry: date | str | None,
    last_checked_on: date | str | None,
    checked_within_days: int,
    half_life_days: float,
) -> tuple[Readiness, float]:
    """Return whether a device is ready on a day, and how far that can be trusted. Cached: many devices share
    their dates."""
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
