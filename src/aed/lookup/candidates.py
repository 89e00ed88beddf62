"""Candidate devices of a lookup, by straight-line distance, with their hours and readiness evaluated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.cells.rules import Cell
from aed.database.nearest import NearestQuery
from aed.database.types import as_date
from aed.geo import Position, in_mainland_china, metres_to_each
from aed.hours.evaluation import hours_at, is_open_at
from aed.lookup.arrival import Basis, Bringing, Fetch, accessible_probability, usable_probability
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
from aed.walking.path import Walk
from aed.walking.travel import NO_WAY, Leg, Pace, pace_at, quickest_pace

MAX_QUARANTINED: Final = 5
_ENTRIES: Final = {entry.value: entry for entry in EntryMode}
"""Members by value; a dictionary lookup takes a tenth of the time of `EntryMode(value)`."""
_NOT_YET: Final = Fetch(math.inf, 0.0, 0.0, math.inf)

type _Hours = tuple[str | None, str, str, str | None, int | None]
"""Cache key of access: opening hours, time zone, entry mode, holiday calendar and calendar version."""


@dataclass(slots=True)
class NearbyDevice:
    """A candidate device, its state at the moment of the lookup, and the walk that the ranking computes."""

    number: int
    """Index in `Candidates.rows`."""
    row: DeviceNearby
    straight_metres: float
    access: AccessAt
    readiness: Readiness
    confidence: float
    """Confidence in its readiness, from 0 to 1; it decays with the days since the last check."""
    is_usable: bool
    floors: float
    """Seconds on stairs and in lifts, one way."""
    place: PlaceClass
    band: HourBand
    reachable: float
    """Probability that the device is accessible, by its hours; if unknown, by kind of place and hour."""
    probability_usable: float
    """Probability that it is accessible and ready, not counting closed gates on the way."""
    pace: Pace
    """The pace learned from the estate's drills, the default for estates, or the general default."""
    way: Leg = NO_WAY
    """The way on foot, one way; estimated if it is not measured yet or out of reach."""
    fetch_seconds: float = math.inf
    expected_seconds: float = math.inf
    """The key by which devices are ranked."""
    fetch: Fetch = _NOT_YET
    """Set only for devices in the answer."""
    basis: Basis = Basis.STRAIGHT_LINE
    is_too_far: bool = False
    """True if it can neither be fetched (`arrival.is_too_far`) nor brought in time."""
    is_fetch_too_far: bool = False
    """True if it cannot be fetched in time. This ranks it, whether or not it can be brought."""
    bringing: Bringing | None = None
    """How staff on site bring it to the patient. Set only for devices in the answer."""
    is_measured: bool = True
    by_closed_gate: bool = False
    """True if every way passes a gate that is closed for this viewer."""
    gates: tuple[GatePassed, ...] = ()
    route: Walk | None = None
    cell: Cell | None = None
    """The cell of a device of another installation; None for our own."""

    @property
    def walk_metres(self) -> float:
        """Metres on foot, one way, without waits at gates."""
        return self.way.metres

    @property
    def is_last_resort(self) -> bool:
        """True if expired pads are the only reason not to use the device."""
        return self.readiness is Readiness.PADS_EXPIRED and self.access.access is not Access.CLOSED

    @property
    def soonest_expected_seconds(self) -> float:
        """Expected seconds until it is at the patient, fetched or brought, whichever is sooner."""
        brought = self.bringing.expected_seconds if self.bringing is not None else math.inf
        return min(self.expected_seconds, brought)


class QuarantinedDevice(NamedTuple):
    """A device that is out of service, listed so that people do not try to fetch it."""

    row: OutOfService
    straight_metres: float
    cell: Cell | None = None
    """As in NearbyDevice."""


class Candidates:
    """Devices in service around the patient that the viewer may see, fetched in rings of growing radius.

    `rows` and `straight_metres` are in fetch order; `nearest_first` holds the indices of those within the
    search radius, nearest first. `device` evaluates hours and readiness on first use and caches them.
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
        """Lower bound on the pace to any device."""
        self._known: dict[int, NearbyDevice] = {}
        self._today: dict[str, date] = {}
        """Local dates, by time zone."""
        self._bands: dict[tuple[str, str | None, int | None], HourBand] = {}
        """Hour bands, by time zone, holiday calendar and calendar version."""
        self._accesses: dict[_Hours, AccessAt] = {}
        self._shared: dict[tuple[str, str, str | None, int | None], bool] = {}
        self._paces: dict[tuple[bool, float | None, float | None], Pace] = {}
        self._buildings = Buildings(connection, settings.arrival)

    @property
    def complete_within_metres(self) -> float:
        """Straight-line distance within which every device has been fetched."""
        return self._search.complete_within_metres

    def widen(self, *, about: int, to_metres: float = math.inf) -> None:
        """Fetch the next ring, until there are about `about` devices in total or all within `to_metres`."""
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
        self.nearest_first += [
            each
            for each in range(first, len(straight))
            if straight[each] <= radius and self._is_shared(self.rows[each])
        ]
        self.nearest_first.sort(key=straight.__getitem__)

    def remember(self, metres: float) -> None:
        """Record how far this search had to look, as the first radius of the next search nearby."""
        self._search.remember(metres)

    def device(self, number: int) -> NearbyDevice:
        """Return a device with its hours and readiness at the moment of the lookup, by index in `rows`."""
        near = self._known.get(number)
        if near is None:
            near = self._known[number] = self._evaluated(number)
        return near

    def usable_within_metres(self, limit: int) -> float:
        """Return the straight-line distance to the `limit`-th usable device.

        With fewer usable devices, return that of the `limit`-th device of any state, or of the last one.
        """
        usable = 0
        for number in self.nearest_first:
            usable += self.device(number).is_usable
            if usable == limit:
                return self.straight_metres[number]
        return self.straight_metres[self.nearest_first[min(limit, len(self.nearest_first)) - 1]]

    def local_time(self) -> LocalTime | None:
        """Return the nearest device's time zone and holidays, which gates on the map are evaluated with.

        Returns None if there is no device.
        """
        if not self.nearest_first:
            return None
        row = self.rows[self.nearest_first[0]]
        calendar = nearby_queries.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        return LocalTime(row.time_zone, calendar)

    def emergency_number(self) -> str:
        """Return the emergency number at the patient's place.

        This is the number of the nearest device's region, counting only devices on the same side of mainland
        China's border; without one, the number configured for mainland China or for elsewhere.
        """
        is_in_china = in_mainland_china(self._question.here)
        for number in self.nearest_first:
            row = self.rows[number]
            if in_mainland_china(Position(row.lat, row.lon)) is is_in_china:
                return row.emergency_number
        if is_in_china:
            return self._settings.emergency_number_mainland_china
        return self._settings.emergency_number_elsewhere

    def _is_shared(self, row: DeviceNearby) -> bool:
        """Return True if the viewer may see the device now, and not only at other hours.

        Evaluated once for all devices with the same hours, time zone and calendar.
        """
        text = row.hours_of_sharing
        if text is None:
            return True
        hours = text, row.time_zone, row.holiday_calendar, row.calendar_version
        shared = self._shared.get(hours)
        if shared is None:
            calendar = nearby_queries.calendar_of(
                self._connection, row.holiday_calendar, row.calendar_version
            )
            shared = self._shared[hours] = is_open_at(text, self._question.at, row.time_zone, calendar)
        return shared

    def _evaluated(self, number: int) -> NearbyDevice:
        row = self.rows[number]
        hours = (row.opening_hours, row.time_zone, row.entry, row.holiday_calendar, row.calendar_version)
        access = self._accesses.get(hours) or self._access(hours, row)
        numbers = self._settings.arrival
        readiness, trusted = readiness_and_confidence(
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
        reachable = accessible_probability(access, place, band, numbers)
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
            probability_usable=usable_probability(reachable, readiness, trusted, numbers),
            pace=self._pace(row),
        )

    def _access(self, hours: _Hours, row: DeviceNearby) -> AccessAt:
        """Evaluate opening hours, once for all devices with the same hours, entry, time zone and calendar."""
        at, zone = self._question.at, row.time_zone
        calendar = nearby_queries.calendar_of(self._connection, row.holiday_calendar, row.calendar_version)
        found = hours_at(row.opening_hours, at, time_zone=zone, calendar=calendar)
        local = at.astimezone(ZoneInfo(zone))
        self._today[zone] = local.date()
        self._bands[zone, row.holiday_calendar, row.calendar_version] = hour_band(local, calendar)
        access = self._accesses[hours] = access_at(found, _ENTRIES[row.entry])
        return access

    def _pace(self, row: DeviceNearby) -> Pace:
        """Return the pace to a device, computed once for all devices with the same parameters."""
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
    """Return the nearest devices out of service that the viewer may see, within `max_fetch_metres`."""
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
    """Return the cached nearest-devices statement for the viewer, and for a plan's place if there is one.

    Omit `sent_from` instead of passing None: `lru_cache` treats these two calls as different.
    """
    if question.sent_from is None:
        return nearby_queries.nearest_devices(connection.dialect, viewer)
    return nearby_queries.nearest_devices(connection.dialect, viewer, question.sent_from)


@lru_cache(maxsize=16_384)
def readiness_and_confidence(
    today: date,
    first_expiry: date | str | None,
    battery_expiry: date | str | None,
    last_checked_on: date | str | None,
    checked_within_days: int,
    half_life_days: float,
) -> tuple[Readiness, float]:
    """Return a device's readiness on a day and the confidence in it. Cached, as many devices share dates."""
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
