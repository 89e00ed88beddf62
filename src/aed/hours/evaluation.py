"""Evaluate opening hours with three values: open, closed or unknown at a moment, and until when.

Expressions are OSM `opening_hours`. The library of that name implements the grammar, selectors of months,
dates and weeks, and how the rules of a day and of the day before combine. This module decides which rules
apply on a day, since that depends on holidays: the library does not support make-up workdays, has wrong
holidays for China, and accepts no calendar from the caller.

A *reading* of a day says, for each rule, whether it applies. A day may have several readings (a year without
a calendar, school holidays, an office whose hours do not mention holidays). Times at which all readings agree
are open or closed; all others are unknown.

Where the library's answer has no basis in the expression, this module differs from it:
- sunrise and sunset without coordinates, open ends (`10:00+`), repetitions and bare comments are unknown;
- a night that another rule cuts off at midnight (`22:00-06:00; Su off`, on both sides) is unknown;
- `||` fills in at every moment at which the rules before it are closed, not only on days that have none;
- `PH Mo-Fr` means holidays that fall on those weekdays, not holidays and those weekdays;
- dates that do not exist (which the library treats as every day), empty spans and blank text are refused.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aed.hours.grammar import MAX_EXPRESSION_LENGTH, parsed, refusal, text_of
from aed.hours.holiday_calendar import HolidayDates, china_calendar
from aed.hours.timetable import HoursAt, NotEvaluable, Opening, StateSpan, Timetable, timetable_of

__all__ = [
    "HolidayDates",
    "HoursAt",
    "Opening",
    "china_calendar",
    "hours_at",
    "hours_on",
    "is_open_at",
    "parse_hours",
]

MAX_REUSE_DAYS: Final = 30
"""Days for which a cached answer without a change within the horizon is reused."""
MAX_CACHED: Final = 50_000
FIRST_YEAR: Final = 1902
LAST_YEAR: Final = 9990
"""The years in which days can be evaluated; the library supports 1900 to 9999."""


@lru_cache(maxsize=MAX_CACHED)
def parse_hours(text: str) -> str:
    """Return the expression in its canonical form; raise InvalidInput that says how to correct it.

    Corrects what has only one meaning: spaces (`Mo - Fr`), full-width characters, dashes, capitals, `7:00`,
    and spaces after the commas of a list of days or times. Parsing the result again returns it unchanged.
    """
    rules = parsed(text)
    try:
        Timetable(rules).require_evaluable()
    except NotEvaluable as error:
        raise refusal(text, "cannot be evaluated; write the dates in another way") from error
    return text_of(rules)


def hours_at(
    expression: str | None, at: datetime, *, time_zone: str, calendar: HolidayDates | None = None
) -> HoursAt:
    """Return whether it is open, closed or unknown at `at` in `time_zone`, and when that changes.

    Unknown with no end if the expression is missing or invalid, or the time zone does not exist. `until` is
    exact: the state is the same at every moment before it, and different at it. Raises ValueError if `at` is
    naive.

    The readings of a day (`holiday_calendar.special` says which days are, or may be, special):
    1. With `PH` in the expression: a holiday is read as `PH`; a make-up workday as each of Mo to Fr; a day
       that may be either is read as that and as an ordinary day.
    2. Without `PH`, if the weekday makes a difference: a day that is or may be a holiday is read as its
       weekday and as closed; one that is or may be a make-up workday as its weekday and as each of Mo to Fr.
    3. Otherwise a day is read as its weekday. Without `PH` this also applies to every day if no calendar is
       given or the festivals of its country are unknown.
    `SH` doubles the readings, since school holidays are unknown.
    """
    key = (expression, time_zone, calendar)
    recent = _recent.get(key)
    if recent is not None and recent.start <= at < recent.end:
        return recent.answer
    if at.utcoffset() is None:
        raise ValueError("`at` must have a time zone")
    if expression is None or len(expression) > MAX_EXPRESSION_LENGTH:
        return _UNKNOWN
    recent = _stretch(expression, at, time_zone, calendar)
    if len(_recent) >= MAX_CACHED:
        _recent.clear()
    _recent[key] = recent
    return recent.answer


def is_open_at(
    expression: str | None, at: datetime, time_zone: str, calendar: HolidayDates | None = None
) -> bool:
    """Return True if it is certainly open at `at`: neither closed nor unknown."""
    return hours_at(expression, at, time_zone=time_zone, calendar=calendar).state is Opening.OPEN


def hours_on(
    expression: str | None, day: date, *, calendar: HolidayDates | None = None
) -> tuple[StateSpan, ...]:
    """Return the states of a local day in order, starting at minute 0; each lasts until the next.

    Unknown all day if the expression is missing or invalid. The readings of a day are those of `hours_at`.
    """
    timetable = None
    if expression is not None and len(expression) <= MAX_EXPRESSION_LENGTH:
        timetable = timetable_of(expression)
    if timetable is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        return (StateSpan(0, Opening.UNKNOWN, None),)
    return timetable.day(day, calendar)


class _Stretch(NamedTuple):
    """A cached answer that is valid from `start` (inclusive) to `end` (exclusive)."""

    start: datetime
    end: datetime
    answer: HoursAt


_UNKNOWN: Final = HoursAt(Opening.UNKNOWN, None)
_ALWAYS_UNKNOWN: Final = _Stretch(
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), _UNKNOWN
)
_recent: dict[tuple[str | None, str, HolidayDates | None], _Stretch] = {}


def _stretch(expression: str, at: datetime, time_zone: str, calendar: HolidayDates | None) -> _Stretch:
    timetable = timetable_of(expression)
    zone = _zone(time_zone)
    if timetable is None or zone is None:
        return _ALWAYS_UNKNOWN
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        return _Stretch(at, at, _UNKNOWN)
    here = at.astimezone(zone).date()
    now: _Moment | None = None
    comment_ends: datetime | None = None
    for day in _days(here, timetable.days_until_it_repeats(calendar)):
        spans = timetable.day(day, calendar)
        if now is not None and len(spans) == 1 and spans[0][1:] == now[1:]:
            continue
        for moment in _moments(day, spans, zone):
            if now is None or moment.at <= at:
                now = moment
            elif moment.state is not now.state:
                end = comment_ends or moment.at
                return _Stretch(now.at, end, HoursAt(now.state, moment.at, now.comment))
            elif comment_ends is None and moment.comment != now.comment:
                comment_ends = moment.at
    assert now is not None
    reusable_until = at.astimezone(UTC) + timedelta(days=MAX_REUSE_DAYS)
    end = min(comment_ends or reusable_until, reusable_until)
    return _Stretch(now.at, end, HoursAt(now.state, None, now.comment))


def _days(first: date, count: int) -> Iterator[date]:
    days = (first + timedelta(days=n) for n in range(count))
    return takewhile(lambda day: day.year <= LAST_YEAR or day == first, days)


# --- From local times to moments ------------------------------------------------------------------


class _Moment(NamedTuple):
    at: datetime
    state: Opening
    comment: str | None


def _moments(day: date, spans: tuple[StateSpan, ...], zone: ZoneInfo) -> list[_Moment]:
    """Return the moments (UTC) at which the state changes on `day` in `zone`, starting with midnight.

    Hours are local time. An hour that is repeated when clocks go back has the same states twice; one that is
    skipped when they go forward has none.
    """
    midnight = datetime.combine(day, time(), zone)
    starts, ends = midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
    if ends - starts == timedelta(days=1):
        return [_Moment(starts + timedelta(minutes=span.minute), span.state, span.comment) for span in spans]
    breaks = {starts, _clock_change(starts, ends, zone)}
    for span in spans:
        on_the_wall = midnight + timedelta(minutes=span.minute)
        breaks |= {on_the_wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    minutes = [span.minute for span in spans]
    moments: list[_Moment] = []
    for at in sorted(moment for moment in breaks if starts <= moment < ends):
        shown = at.astimezone(zone)
        span = spans[bisect_right(minutes, shown.hour * 60 + shown.minute) - 1]
        moments.append(_Moment(at, span.state, span.comment))
    return moments


def _clock_change(starts: datetime, ends: datetime, zone: ZoneInfo) -> datetime:
    """Find the second at which the UTC offset of `zone` changes between two moments, by bisection."""
    before = starts.astimezone(zone).utcoffset()
    low, high = 0, int((ends - starts).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (starts + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return starts + timedelta(seconds=high)


@lru_cache(maxsize=1_000)
def _zone(time_zone: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
