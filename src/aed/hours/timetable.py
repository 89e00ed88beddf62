"""Determine which rules of an expression apply on a day, and the hours of that day (see `evaluation`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from opening_hours import (  # type: ignore[attr-defined]  # ParserError is missing from the package's stub
    OpeningHours,
    ParserError,
    State,
)

from aed.errors import InvalidInput
from aed.hours.grammar import Holiday, Rule, parsed, runs_past_midnight, text_of
from aed.hours.holiday_calendar import HolidayDates, special


class Opening(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HoursAt:
    """The state at a moment. `until` is when it changes next; None if not within about a year."""

    state: Opening
    until: datetime | None
    comment: str | None = None


HORIZON_DAYS: Final = 400
TRIED_DAYS: Final = 366
"""Number of days on which an expression with dates is evaluated before it is accepted."""
MAX_LOGGED: Final = 1_000
MAX_HOLIDAYS: Final = 4
MAX_READINGS: Final = 36
"""Maximum readings of a day with the day before. With more holidays or readings the day is unknown."""
MAX_CACHED_DAYS: Final = 500
WORKING_WEEK: Final = range(5)


class StateSpan(NamedTuple):
    """A state that lasts from `minute` of the day until the next span of that day."""

    minute: int
    state: Opening
    comment: str | None


type _Reading = tuple[bool, ...]

# The library evaluates placeholder dates: one for the day before, one for the day, one for any other day.
_DAY_BEFORE: Final = datetime(2001, 1, 1)  # noqa: DTZ001 - local time without a zone
_THE_DAY: Final = datetime(2001, 1, 2)  # noqa: DTZ001 - the same
_STANDS_FOR: Final = {
    (False, False): "1999 Jan 01",
    (True, False): f"{_DAY_BEFORE:%Y %b %d}",
    (False, True): f"{_THE_DAY:%Y %b %d}",
    (True, True): f"{_DAY_BEFORE:%Y %b %d}-{_THE_DAY:%d}",
}
_STATES: Final = {State.OPEN: Opening.OPEN, State.CLOSED: Opening.CLOSED, State.UNKNOWN: Opening.UNKNOWN}
_CLOSED_ALL_DAY: Final = (StateSpan(0, Opening.CLOSED, None),)
_UNKNOWN_ALL_DAY: Final = (StateSpan(0, Opening.UNKNOWN, None),)


class Timetable:
    """A parsed expression that evaluates single days, with a cache of evaluated days."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        """Prepare the rules; raise NotEvaluable for date selectors that the library cannot parse alone."""
        self._rules = rules
        self._text = text_of(rules)
        with _evaluation_errors():
            self._selectors = tuple(
                OpeningHours(f"{rule.selector} 00:00-24:00") if rule.selector else None for rule in rules
            )
        days = [rule.days for rule in rules if rule.days is not None]
        self._holidays = frozenset(holiday for each in days for holiday in each.holidays)
        self._mentions_public_holidays = any(holiday.kind == "PH" for holiday in self._holidays)
        self._names_weekdays = bool(days)
        self._repeats_weekly = not (
            any(self._selectors)
            or self._holidays
            or any(weekdays.nth for each in days for weekdays in each.weekdays)
        )
        self._runs_past_midnight = any(
            runs_past_midnight(span) for rule in rules for span in f"{rule.certain},{rule.vague}".split(",")
        )
        self._no_rule: _Reading = (False,) * len(rules)
        self._worked_out: dict[
            tuple[frozenset[_Reading | None], frozenset[_Reading | None]], tuple[StateSpan, ...]
        ]
        self._worked_out = {}
        self._read: dict[tuple[_Reading, _Reading], tuple[StateSpan, ...]] = {}

    def days_until_it_repeats(self, calendar: HolidayDates | None) -> int:
        """Return the number of days after which the hours are certain to repeat."""
        weekly = self._repeats_weekly and (calendar is None or not self._names_weekdays)
        return 9 if weekly else HORIZON_DAYS

    def day(self, day: date, calendar: HolidayDates | None) -> tuple[StateSpan, ...]:
        """Return the spans of `day`, starting at midnight.

        Times at which readings differ are unknown; so is the whole day if the library fails on it.
        """
        try:
            return self._day(day, calendar)
        except NotEvaluable as error:
            _log_once(self._text, error)
            return _UNKNOWN_ALL_DAY

    def require_evaluable(self) -> None:
        """Raise NotEvaluable unless every day of a leap year can be evaluated."""
        first = date(2028, 1, 1)
        for n in range(TRIED_DAYS if any(self._selectors) else 9):
            self._day(first + timedelta(days=n), None)

    def _day(self, day: date, calendar: HolidayDates | None) -> tuple[StateSpan, ...]:
        if len(self._holidays) > MAX_HOLIDAYS:
            return _UNKNOWN_ALL_DAY
        readings = self._readings(day, calendar)
        before: frozenset[_Reading | None] = frozenset((self._no_rule,))
        if self._runs_past_midnight:
            before = self._readings(day - timedelta(days=1), calendar)
        if len(before) * len(readings) > MAX_READINGS:
            return _UNKNOWN_ALL_DAY
        spans = self._worked_out.get((before, readings))
        if spans is None:
            if len(self._worked_out) >= MAX_CACHED_DAYS:
                self._worked_out.clear()
            spans = _common_states([self._spans(earlier, now) for earlier in before for now in readings])
            self._worked_out[before, readings] = spans
        return spans

    def _readings(self, day: date, calendar: HolidayDates | None) -> frozenset[_Reading | None]:
        """Return all readings of `day` (see `evaluation`); None means closed regardless of the rules."""
        with _evaluation_errors():
            selected = tuple(
                selector is None or selector.is_open(datetime.combine(day, time(12)))
                for selector in self._selectors
            )
        kind = special(day, calendar)
        weekday = day.weekday()
        weekdays = {weekday}
        if kind.workday:
            weekdays = {*WORKING_WEEK} if self._mentions_public_holidays else {weekday, *WORKING_WEEK}
        may_be_worked = kind.workday is None and (self._mentions_public_holidays or kind.foreseen)
        may_be_off = kind.holiday is not False and kind.foreseen and not self._mentions_public_holidays
        readings: set[_Reading | None] = set()
        for holidays in self._holidays_on(day, calendar):
            made_up = may_be_worked and Holiday("PH", 0) not in holidays
            for as_weekday in {weekday, *WORKING_WEEK} if made_up else weekdays:
                readings.add(self._reading(day, as_weekday, holidays, selected))
            if may_be_off and self._distinguishes_weekdays(day, holidays, selected):
                readings.add(None)
        return frozenset(readings)

    def _reading(
        self, day: date, weekday: int, holidays: frozenset[Holiday], selected: tuple[bool, ...]
    ) -> _Reading:
        return tuple(
            chosen and (rule.days is None or rule.days.matches(day, weekday, holidays))
            for rule, chosen in zip(self._rules, selected, strict=True)
        )

    def _holidays_on(self, day: date, calendar: HolidayDates | None) -> Iterator[frozenset[Holiday]]:
        """Yield each possible set of the expression's holiday selectors that match `day`."""
        certain: set[Holiday] = set()
        uncertain: list[Holiday] = []
        for holiday in self._holidays:
            is_one = special(day - timedelta(days=holiday.days_after), calendar).holiday
            if holiday.kind != "PH" or is_one is None:
                uncertain.append(holiday)
            elif is_one:
                certain.add(holiday)
        for chosen in product((False, True), repeat=len(uncertain)):
            yield frozenset(certain.union(h for h, is_one in zip(uncertain, chosen, strict=True) if is_one))

    def _distinguishes_weekdays(
        self, day: date, holidays: frozenset[Holiday], selected: tuple[bool, ...]
    ) -> bool:
        """Return whether the hours of `day` depend on its day of the week."""
        if not self._names_weekdays:
            return False
        as_each = {self._reading(day, weekday, holidays, selected) for weekday in range(7)}
        as_eve = {self._spans(reading, self._no_rule) for reading in as_each}
        return len({self._spans(self._no_rule, reading) for reading in as_each}) > 1 or len(as_eve) > 1

    def _spans(self, before: _Reading | None, reading: _Reading | None) -> tuple[StateSpan, ...]:
        """Return the spans of a day with the rules of `reading`, after a day with the rules of `before`.

        1. Evaluate the day with the library.
        2. A night that continues from the day before may not have begun (if the evening was not open at its
           end), or may continue although a rule of this day replaces it. Where that matters, it is unknown.
        """
        if reading is None:
            return _CLOSED_ALL_DAY
        before = before or self._no_rule
        spans = self._read.get((before, reading))
        if spans is None:
            if len(self._read) >= MAX_CACHED_DAYS:
                self._read.clear()
            spans = self._asked(before, reading)
            night = self._asked(before, self._no_rule) if self._runs_past_midnight else _CLOSED_ALL_DAY
            if night != _CLOSED_ALL_DAY:
                evening = self._asked(self._no_rule, before)[-1]
                cut_at_midnight = evening.state is not night[0].state
                without = self._asked(self._no_rule, reading) if cut_at_midnight else spans
                spans = _common_states([spans, without, _first_not_closed([spans, night])])
            self._read[before, reading] = spans
        return spans

    def _asked(self, before: _Reading, reading: _Reading) -> tuple[StateSpan, ...]:
        alternatives: list[str] = [""]
        for rule, held, holds in zip(self._rules, before, reading, strict=True):
            text = rule.on(_STANDS_FOR[held, holds])
            if rule.separator == "||":
                alternatives.append(text)
            elif alternatives[-1]:
                alternatives[-1] += f"{rule.separator_of_day} {text}"
            else:
                alternatives[-1] = text
        return _first_not_closed([_day_of(text) for text in alternatives])


def _day_of(text: str) -> tuple[StateSpan, ...]:
    """Return the spans of `_THE_DAY` as evaluated by the library."""
    spans: list[StateSpan] = []
    with _evaluation_errors():
        for start, _, state, comment in OpeningHours(text).intervals(_THE_DAY, _THE_DAY + timedelta(days=1)):
            spans.append(
                StateSpan(int((start - _THE_DAY).total_seconds()) // 60, _STATES[state], comment or None)
            )
    return _merged_spans(spans)


def _first_not_closed(alternatives: list[tuple[StateSpan, ...]]) -> tuple[StateSpan, ...]:
    def chosen(minute: int, spans: list[StateSpan]) -> StateSpan:
        span = next((span for span in spans if span.state is not Opening.CLOSED), spans[-1])
        return span._replace(minute=minute)

    return _merged_spans([chosen(minute, spans) for minute, spans in _aligned_spans(alternatives)])


def _common_states(readings: list[tuple[StateSpan, ...]]) -> tuple[StateSpan, ...]:
    def common(minute: int, spans: list[StateSpan]) -> StateSpan:
        states = {span.state for span in spans}
        comments = {span.comment for span in spans}
        return StateSpan(
            minute,
            states.pop() if len(states) == 1 else Opening.UNKNOWN,
            comments.pop() if len(comments) == 1 else None,
        )

    if len(readings) == 1:
        return readings[0]
    return _merged_spans([common(minute, spans) for minute, spans in _aligned_spans(readings)])


def _aligned_spans(days: list[tuple[StateSpan, ...]]) -> Iterator[tuple[int, list[StateSpan]]]:
    """Yield each minute at which any of the days changes, with the spans in force at that minute."""
    for minute in sorted({span.minute for spans in days for span in spans}):
        yield minute, [max(span for span in spans if span.minute <= minute) for spans in days]


def _merged_spans(spans: list[StateSpan]) -> tuple[StateSpan, ...]:
    kept: list[StateSpan] = []
    for span in spans:
        if not kept or span[1:] != kept[-1][1:]:
            kept.append(span)
    return tuple(kept)


@lru_cache(maxsize=5_000)
def timetable_of(expression: str) -> Timetable | None:
    """Return the timetable of an expression; None if it is invalid or cannot be evaluated."""
    try:
        return Timetable(parsed(expression))
    except InvalidInput:
        return None
    except NotEvaluable as error:
        _log_once(expression, error)
        return None


# --- Failures of the library ----------------------------------------------------------------------


class NotEvaluable(Exception):
    """The library cannot evaluate an expression that it was able to parse."""


@contextmanager
def _evaluation_errors() -> Iterator[None]:
    """Raise NotEvaluable if the library refuses an expression or panics.

    A panic of its Rust code is a `PanicException`, which does not inherit from `Exception` and cannot be
    imported, so it is recognised by name. All other exceptions propagate.
    """
    try:
        yield
    except ParserError as error:
        raise NotEvaluable(str(error)) from error
    except BaseException as error:
        if (type(error).__module__, type(error).__name__) != ("pyo3_runtime", "PanicException"):
            raise
        raise NotEvaluable(str(error)) from error


_logged: set[str] = set()


def _log_once(expression: str, error: NotEvaluable) -> None:
    if expression in _logged:
        return
    if len(_logged) >= MAX_LOGGED:
        _logged.clear()
    _logged.add(expression)
    import structlog  # late: rare, and 0.1 s of every command

    log = structlog.get_logger("aed")
    log.error("opening hours cannot be evaluated", expression=expression, error=str(error).splitlines()[0])
