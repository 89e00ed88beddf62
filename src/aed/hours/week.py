"""A week's hours as they are assembled from statements, and their conversion to an expression.

Each day is open, unknown or closed at every minute. Combining two statements about a day never opens a time
that one of them closes: see `agreed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from aed.errors import InvalidInput
from aed.hours.evaluation import parse_hours

DAY_MINUTES: Final = 24 * 60
HOLIDAY: Final = 7
"""The weekday number of public holidays; weekdays are 0 (Monday) to 6."""
EARLIEST_CREDIBLE_EVENING: Final = 16 * 60
LATEST_CREDIBLE_NIGHT: Final = 4 * 60
"""Hours over midnight must start after the first or end before the second; otherwise they are rejected as a
typing error."""
MAX_COMMENT_LENGTH: Final = 60

_NAMES: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Day(NamedTuple):
    """A weekday, the nth weekday of a month, a public holiday, or the day before or after one."""

    weekday: int
    nth: int = 0
    days_after: int = 0


WEEKDAYS: Final = tuple(Day(n) for n in range(7))
WORKING_WEEK: Final = frozenset(WEEKDAYS[:5])
WEEKEND: Final = frozenset(WEEKDAYS[5:])
EVERY_DAY: Final = frozenset(WEEKDAYS)
PUBLIC_HOLIDAY: Final = Day(HOLIDAY)


class MinuteSpan(NamedTuple):
    """A span in minutes from midnight; values above 1,440 are in the following night."""

    start: int
    end: int
    certain: bool = True
    """True if open; false if unknown."""


type Spans = tuple[MinuteSpan, ...]
WHOLE_DAY: Final[Spans] = (MinuteSpan(0, DAY_MINUTES),)
NOT_KNOWN: Final[Spans] = (MinuteSpan(0, DAY_MINUTES, certain=False),)


class Dates(NamedTuple):
    """An annual range of dates, both ends included, which may extend over New Year."""

    month: int
    day: int
    to_month: int
    to_day: int

    @property
    def text(self) -> str:
        first = f"{_MONTHS[self.month - 1]} {self.day:02}"
        if (self.month, self.day) == (self.to_month, self.to_day):
            return first
        if self.month == self.to_month:
            return f"{first}-{self.to_day:02}"
        return f"{first}-{_MONTHS[self.to_month - 1]} {self.to_day:02}"


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """The hours of a week. Missing weekdays are closed; missing holidays were not mentioned.

    Hours on the `doubtful` dates are unknown; `doubts` are the words that explain why.
    """

    hours: Mapping[Day, Spans]
    closed: tuple[Dates, ...] = ()
    doubtful: tuple[Dates, ...] = ()
    doubts: tuple[str, ...] = ()


def span_of(start: int, end: int) -> MinuteSpan | None:
    """Return the span from one time of day to another, over midnight if the second is earlier.

    Returns None if it is ambiguous: two equal times may be an empty span or a whole day, and "08:00-05:00" is
    more likely a working day on a 12-hour clock than 21 hours.
    """
    if start == 0 and end >= DAY_MINUTES - 1:
        return MinuteSpan(0, DAY_MINUTES)
    if not 0 <= start < DAY_MINUTES or not 0 <= end <= 2 * DAY_MINUTES or start == end:
        return None
    if end > start:
        return MinuteSpan(start, end) if end - start <= DAY_MINUTES else None
    if start < EARLIEST_CREDIBLE_EVENING and end > LATEST_CREDIBLE_NIGHT:
        return None
    return MinuteSpan(start, end + DAY_MINUTES)


def in_order(spans: Iterable[MinuteSpan]) -> Spans | None:
    """Return the spans of a day in order; None if they overlap."""
    ordered = tuple(sorted(spans))
    if any(before.end > after.start for before, after in pairwise(ordered)):
        return None
    if ordered and ordered[-1].end - ordered[0].start > DAY_MINUTES:
        return None
    return ordered


def is_within(narrow: Spans, wide: Spans) -> bool:
    """Return whether each span of `narrow` is inside a certain span of `wide`."""
    return all(
        any(outer.certain and outer.start <= span.start and span.end <= outer.end for outer in wide)
        for span in narrow
    )


def agreed(one: Spans, other: Spans) -> Spans:
    """Return spans that are open where both are, closed where both are, and unknown elsewhere."""
    return _by_the_minute(one, other, lambda mine, theirs: mine if mine == theirs else False)


def without(spans: Spans, cut: Spans) -> Spans:
    """Return `spans` with the times of `cut` removed."""
    return _by_the_minute(spans, cut, lambda mine, theirs: None if theirs is not None else mine)


def uncertain(spans: Spans) -> Spans:
    """Return spans with the same extent, all of it unknown."""
    return _by_the_minute(spans, (), lambda mine, _: None if mine is None else False)


type _Decide = Callable[[bool | None, bool | None], bool | None]


def _by_the_minute(one: Spans, other: Spans, decide: _Decide) -> Spans:
    edges = sorted({edge for span in (*one, *other) for edge in (span.start, span.end)})
    found: list[MinuteSpan] = []
    for start, end in pairwise(edges):
        certain = decide(_state_at(one, start), _state_at(other, start))
        if certain is None:
            continue
        if found and found[-1].end == start and found[-1].certain == certain:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(MinuteSpan(start, end, certain))
    return tuple(found)


def _state_at(spans: Spans, minute: int) -> bool | None:
    return next((span.certain for span in spans if span.start <= minute < span.end), None)


# --- Conversion to an expression ------------------------------------------------------------------


def expression_of(week: WeeklyHours) -> str | None:
    """Return the week as an `opening_hours` expression that the registry accepts; None if nothing is known.

    Since a later rule replaces earlier ones on the days that it matches, rules are written in this order:
    weekdays, nth weekdays, doubtful dates, closed nth weekdays, holidays, closed dates.
    """
    weekdays = _groups(week, lambda day: day.weekday != HOLIDAY and not day.nth)
    nth = _groups(week, lambda day: day.weekday != HOLIDAY and bool(day.nth))
    holidays = _groups(week, lambda day: day.weekday == HOLIDAY)
    positive = [group for group in (*weekdays, *nth, *holidays) if group[1]]
    if not positive or (weekdays == [("Mo-Su", NOT_KNOWN)] and len(positive) == 1):
        return None
    comment = _comment(week.doubts)
    rules = [
        *(_rule(days, spans, comment) for days, spans in (*weekdays, *nth) if spans),
        *_uncertain_rules(week, [*weekdays, *nth], comment),
        *(f"{days} off" for days, spans in nth if not spans),
        *(_rule(days, spans, comment) for days, spans in holidays),
        *_uncertain_rules(week, holidays, comment),
        *(f"{dates.text} off" for dates in week.closed),
    ]
    text = "24/7" if rules == ["Mo-Su 00:00-24:00"] else "; ".join(rules)
    try:
        return parse_hours(text)
    except InvalidInput:  # a date that does not exist, or too many rules
        return None


type _Group = tuple[str, Spans]


def _groups(week: WeeklyHours, belongs: Callable[[Day], bool]) -> list[_Group]:
    """Group days with equal hours, ordered by the first day of each group."""
    days_of: dict[Spans, list[Day]] = {}
    for day in sorted(day for day in week.hours if belongs(day)):
        if week.hours[day] or day.nth or day.weekday == HOLIDAY:
            days_of.setdefault(week.hours[day], []).append(day)
    return [(days_text(days), spans) for spans, days in days_of.items()]


def days_text(days: list[Day]) -> str:
    texts: list[str] = []
    plain = [day.weekday for day in days if day.weekday != HOLIDAY and not day.nth]
    for _, run in groupby(enumerate(plain), lambda each: each[1] - each[0]):
        numbers = [number for _, number in run]
        first, last = _NAMES[numbers[0]], _NAMES[numbers[-1]]
        texts.append(first if first == last else f"{first}-{last}")
    for weekday, nths in groupby((day for day in days if day.nth), lambda day: day.weekday):
        texts.append(f"{_NAMES[weekday]}[{','.join(str(day.nth) for day in nths)}]")
    for day in days:
        if day.weekday == HOLIDAY:
            texts.append(f"PH {day.days_after:+} day" if day.days_after else "PH")
    return ",".join(texts)


def _rule(days: str, spans: Spans, comment: str, dates: str = "") -> str:
    if not spans:
        return f"{days} off"
    on = f"{dates} {days}".strip()
    certain = ",".join(_time_text(span) for span in spans if span.certain)
    vague = ",".join(_time_text(span) for span in spans if not span.certain)
    rules = [f"{on} {certain}"] if certain else []
    if vague:
        rules.append(f"{on} {vague} unknown{comment}")
    return ", ".join(rules)


def _uncertain_rules(week: WeeklyHours, groups: list[_Group], comment: str) -> list[str]:
    return [
        _rule(days, uncertain(spans), comment, dates.text)
        for dates in dict.fromkeys(week.doubtful)
        for days, spans in groups
        if any(span.certain for span in spans)
    ]


def _time_text(span: MinuteSpan) -> str:
    end = span.end - DAY_MINUTES if span.end > DAY_MINUTES else span.end
    return f"{span.start // 60:02}:{span.start % 60:02}-{end // 60:02}:{end % 60:02}"


def _comment(doubts: tuple[str, ...]) -> str:
    words = "; ".join(dict.fromkeys(doubts))
    words = " ".join("".join(each if each.isprintable() else " " for each in words).split())
    for quote in '"“”„＂':
        words = words.replace(quote, "")
    return f' "{words[:MAX_COMMENT_LENGTH].strip()}"' if words else ""
