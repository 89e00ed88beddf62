"""How many people can come to a building in each hour of a week, and where and when they are too few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aed.geo import Position
from aed.responders.rules import CertificateKind
from aed.training.gaps.week import AWAY, HOURS, NOT_KNOWN, THERE, Week
from aed.walking.basis import Basis

LAPSES_WITHIN_DAYS: Final = 90
"""Also how far ahead sessions count: who learns by then replaces who lapses by then."""

type Floats = NDArray[np.float64]
type Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class PlaceCounts:
    """Where people are who may be called, in parallel arrays: an entry for each place of a person."""

    person: NDArray[np.int64]
    lats: Floats
    lons: Floats
    pattern: NDArray[np.int32]
    """Which row of `patterns` says when the person can be called there."""
    patterns: NDArray[np.uint8]
    """HourStates, one below the other."""
    valid_hours: NDArray[np.int16]
    """So many hours of the week the certificate is valid: its last day included."""
    paused_hours: NDArray[np.int16]
    """So many hours from its beginning the person pauses."""
    stays: Floats
    """The share of the person that is expected to hold a certificate when the sessions have been: 1 where it
    does not lapse by then."""

    def __len__(self) -> int:
        return len(self.person)

    def take(self, which: NDArray[np.intp]) -> PlaceCounts:
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
        """Of each person the best that holds at any of the places, and what stays of the person."""
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
    """Who said so."""
    unknown: Counts
    """And who may be there: their hours are not known. They are called too, but nobody counts on them."""
    staying: Floats
    """What is expected to be left of `now` when the certificates that lapse have lapsed."""


def counted(people: PlaceCounts) -> GapCounts:
    """Everybody once, whatever the places."""
    states, stays = people.states()
    is_there = states == THERE
    return GapCounts(
        now=is_there.sum(axis=0, dtype=np.int32),
        unknown=(states == NOT_KNOWN).sum(axis=0, dtype=np.int32),
        staying=stays @ is_there,
    )


# --- what is expected of sessions -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the sessions that were held: how many places there were, were taken, and so on."""

    sessions: int = 0
    places: int = 0
    taken: int = 0
    passed: int = 0
    serving: int = 0
    """Of those who passed: who may be called now."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a session, as shares, and how many places one has."""

    filled: float
    passes: float
    serves: float
    places: float

    @property
    def responders_a_place(self) -> float:
        """Of a place that is open still."""
        return self.filled * self.passes * self.serves


ASSUMED: Final = Expectation(filled=0.8, passes=0.8, serves=0.5, places=20.0)
"""Until there is a history. It counts as much as ten places (for `places`: one session) of it."""
_ASSUMED_WEIGHT: Final = 10


def expectation(of: Outcomes) -> Expectation:
    """From what has been, with the assumption counted in as if it had been seen on ten places."""

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
    """A session that ends within the time looked at, and awards a certificate."""

    session_id: int
    estate_id: int | None
    capacity: int
    held: int
    """Places taken or offered."""
    learners: Mapping[int | None, int]
    """Of who holds a place and cannot be called yet: how many belong to which estate."""


def expected_responders(sessions: list[PlannedSession], usual: Expectation) -> dict[int, float]:
    """How many more people each estate can count on when these sessions have been.

    1. Whoever has a place and cannot be called yet: passes, and offers to be called, by the usual shares.
    2. Places that are open still fill up to the usual share; by people of the estate whose session it is.
    What belongs to no estate is counted nowhere: nobody knows where these people live.
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
    """The share of people who are there in each hour, of those whose hours are known: what is expected of
    more people like them. With an hour given, of those who are there then: they can come to a course in it.

    A half is counted in as if seen of four people, so that few say little.
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
    """Who can come to one building. `building_id` None: the estate's middle, its buildings are not known."""

    building_id: int | None
    name_en: str
    name_zh: str
    position: Position
    basis: Basis
    now: Counts
    unknown: Counts
    after: Floats
    """Expected, when the planned sessions have been and certificates have lapsed."""

    def hours_below(self, target: int) -> int:
        return int((self.now < target).sum())

    def hours_below_after(self, target: int) -> int:
        return int((self.after < target).sum())

    @property
    def worst_hour(self) -> int:
        """The first of those in which the fewest can come."""
        return int(self.now.argmin())


@dataclass(frozen=True, slots=True)
class Lapse:
    """So many certificates of a kind have this as their last day, and were not renewed."""

    valid_until: date
    kind: CertificateKind
    count: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The session that would help the estate most."""

    estate_id: int
    building_id: int | None
    """Near which it is missed most."""
    starts_on: date
    hour: int
    """Of the week, in which it begins."""
    places: int
    expected_responders: float
    hours_lifted: float
    """Building-hours that are expected to be at the target then, and would not be without."""
    because_en: tuple[str, ...]
    because_zh: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EstateGaps:
    estate_id: int
    name_en: str
    name_zh: str
    region: str
    week: Week
    buildings: tuple[BuildingGaps, ...]
    lapses: tuple[Lapse, ...]
    sessions_planned: int
    """That end within the time looked at and award a certificate; the estate's own, or with people of it."""
    responders_expected: float
    suggestion: Suggestion | None

    @property
    def lapsing(self) -> int:
        return sum(each.count for each in self.lapses)

    def hours_below(self, target: int) -> int:
        return sum(each.hours_below(target) for each in self.buildings)

    def hours_below_after(self, target: int) -> int:
        return sum(each.hours_below_after(target) for each in self.buildings)

    @property
    def fewest(self) -> Counts:
        """Of each hour, how many can come to the building that has the fewest."""
        fewest: Counts = np.array([each.now for each in self.buildings]).min(axis=0)
        return fewest
