"""How many people can reach a building in each hour of a week, and where and when they are too few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aed.geo import Position
from aed.responders.rules import CertificateKind
from aed.training.gaps.week import AWAY, HOURS, NOT_KNOWN, THERE, CalendarWeek
from aed.walking.travel import Basis

LAPSES_WITHIN_DAYS: Final = 90
"""The same horizon applies to planned sessions: new responders replace those whose certificates expire."""

type Floats = NDArray[np.float64]
type Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class PlaceCounts:
    """Places of responders as parallel arrays, with one element for each place of each person."""

    person: NDArray[np.int64]
    lats: Floats
    lons: Floats
    pattern: NDArray[np.int32]
    """Index of the row in `patterns` that holds the person's hours at this place."""
    patterns: NDArray[np.uint8]
    """Array of shape (patterns, 168); each row is an HourStates."""
    valid_hours: NDArray[np.int16]
    """Number of hours of the week in which the certificate is valid, its last day included."""
    paused_hours: NDArray[np.int16]
    """Number of hours from the start of the week in which the person has paused alerts."""
    stays: Floats
    """Probability that the person still holds a certificate after the planned sessions; 1 if it does not
    expire by then.
    """

    def __len__(self) -> int:
        return len(self.person)

    def take(self, which: NDArray[np.intp]) -> PlaceCounts:
        """Return the places at these indexes."""
        return PlaceCounts(
            self.person[which],
            self.lats[which],
            self.lons[which],
            self.pattern[which],
            self.patterns,
            self.valid_hours[which],
            self.paused_hours[which],
            self.stays[which],
        )

    def states(self) -> tuple[NDArray[np.uint8], Floats]:
        """Return the best state of each person over all of their places, and each person's `stays`.

        Shapes: (people, 168) and (people,).
        """
        order = np.argsort(self.person, kind="stable")
        person = self.person[order]
        found = self.patterns[self.pattern[order]]
        valid, paused = self.valid_hours[order], self.paused_hours[order]
        if len(order) and (int(valid.min()) < HOURS or int(paused.max()) > 0):
            hour = np.arange(HOURS)
            found = np.where((hour < valid[:, None]) & (hour >= paused[:, None]), found, np.uint8(AWAY))
        first = np.flatnonzero(np.r_[True, person[1:] != person[:-1]]) if len(order) else np.array([], int)
        if len(first) < len(order):
            found = np.maximum.reduceat(found, first, axis=0)
        return found, self.stays[order][first]


@dataclass(frozen=True, slots=True, eq=False)
class GapCounts:
    """How many people can come in each hour of the week."""

    now: Counts
    """People whose registered hours say that they are there."""
    unknown: Counts
    """People whose hours are not known. They are alerted too, but are not counted as available."""
    staying: Floats
    """Expected value of `now` after the expiring certificates have expired."""


def counted(people: PlaceCounts) -> GapCounts:
    """Count each person once, however many places they have."""
    states, stays = people.states()
    is_there = states == THERE
    return GapCounts(
        now=is_there.sum(axis=0, dtype=np.int32),
        unknown=(states == NOT_KNOWN).sum(axis=0, dtype=np.int32),
        staying=stays @ is_there,
    )


# --- expected results of sessions -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PastSessions:
    """Results of past sessions: how many places were offered and taken, and how many people passed."""

    sessions: int = 0
    places: int = 0
    taken: int = 0
    passed: int = 0
    serving: int = 0
    """People who passed and are active responders now."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected rates of a session, and its expected number of places."""

    filled: float
    passes: float
    serves: float
    places: float

    @property
    def responders_a_place(self) -> float:
        """Expected new responders for each place that is still free."""
        return self.filled * self.passes * self.serves


ASSUMED: Final = Expectation(filled=0.8, passes=0.8, serves=0.5, places=20.0)
"""Prior for the rates. It weighs as much as ten observations (for `places`: as one session)."""
_ASSUMED_WEIGHT: Final = 10


def expectation(of: PastSessions) -> Expectation:
    """Estimate the rates from past results, with `ASSUMED` as the prior."""

    def share(done: int, of_all: int, assumed: float) -> float:
        return (done + assumed * _ASSUMED_WEIGHT) / (of_all + _ASSUMED_WEIGHT)

    return Expectation(
        filled=share(of.taken, of.places, ASSUMED.filled),
        passes=share(of.passed, of.taken, ASSUMED.passes),
        serves=share(of.serving, of.passed, ASSUMED.serves),
        places=(of.places + ASSUMED.places) / (of.sessions + 1),
    )


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """A planned session that awards a certificate and ends within `LAPSES_WITHIN_DAYS` days."""

    session_id: int
    estate_id: int | None
    capacity: int
    held: int
    """Places taken or offered."""
    learners: Mapping[int | None, int]
    """Number of enrolled people who are not responders yet, by estate."""


def expected_responders(sessions: list[PlannedSession], usual: Expectation) -> dict[int, float]:
    """Return how many new responders each estate can expect from the planned sessions.

    1. Enrolled people who are not responders yet pass and register at the usual rates.
    2. Free places fill up to the usual rate, with people of the session's estate.

    People and sessions without an estate are not counted, because it is not known where the people live.
    """
    found: dict[int, float] = {}
    for each in sessions:
        more = max(0.0, usual.filled * each.capacity - each.held)
        people: dict[int | None, float] = {estate_id: float(n) for estate_id, n in each.learners.items()}
        people[each.estate_id] = people.get(each.estate_id, 0.0) + more
        for estate_id, learners in people.items():
            if estate_id is not None:
                expected = learners * usual.passes * usual.serves
                found[estate_id] = found.get(estate_id, 0.0) + expected
    return found


# --- when people are at home ----------------------------------------------------------------------------

_PRESENCE_ASSUMED: Final = 0.5
_PRESENCE_WEIGHT: Final = 4.0


def presence(states: NDArray[np.uint8], *, among_those_there_at: int | None = None) -> Floats:
    """Return the expected share of people who are there in each hour, among those with known hours.

    With `among_those_there_at`, use only people who are there in that hour, such as those who can attend a
    course in it. A share of one half, weighted as four people, is added as a prior. The result has shape
    (168,).
    """
    people = states
    if among_those_there_at is not None:
        people = states[states[:, among_those_there_at] == THERE]
    there = (people == THERE).sum(axis=0)
    known = (people != NOT_KNOWN).sum(axis=0)
    share: Floats = (there + _PRESENCE_ASSUMED * _PRESENCE_WEIGHT) / (known + _PRESENCE_WEIGHT)
    return share


# --- the table ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class BuildingGaps:
    """Coverage of one building; with `building_id` None, of the centre of an estate."""

    building_id: int | None
    name_en: str
    name_zh: str
    position: Position
    basis: Basis
    now: Counts
    unknown: Counts
    after: Floats
    """Expected number of people after the planned sessions and the expiring certificates."""

    def hours_below(self, target: int) -> int:
        """Return the number of hours of the week in which fewer than `target` people can come."""
        return int((self.now < target).sum())

    def hours_below_after(self, target: int) -> int:
        """Return the number of hours in which fewer than `target` people are expected later."""
        return int((self.after < target).sum())

    @property
    def worst_hour(self) -> int:
        """The first hour of the week in which the fewest people can come."""
        return int(self.now.argmin())


@dataclass(frozen=True, slots=True)
class Lapse:
    """How many certificates of one kind expire on one day without having been renewed."""

    valid_until: date
    kind: CertificateKind
    count: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The session that would improve the estate's coverage most."""

    estate_id: int
    building_id: int | None
    """The building with the largest gap, near which to hold the session."""
    starts_on: date
    hour: int
    """Hour of the week at which the session begins: 0 is Monday 00:00."""
    places: int
    expected_responders: float
    hours_lifted: float
    """Expected number of building-hours that reach the target because of the session."""
    reasons_en: tuple[str, ...]
    reasons_zh: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EstateGaps:
    """Coverage of one estate for one week."""

    estate_id: int
    name_en: str
    name_zh: str
    region: str
    week: CalendarWeek
    buildings: tuple[BuildingGaps, ...]
    lapses: tuple[Lapse, ...]
    sessions_planned: int
    """Sessions that award a certificate and end within `LAPSES_WITHIN_DAYS` days: those of the estate and
    those with people of the estate.
    """
    responders_expected: float
    suggestion: Suggestion | None

    @property
    def lapsing(self) -> int:
        """The number of certificates that expire within `LAPSES_WITHIN_DAYS` days."""
        return sum(each.count for each in self.lapses)

    def hours_below(self, target: int) -> int:
        """Return the number of building-hours in which fewer than `target` people can come."""
        return sum(each.hours_below(target) for each in self.buildings)

    def hours_below_after(self, target: int) -> int:
        """Return the number of building-hours in which fewer than `target` are expected later."""
        return sum(each.hours_below_after(target) for each in self.buildings)

    @property
    def fewest(self) -> Counts:
        """For each hour, the number of people who can come to the least covered building."""
        fewest: Counts = np.array([each.now for each in self.buildings]).min(axis=0)
        return fewest
