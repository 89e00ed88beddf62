"""The gap table: how many people can reach each building in time, for each hour of a week.

1. Read all responders with a registered place once, as arrays, with buildings, expiring certificates and
   sessions.
2. From each building, search the walking network as far as people walk in three minutes. Without a network,
   or without a street nearby, use the straight line, with walks assumed to be half as long again. Gates
   count as open unless they are locked.
3. Count the people within that walk for each hour, each person once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row
from sqlalchemy.orm import Session

from aed.database.types import as_date, as_datetime
from aed.geo import METRES_PER_DEGREE, BoundingBox, Position, box_around, distances_metres
from aed.hours.evaluation import HolidayDates
from aed.registry.holidays import queries as holiday_queries
from aed.settings import Settings
from aed.training.gaps import queries
from aed.training.gaps.queries import CoveredBuilding, GapEstate
from aed.training.gaps.rules import (
    LAPSES_WITHIN_DAYS,
    BuildingGaps,
    EstateGaps,
    Floats,
    Lapse,
    PlaceCounts,
    counted,
    expectation,
    expected_responders,
    presence,
)
from aed.training.gaps.suggestion import NearbyPeople, suggest
from aed.training.gaps.week import CalendarWeek, hour_states
from aed.walking.network import WalkingNetwork
from aed.walking.snapping import SnappedPoints
from aed.walking.travel import Basis, estate_pace, metres_walked_in

type Progress = Callable[[int], None]
type Chosen = NDArray[np.intp]

MAX_READ_SINGLY: Final = 50
"""Up to this many estates, read the people around each one separately; beyond it, read all people at once."""
_PLANE_ERROR: Final = 1.015
"""The flat projection at that scale is off by at most 0.6 per cent over such distances."""


def gap_walk_metres(settings: Settings) -> float:
    """Return how far people walk in an estate within the target time, counted from the alert."""
    seconds = settings.gap_walk_seconds - settings.arrival.reaction_seconds
    return metres_walked_in(seconds, estate_pace(settings.arrival), settings.arrival)


def gap_table(
    session: Session,
    asked: Sequence[GapEstate],
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
    target: int | None = None,
    progress: Progress | None = None,
) -> Iterator[EstateGaps]:
    """Yield the coming week of each estate, in the given order.

    `progress` is called with the number of finished buildings.

    visibility: the estates come from `queries.estates_run_by`; the results hold counts only.
    """
    if not asked:
        return
    target = target if target is not None else settings.gap_target
    metres = gap_walk_metres(settings)
    houses = queries.covered_buildings(session, asked)
    sessions, learners = queries.planned(session, at=at)
    usual = expectation(queries.outcomes(session, at=at))
    expected = expected_responders(sessions, usual)
    lapses: dict[int, list[Lapse]] = defaultdict(list)
    for estate_id, found in queries.lapsing_counts(session, asked, at=at).items():
        lapses[estate_id] = [Lapse(row.valid_until, row.kind, row.certificates) for row in found]
    calendars = {
        name: holiday_queries.holiday_calendar(session, name)
        for name in {estate.holiday_calendar for estate in asked}
        if name is not None
    }
    everybody = None
    if len(asked) > MAX_READ_SINGLY:
        everybody = RegisteredPeople(queries.places_around(session, box=None, valid_from=_day_before(at)))
    done = 0
    for estate in asked:
        those = houses[estate.id]
        box = box_around(
            [house.position.lat for house in those], [house.position.lon for house in those], metres
        )
        people = everybody or RegisteredPeople(
            queries.places_around(session, box=box, valid_from=_day_before(at))
        )
        calendar = calendars.get(estate.holiday_calendar or "")
        week, today = (
            CalendarWeek.coming(at, estate.time_zone),
            at.astimezone(ZoneInfo(estate.time_zone)).date(),
        )
        places = people.within(box, week, calendar, today=today, renewing=learners, passes=usual.passes)
        walks = _Walks(network, those, places, metres=metres, detour=settings.arrival.detour_factor)
        met = [walks.from_house(number) for number in range(len(those))]
        around = np.unique(np.concatenate([each.people for each in met]))
        states, _ = places.take(around).states()
        near = np.array([each.houses / len(those) for each in met])
        more = expected.get(estate.id, 0.0) * near[:, None] * presence(states)
        buildings = []
        for house, each, arriving in zip(those, met, more, strict=True):
            can_come = counted(places.take(each.people))
            buildings.append(
                BuildingGaps(
                    house.id,
                    house.name_en,
                    house.name_zh,
                    house.position,
                    each.basis,
                    can_come.now,
                    can_come.unknown,
                    can_come.staying + arriving,
                )
            )
            done += 1
            if progress is not None:
                progress(done)
        yield EstateGaps(
            estate_id=estate.id,
            name_en=estate.name_en,
            name_zh=estate.name_zh,
            region=estate.region,
            week=week,
            buildings=tuple(buildings),
            lapses=tuple(lapses[estate.id]),
            sessions_planned=sum(
                each.estate_id == estate.id or estate.id in each.learners for each in sessions
            ),
            responders_expected=expected.get(estate.id, 0.0),
            suggestion=suggest(
                NearbyPeople(estate.id, week, buildings, near, states, lapses[estate.id]),
                usual,
                target=target,
                today=today,
                holidays=calendar.holidays if calendar is not None else (),
            ),
        )


def _day_before(at: datetime) -> date:
    """Return yesterday's UTC date, which is not after today's date in any time zone."""
    return at.date() - timedelta(days=1)


# --- people ---------------------------------------------------------------------------------------------


class RegisteredPeople:
    """Rows of `places_around` as arrays, with an index by latitude."""

    def __init__(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        kinds: dict[tuple[str | None, str | None], int] = {}
        self._kind = np.array(
            [kinds.setdefault((row.availability, row.hours), len(kinds)) for row in rows], dtype=np.int32
        )
        self._kinds = list(kinds)
        self._person = np.array([row.person_id for row in rows], dtype=np.int64)
        self._lats = np.array([row.lat for row in rows], dtype=np.float64)
        self._lons = np.array([row.lon for row in rows], dtype=np.float64)
        self._valid_until = np.array([as_date(row.valid_until) for row in rows], dtype="datetime64[D]")
        self._paused_until = {
            number: row.paused_until for number, row in enumerate(rows) if row.paused_until is not None
        }
        self._order = np.argsort(self._lats, kind="stable")
        self._sorted_lats = self._lats[self._order]
        self._weeks: dict[tuple[CalendarWeek, HolidayDates | None], _InAWeek] = {}

    def within(
        self,
        box: BoundingBox,
        week: CalendarWeek,
        calendar: HolidayDates | None,
        *,
        today: date,
        renewing: Collection[int],
        passes: float,
    ) -> PlaceCounts:
        """Return the places inside the box, with their hours in that week.

        `passes` is the expected share of people in `renewing` who pass and renew their certificate.
        """
        first, end = np.searchsorted(self._sorted_lats, [box.south, box.north])
        chosen = self._order[first:end]
        chosen = chosen[(self._lons[chosen] >= box.west) & (self._lons[chosen] <= box.east)]
        known = self._weeks.get((week, calendar))
        if known is None:
            known = self._weeks[week, calendar] = self._in_week(week, calendar)
        lapses = self._valid_until[chosen] <= np.datetime64(today + timedelta(days=LAPSES_WITHIN_DAYS))
        stays = np.where(lapses, 0.0, 1.0)
        for number in np.flatnonzero(lapses):
            if int(self._person[chosen[number]]) in renewing:
                stays[number] = passes
        return PlaceCounts(
            self._person[chosen],
            self._lats[chosen],
            self._lons[chosen],
            self._kind[chosen],
            known.patterns,
            known.valid_hours[chosen],
            known.paused_hours[chosen],
            stays,
        )

    def _in_week(self, week: CalendarWeek, calendar: HolidayDates | None) -> _InAWeek:
        """Evaluate all distinct hours for that week, and the validity and pause of each place."""
        each: dict[str | None, NDArray[np.uint8]] = {
            text: hour_states(text, week, calendar)
            for text in {text for pair in self._kinds for text in pair}
        }
        patterns = np.zeros((len(self._kinds), 168), dtype=np.uint8)
        for number, (availability, hours) in enumerate(self._kinds):
            np.minimum(each[availability], each[hours], out=patterns[number])
        days = (self._valid_until - np.datetime64(week.monday)).astype(np.int64) + 1
        paused = np.zeros(len(self._kind), dtype=np.int16)
        for number, until in self._paused_until.items():
            moment = as_datetime(until)
            paused[number] = week.hours_before(moment) if moment is not None else 0
        return _InAWeek(patterns, np.clip(days * 24, 0, 168).astype(np.int16), paused)


@dataclass(frozen=True, slots=True, eq=False)
class _InAWeek:
    """The parts of PlaceCounts that depend on the week."""

    patterns: NDArray[np.uint8]
    valid_hours: NDArray[np.int16]
    paused_hours: NDArray[np.int16]


# --- walks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """The people within walking distance of a building."""

    people: Chosen
    houses: int
    """Number of buildings of the same estate within the walk, itself included."""
    basis: Basis


@dataclass(slots=True, eq=False)
class _Walks:
    """Walks of at most `metres` from the buildings of an estate."""

    network: WalkingNetwork | None
    those: Sequence[CoveredBuilding]
    people: PlaceCounts
    metres: float
    detour: float
    _lats: Floats = field(init=False)
    _lons: Floats = field(init=False)
    _snapped_points: SnappedPoints | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Combine the positions of people and, after them, of buildings."""
        self._lats = np.concatenate([self.people.lats, [house.position.lat for house in self.those]])
        self._lons = np.concatenate([self.people.lons, [house.position.lon for house in self.those]])
        if self.network is not None:
            self._snapped_points = self.network.snap(self._lats, self._lons)

    def from_house(self, number: int) -> _Met:
        """Return the people within the walk of building `number`."""
        here, itself = self.those[number].position, len(self.people) + number
        reached, basis = self._within_walk(here, itself)
        is_person = reached < len(self.people)
        return _Met(reached[is_person], int((~is_person).sum()), basis)

    def _within_walk(self, here: Position, itself: int) -> tuple[Chosen, Basis]:
        """Return the indexes of the positions within the walk, and the basis of the measurement."""
        network, snapped = self.network, self._snapped_points
        if network is None or snapped is None or (start := snapped.one(itself, network.contracted)) is None:
            return self._within_metres(here, self.metres / self.detour), Basis.STRAIGHT_LINE
        closed = [barrier.crossing for barrier in network.barriers_near(here, self.metres) if barrier.locked]
        reachable = network.reachable(start, within_metres=self.metres, closed=closed)
        assert reachable is not None
        around = self._within_flat_metres(here, self.metres * _PLANE_ERROR)[0]
        snapped_points = snapped.take(around)
        by_street = around[np.isfinite(reachable.costs(snapped_points))]
        beside = around[snapped_points.edge < 0]
        if len(beside):  # no street nearby: estimate the walk, as the lookup does
            near = self._within_metres(here, self.metres / self.detour)
            beside = np.intersect1d(beside, near)
        itself_too = np.array([itself], dtype=np.intp)
        return np.unique(np.concatenate([by_street, beside, itself_too])), Basis.WALKING_NETWORK

    def _within_flat_metres(self, here: Position, metres: float) -> tuple[Chosen, Floats]:
        """Return the indexes within `metres` in the flat projection, and their distances."""
        north = (self._lats - here.lat) * METRES_PER_DEGREE
        east = (self._lons - here.lon) * (METRES_PER_DEGREE * math.cos(math.radians(here.lat)))
        away = np.hypot(north, east)
        near = np.flatnonzero(away <= metres)
        return near, away[near]

    def _within_metres(self, here: Position, metres: float) -> Chosen:
        """Return the indexes within `metres` on the ellipsoid.

        Only distances that are close to the limit are measured exactly.
        """
        near, away = self._within_flat_metres(here, metres * _PLANE_ERROR)
        is_within = away <= metres / _PLANE_ERROR
        doubtful = np.flatnonzero(~is_within)
        if len(doubtful):
            chosen = near[doubtful]
            is_within[doubtful] = distances_metres(here, self._lats[chosen], self._lons[chosen]) <= metres
        return near[is_within]
