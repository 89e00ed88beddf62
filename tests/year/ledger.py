"""The events of the year as people know them, and the expected consequences, derived from these only.

Days are days in China. Scheduled jobs run in the morning and people act in the afternoon, so an action is
known to the jobs from the next morning.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from aed.registry.devices.rules import REQUIRED_CONSUMABLES, ConsumableKind
from aed.upkeep.rules import DueKind, QuarantineReason

DAY = timedelta(days=1)
CHECK_DAYS: Final = 180
"""The check interval of the network's policy."""


@dataclass
class Fitted:
    """A part that expires, installed from one afternoon to another; None: before the year, or to its end."""

    expires_on: date
    since: date | None
    until: date | None = None


@dataclass
class Out:
    """A reason not to offer the device, from one afternoon to another."""

    reason: QuarantineReason
    since: date
    until: date | None = None


@dataclass
class Story:
    """The events of one device."""

    registered: date
    make: tuple[str, str, str]
    fitted: dict[ConsumableKind, list[Fitted]] = field(default_factory=lambda: defaultdict(list))
    checks: list[tuple[date, date]] = field(default_factory=list)
    """(day answered, day received) of each check or service."""
    services: list[date] = field(default_factory=list)
    out: list[Out] = field(default_factory=list)


type ExpectedReminder = tuple[int, DueKind, date, int, date]
"""(device, kind of task, due date, threshold in days, day on which it was found)."""


class Ledger:
    def __init__(self, *, first_day: date, last_day: date) -> None:
        self.first_day, self.last_day = first_day, last_day
        self.stories: dict[int, Story] = {}

    def register(
        self, device_id: int, *, registered: date, checked: date, make: tuple[str, str, str]
    ) -> None:
        self.stories[device_id] = Story(registered, make, checks=[(checked, checked)])

    def fit(self, device_id: int, kind: ConsumableKind, expires_on: date, *, on: date | None) -> None:
        fitted = self.stories[device_id].fitted[kind]
        if fitted:
            fitted[-1].until = on
        fitted.append(Fitted(expires_on, on))

    def begin(self, device_id: int, reason: QuarantineReason, *, on: date) -> None:
        if reason not in self.reasons(device_id):
            self.stories[device_id].out.append(Out(reason, on))

    def end(self, device_id: int, reason: QuarantineReason, *, on: date) -> None:
        for each in self.stories[device_id].out:
            if each.reason is reason and each.until is None:
                each.until = on

    # --- state ------------------------------------------------------------------------------------------

    def reasons(self, device_id: int) -> set[QuarantineReason]:
        return {each.reason for each in self.stories[device_id].out if each.until is None}

    def expires_on(self, device_id: int, kind: ConsumableKind) -> date:
        return self.stories[device_id].fitted[kind][-1].expires_on

    def is_expired(self, device_id: int, today: date) -> bool:
        """Return whether the device is expired; the expiry date itself is still usable.

        A device with only its child pads expired still helps and is offered.
        """
        fitted = self.stories[device_id].fitted
        return any(fitted[kind][-1].expires_on < today for kind in REQUIRED_CONSUMABLES if kind in fitted)

    def is_usable(self, device_id: int, today: date) -> bool:
        return not self.reasons(device_id) and not self.is_expired(device_id, today)

    # --- expected reminders -----------------------------------------------------------------------------

    def to_notify_about(self) -> Iterator[ExpectedReminder]:
        """Yield every expected reminder; there must be no others."""
        for device_id, story in self.stories.items():
            for due_kind, due_on, since, until in [
                *_expiring(story),
                *_checks(story),
                *_services(story),
                *_returns(story, self.last_day),
            ]:
                yield from self._expected(device_id, due_kind, due_on, since, until)

    def _expected(
        self, device_id: int, due_kind: DueKind, due_on: date, since: date | None, until: date | None
    ) -> Iterator[ExpectedReminder]:
        """Yield one reminder per threshold passed on the mornings after `since`, up to that of `until`."""
        before = _BEFORE[due_kind]
        first = self.first_day if since is None else max(since + DAY, self.first_day)
        last = self.last_day if until is None else min(until, self.last_day)
        morning = max(first, due_on - timedelta(days=before[0]))
        thresholds_passed: set[int] = set()
        while morning <= last:
            left = (due_on - morning).days
            passed = (
                min((days for days in before if days >= left), default=0) if left >= 0 else left // -7 * -7
            )
            if passed not in thresholds_passed:
                thresholds_passed.add(passed)
                yield device_id, due_kind, due_on, passed, morning
            morning += DAY


_BEFORE = {
    DueKind.PADS: (90, 60, 30, 7, 0),
    DueKind.CHILD_PADS: (90, 60, 30, 7, 0),
    DueKind.BATTERY: (90, 60, 30, 7, 0),
    DueKind.SERVICE: (30, 7, 0),
    DueKind.CHECK: (7, 0),
    DueKind.RETURN: (0,),
}
type Episode = tuple[DueKind, date, date | None, date | None]
"""(kind of task, due date, known since the afternoon of, known until the afternoon of)."""


def _expiring(story: Story) -> Iterator[Episode]:
    for kind, all_fitted in story.fitted.items():
        for each in all_fitted:
            yield DueKind(kind.value), each.expires_on, each.since, each.until


def _checks(story: Story) -> Iterator[Episode]:
    """Yield check episodes: a check counts from its own day, and is known from the day it arrives."""
    known: list[tuple[date, date]] = []
    for day, arrived in sorted(story.checks, key=lambda check: check[1]):
        if not known or day > known[-1][0]:
            known.append((day, arrived))
    for number, (day, arrived) in enumerate(known):
        until = known[number + 1][1] if number + 1 < len(known) else None
        yield DueKind.CHECK, day + timedelta(days=CHECK_DAYS), arrived, until


def _services(story: Story) -> Iterator[Episode]:
    days: list[date | None] = [None, *sorted(story.services)]
    for number, day in enumerate(days):
        until = days[number + 1] if number + 1 < len(days) else None
        yield DueKind.SERVICE, _a_year_after(day or story.registered), day, until


def _a_year_after(day: date) -> date:
    return date(day.year + 1, day.month, min(day.day, monthrange(day.year + 1, day.month)[1]))


def _returns(story: Story, last_day: date) -> Iterator[Episode]:
    """Yield return episodes, each counted from the first reason still in force.

    When that reason ends and others remain, the next one counts.
    """
    if not story.out:
        return
    morning = min(each.since for each in story.out) + DAY
    since: date | None = None
    begun = morning
    while morning <= last_day + DAY:
        out_since = [
            each.since
            for each in story.out
            if each.since < morning and (each.until is None or morning <= each.until)
        ]
        now = min(out_since, default=None) if morning <= last_day else None
        if now != since:
            if since is not None:
                yield DueKind.RETURN, since, begun - DAY, morning - DAY
            since, begun = now, morning
        morning += DAY
