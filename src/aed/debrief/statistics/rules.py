"""Count a year of cardiac arrests by the Utstein template.

Counts are of patients, or of people who were asked; nobody is named. Outside the region's dispatchers they
are coarsened: counts below 5 are hidden and all others rounded to 5, so that no small count follows from the
difference of two larger ones, such as of a region and those below it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from aed.accounts.permissions import Viewer
from aed.debrief.outcomes import rules as outcome_rules
from aed.debrief.outcomes.rules import (
    AGE_BANDS,
    BYSTANDER_CPR,
    MOMENTS,
    SHOCKABLE,
    ArrestLocation,
    BystanderAed,
    BystanderCpr,
    CallCounts,
    CoreItems,
    Pathogenesis,
    RecordedTimes,
    Rhythm,
    Sex,
    Witnessed,
    YesNo,
    age_band,
    is_favourable,
    is_recorded,
    sum_call_counts,
)
from aed.errors import NotAllowed, NotSignedIn
from aed.incidents.rules import IncidentOutcome, IncidentState, Task


class CountedKind(StrEnum):
    """What is counted, one or the other. Line tests never are."""

    REAL = "real"
    EXERCISE = "exercise"


MIN_SHOWN_COUNT: Final = 5
"""Smaller counts are hidden, because somebody might be recognised."""


@dataclass(frozen=True, slots=True)
class CountedIncident:
    """One incident, as far as it is counted."""

    region: str
    opened_at: datetime
    """Local time."""
    state: IncidentState
    outcome: IncidentOutcome | None
    items: CoreItems
    measured: RecordedTimes

    @property
    def is_false_alarm(self) -> bool:
        """True unless an arrest was recorded afterwards."""
        return self.outcome is IncidentOutcome.FALSE_ALARM and self.items.arrest is not YesNo.YES

    @property
    def may_be_an_arrest(self) -> bool:
        return not self.is_false_alarm and self.items.arrest is not YesNo.NO

    @property
    def is_resuscitated(self) -> bool:
        """True for an arrest in which resuscitation was attempted: the patients that the template follows."""
        return self.items.arrest is YesNo.YES and self.items.resuscitation is YesNo.YES


class ItemCount(NamedTuple):
    """How many cases have one value of one item."""

    item: str
    value: str
    cases: int | None
    """None: too few to show, as in all tables below."""


class OutcomeGroup(NamedTuple):
    """Outcomes of a group of patients in whom resuscitation was attempted."""

    group: str
    patients: int | None
    rosc: int | None
    survived_event: int | None
    survived: int | None
    survival_known: int | None
    """Number of patients whose survival is known, the base of the percentage."""
    survived_per_cent: float | None
    favourable: int | None


class TimeInterval(NamedTuple):
    """Seconds from the call."""

    until: str
    cases: int | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


class AlertCounts(NamedTuple):
    """People who were asked for a task, or any; and the median of incidents in which somebody was."""

    task: str
    asked: int | None
    seen: int | None
    accepted: int | None
    there: int | None
    asked_median: float | None
    accepted_median: float | None
    there_median: float | None


class Completeness(NamedTuple):
    """How many cases lack an item that should be known."""

    item: str
    of: int | None
    missing: int | None
    missing_per_cent: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """A year of one kind of incident; real ones and exercises are never mixed."""

    incidents: int | None
    still_open: int | None
    false_alarms: int | None
    arrests: tuple[ItemCount, ...]
    resuscitation: tuple[ItemCount, ...]
    """Of arrests."""
    patients: tuple[ItemCount, ...]
    """Of patients in whom resuscitation was attempted."""
    groups: tuple[OutcomeGroup, ...]
    intervals: tuple[TimeInterval, ...]
    """Of all incidents that may have been an arrest."""
    calls: tuple[AlertCounts, ...]
    completeness: tuple[Completeness, ...]


_VALUES: Final[dict[str, Sequence[str]]] = {
    "pathogenesis": tuple(Pathogenesis),
    "witnessed": tuple(Witnessed),
    "location": tuple(ArrestLocation),
    "age": (*AGE_BANDS, "unknown"),
    "sex": tuple(Sex),
    "bystander_cpr": tuple(BystanderCpr),
    "dispatcher_cpr": tuple(YesNo),
    "bystander_aed": tuple(BystanderAed),
    "first_rhythm": tuple(Rhythm),
    "rosc": tuple(YesNo),
    "survived_event": tuple(YesNo),
    "survived": tuple(YesNo),
    "cpc": ("1", "2", "3", "4", "5", "unknown"),
    "mrs": ("0", "1", "2", "3", "4", "5", "6", "unknown"),
}


def _is_comparator(items: CoreItems) -> bool:
    """True for the group that is compared between systems: witnessed by a bystander, with a shockable
    rhythm.
    """
    return items.witnessed is Witnessed.BYSTANDER and items.first_rhythm in SHOCKABLE


GROUPS: Final[dict[str, Callable[[CoreItems], bool]]] = {
    "all": lambda _: True,
    "utstein_comparator": _is_comparator,
    "comparator_with_bystander_cpr": lambda items: (
        _is_comparator(items) and items.bystander_cpr in BYSTANDER_CPR
    ),
    "bystander_witnessed_not_shockable": lambda items: (
        items.witnessed is Witnessed.BYSTANDER
        and items.first_rhythm is not Rhythm.UNKNOWN
        and items.first_rhythm not in SHOCKABLE
    ),
    "unwitnessed": lambda items: items.witnessed is Witnessed.UNWITNESSED,
    "ems_witnessed": lambda items: items.witnessed is Witnessed.EMS,
    "bystander_aed_shock": lambda items: items.bystander_aed is BystanderAed.SHOCK,
}
RECORDED_SHOCK: Final = "first_shock_recorded"
"""The interval by what was recorded later by hand, beside that of the incident's record."""


def statistics_of(cases: Iterable[CountedIncident], *, is_coarse: bool) -> Statistics:
    """Count in one pass over the cases and one over the patients. `is_coarse`: coarsen, to pass it on."""
    shown = _coarse if is_coarse else _exact
    numbers: Counter[str] = Counter()
    arrests: Counter[str] = Counter()
    patients: list[CoreItems] = []
    attempts: Counter[str] = Counter()
    seconds: dict[str, list[float]] = {each: [] for each in (*MOMENTS, RECORDED_SHOCK)}
    calls: list[RecordedTimes] = []
    for case in cases:
        numbers["all"] += 1
        numbers["open"] += case.state is IncidentState.OPEN
        numbers["false"] += case.is_false_alarm
        if case.measured.calls:
            calls.append(case.measured)
        if not case.is_false_alarm:
            arrests[case.items.arrest] += 1
        if case.items.arrest is YesNo.YES:
            attempts[case.items.resuscitation] += 1
        if case.is_resuscitated:
            patients.append(case.items)
        if case.may_be_an_arrest:
            for moment, found in seconds.items():
                passed = seconds_until(case, moment)
                if passed is not None:
                    found.append(passed)
    return Statistics(
        incidents=shown(numbers["all"]),
        still_open=shown(numbers["open"]),
        false_alarms=shown(numbers["false"]),
        arrests=tuple(ItemCount("arrest", each, shown(arrests[each])) for each in YesNo),
        resuscitation=tuple(ItemCount("resuscitation", each, shown(attempts[each])) for each in YesNo),
        patients=_patients(patients, shown),
        groups=tuple(_group(name, filter(belongs, patients), shown) for name, belongs in GROUPS.items()),
        intervals=tuple(_interval(name, found, shown) for name, found in seconds.items()),
        calls=_calls(calls, shown),
        completeness=_completeness(arrests, attempts, patients, shown),
    )


def seconds_until(case: CountedIncident, moment: str) -> float | None:
    """Return the seconds from the call; `RECORDED_SHOCK` is by what was recorded later."""
    if moment != RECORDED_SHOCK:
        return case.measured.seconds(moment)
    at = case.items.first_shock_at
    return None if at is None else max(0.0, (at - case.measured.called_at).total_seconds())


type _ShowCount = Callable[[int], int | None]


def _exact(count: int) -> int | None:
    return count


def _coarse(count: int) -> int | None:
    return (
        None
        if count < MIN_SHOWN_COUNT
        else MIN_SHOWN_COUNT * ((count + MIN_SHOWN_COUNT // 2) // MIN_SHOWN_COUNT)
    )


def _per_cent(part: int | None, whole: int | None) -> float | None:
    """Return the percentage of shown counts, so that it reveals no more."""
    return round(100 * part / whole, 1) if part is not None and whole else None


def _patients(patients: Sequence[CoreItems], shown: _ShowCount) -> tuple[ItemCount, ...]:
    found = []
    for item, values in _VALUES.items():
        count = Counter(_value(each, item) for each in patients)
        found += [ItemCount(item, value, shown(count[value])) for value in values]
    return tuple(found)


def _value(items: CoreItems, item: str) -> str:
    if item == "age":
        return age_band(items.age_years)
    value = getattr(items, item)
    return "unknown" if value is None else str(value)


def _group(name: str, patients: Iterable[CoreItems], shown: _ShowCount) -> OutcomeGroup:
    count: Counter[str] = Counter()
    for each in patients:
        count["patients"] += 1
        count["rosc"] += each.rosc is YesNo.YES
        count["survived_event"] += each.survived_event is YesNo.YES
        count["survived"] += each.survived is YesNo.YES
        count["known"] += each.survived is not YesNo.UNKNOWN
        count["favourable"] += bool(is_favourable(each))
    survived, known = shown(count["survived"]), shown(count["known"])
    return OutcomeGroup(
        name,
        shown(count["patients"]),
        shown(count["rosc"]),
        shown(count["survived_event"]),
        survived,
        known,
        _per_cent(survived, known),
        shown(count["favourable"]),
    )


def _interval(name: str, seconds: Sequence[float], shown: _ShowCount) -> TimeInterval:
    cases = shown(len(seconds))
    if not cases:
        return TimeInterval(name, cases, None, None, None)
    lower, median, upper = np.percentile(seconds, (25, 50, 75)).tolist()
    return TimeInterval(name, cases, round(lower, 1), round(median, 1), round(upper, 1))


def _calls(measured: Sequence[RecordedTimes], shown: _ShowCount) -> tuple[AlertCounts, ...]:
    found = [_calls_made("all", [each.all_calls for each in measured], shown)]
    for task in Task:
        found.append(_calls_made(task, [each.calls[task] for each in measured if task in each.calls], shown))
    return tuple(found)


def _calls_made(task: str, calls: Sequence[CallCounts], shown: _ShowCount) -> AlertCounts:
    asked, seen, accepted, there = sum_call_counts(calls)
    medians: list[float | None] = [None, None, None]
    if shown(len(calls)):
        medians = [
            float(np.median([getattr(each, what) for each in calls]))
            for what in ("asked", "accepted", "there")
        ]
    return AlertCounts(task, shown(asked), shown(seen), shown(accepted), shown(there), *medians)


def _completeness(
    arrests: Counter[str], attempts: Counter[str], patients: Sequence[CoreItems], shown: _ShowCount
) -> tuple[Completeness, ...]:
    """Count missing items.

    `arrest` of all cases that were no false alarm, `resuscitation` of arrests, the others of patients in whom
    it was attempted. One of CPC and mRS is enough, of those who survived.
    """
    counts = [
        ("arrest", arrests.total(), arrests[YesNo.UNKNOWN]),
        ("resuscitation", attempts.total(), attempts[YesNo.UNKNOWN]),
    ]
    for item in outcome_rules.ITEMS:
        if item not in ("arrest", "resuscitation", "first_shock_at", "cpc", "mrs"):
            missing = sum(not is_recorded(each, item) for each in patients)
            counts.append((item, len(patients), missing))
    shocked = [each for each in patients if each.first_rhythm in SHOCKABLE]
    counts.append(("first_shock_at", len(shocked), sum(each.first_shock_at is None for each in shocked)))
    alive = [each for each in patients if each.survived is YesNo.YES]
    counts.append(("cpc_or_mrs", len(alive), sum(is_favourable(each) is None for each in alive)))
    found = []
    for item, of, missing in counts:
        shown_of, shown_missing = shown(of), shown(missing)
        found.append(Completeness(item, shown_of, shown_missing, _per_cent(shown_missing, shown_of)))
    return tuple(found)


def require_signed_in(viewer: Viewer) -> None:
    """Require a person who is signed in. Raises NotSignedIn."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Statistics need a signed-in person: send a token, or sign in.")


def sees_small_counts(viewer: Viewer, region_ids: Collection[int]) -> bool:
    """True for dispatchers and administrators of all these regions, who know each incident anyway.

    Everybody else gets coarsened counts, so that nobody is recognised.
    """
    return viewer.is_administrator or (viewer.sees_responders and set(region_ids) <= set(viewer.region_ids))


def require_case_viewer(viewer: Viewer, region_ids: Collection[int]) -> None:
    """Require a dispatcher or administrator of all these regions. Raises NotSignedIn, NotAllowed."""
    require_signed_in(viewer)
    if not sees_small_counts(viewer, region_ids):
        raise NotAllowed(
            "Single cases are visible only to the dispatchers of their region: use the statistics instead."
        )
