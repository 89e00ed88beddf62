"""Three-valued opening hours: open, closed or unknown at a moment, and until when.

Expressions are OSM `opening_hours`. The library of that name owns the grammar, which dates a month, date or
week selector means, and how the rules that hold on a day and on its eve make up that day. This module decides
which rules hold on a day, because that is where holidays come in: the library knows no make-up workdays, has
wrong holidays for China, and takes none from outside.

The unit of work is a *reading* of a day: one bool per rule, does it hold? A day with one reading has one
answer. A day that may be read in several ways (a year without a calendar, school holidays, an office on a
holiday that it does not mention) is open or closed only where its readings agree, and unknown elsewhere.

Where the library would answer without ground, this module does not follow it:
- sunrise and sunset without coordinates, open ends (`10:00+`), repetitions and bare comments are unknown;
- a night that another rule cuts off at midnight (`22:00-06:00; Su off`: both its edges) is unknown;
- `||` fills in at every moment at which the rules before it are closed, not only on days that have none;
- `PH Mo-Fr` is the holidays on those weekdays, not any of both;
- dates that do not exist (to the library, every day), spans of no length and blank text are refused.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import product, takewhile
from typing import Final, NamedTuple, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import chinese_calendar  # type: ignore[import-untyped]  # the package ships no annotations
from opening_hours import (  # type: ignore[attr-defined]  # ParserError is missing from the package's stub
    OpeningHours,
    ParserError,
    State,
)

from aed.errors import InvalidInput

LONGEST_EXPRESSION: Final = 1_000
HORIZON_DAYS: Final = 400
REUSE_OF_UNCHANGING_DAYS: Final = 30
"""How long "does not change within the horizon" is given again before it is looked at anew."""

MOST_RULES: Final = 50
MOST_HOLIDAYS: Final = 4
MOST_READINGS: Final = 36
"""Of a day with its eve. An expression that has more of any of these is not worked out: it is unknown."""

FURTHEST_OFFSET_DAYS: Final = 366
MOST_REMEMBERED: Final = 50_000
MOST_DAYS_REMEMBERED: Final = 500

FIRST_YEAR: Final = 1902
LAST_YEAR: Final = 9990
"""The years in which any day may be asked for; the library knows 1900 to 9999."""

MINUTES_A_DAY: Final = 24 * 60
WORKING_WEEK: Final = range(5)


class Opening(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HoursAt:
    """What holds at a moment. `until` is when `state` changes next, None if not within about a year."""

    state: Opening
    until: datetime | None
    comment: str | None = None


@dataclass(frozen=True)
class HolidayCalendar:
    """The public holidays of a country in the years that it holds completely.

    Equal by content; the hash is computed once, since a calendar is part of a key looked up for every device.
    """

    name: str
    years: frozenset[int]
    holidays: frozenset[date]
    workdays: frozenset[date]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.name, self.years, self.holidays, self.workdays)))

    def __hash__(self) -> int:
        return self._hash


def china_calendar(years: Iterable[int] = (2024, 2025, 2026)) -> HolidayCalendar:
    """Mainland China's statutory holiday periods and make-up workdays, as the State Council arranged them.

    Holidays are whole periods, with the weekend days inside them. Raises InvalidInput for a year that is not
    known, so that no year without holidays is taken for one that has none.
    """
    wanted = frozenset(years)
    known: set[int] = {day.year for day in chinese_calendar.holidays}
    if missing := sorted(wanted - known):
        raise InvalidInput(
            f"China's holidays of {', '.join(map(str, missing))} are not known here; "
            f"the known years are {min(known)} to {max(known)}.",
            field="years",
        )
    return HolidayCalendar(
        name="CN",
        years=wanted,
        holidays=frozenset(day for day in chinese_calendar.holidays if day.year in wanted),
        workdays=frozenset(day for day in chinese_calendar.workdays if day.year in wanted),
    )


def parse_hours(text: str) -> str:
    """The expression as it is to be stored, or InvalidInput that says what is wrong and what would be right.

    Corrects what can be meant in one way only: spaces (`Mo - Fr`), full-width characters, dashes, capitals,
    `7:00`, a list of days or times with spaces after its commas. The result parses to itself.
    """
    return _text_of(_parsed(text))


def hours_at(
    expression: str | None, at: datetime, *, time_zone: str, calendar: HolidayCalendar | None = None
) -> HoursAt:
    """Open, closed or unknown at `at` on the clocks of `time_zone`, and when that changes.

    Unknown without an end for no expression, one that does not parse, or a time zone that does not exist.
    `until` is exact: the same state at every moment before it, another at it.

    Which readings a day has:
    1. `PH` in the expression, the year in the calendar: a holiday as `PH`; a make-up workday as each of Mo
       to Fr.
    2. `PH`, the year not in the calendar: as an ordinary day, and as a holiday; where a calendar is given, a
       Saturday or Sunday also as each of Mo to Fr.
    3. No `PH`, the year in the calendar, and the weekday makes a difference: a holiday as it stands, and as
       closed; a make-up workday as it stands, and as each of Mo to Fr.
    4. Otherwise as it stands.
    `SH` (school holidays) doubles the readings: nobody knows them here.
    """
    key = (expression, time_zone, calendar)
    recent = _recent.get(key)
    if recent is not None and recent.start <= at < recent.end:
        return recent.answer
    if at.utcoffset() is None:
        raise ValueError("`at` must be aware")
    if expression is None or len(expression) > LONGEST_EXPRESSION:
        return _UNKNOWN
    recent = _stretch(expression, at, time_zone, calendar)
    if len(_recent) >= MOST_REMEMBERED:
        _recent.clear()
    _recent[key] = recent
    return recent.answer


class _Stretch(NamedTuple):
    """The answer for every moment from `start` and before `end`."""

    start: datetime
    end: datetime
    answer: HoursAt


_UNKNOWN: Final = HoursAt(Opening.UNKNOWN, None)
_ALWAYS_UNKNOWN: Final = _Stretch(
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), _UNKNOWN
)
_recent: dict[tuple[str | None, str, HolidayCalendar | None], _Stretch] = {}


def _stretch(expression: str, at: datetime, time_zone: str, calendar: HolidayCalendar | None) -> _Stretch:
    timetable = _timetable(expression)
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
    reusable_until = at.astimezone(UTC) + timedelta(days=REUSE_OF_UNCHANGING_DAYS)
    end = min(comment_ends or reusable_until, reusable_until)
    return _Stretch(now.at, end, HoursAt(now.state, None, now.comment))


def _days(first: date, count: int) -> Iterator[date]:
    days = (first + timedelta(days=n) for n in range(count))
    return takewhile(lambda day: day.year <= LAST_YEAR or day == first, days)


# --- From a day on the wall to moments ------------------------------------------------------------


class _Span(NamedTuple):
    """From `minute` of the day on, until the next span of that day."""

    minute: int
    state: Opening
    comment: str | None


class _Moment(NamedTuple):
    at: datetime
    state: Opening
    comment: str | None


def _moments(day: date, spans: tuple[_Span, ...], zone: ZoneInfo) -> list[_Moment]:
    """The moments (UTC) at which `day` changes on the clocks of `zone`, its beginning first.

    Hours are what the clock on the wall shows. Where the clock is put back an hour is lived twice, and has
    the same states twice; where it is put forward the skipped time has none.
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
    """The second at which the clocks of `zone` are changed between two moments, by halving."""
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


# --- Which rules hold on a day --------------------------------------------------------------------


class _Holiday(NamedTuple):
    """`PH +1 day` is _Holiday("PH", 1): the day after a public holiday."""

    kind: str
    days_after: int


@dataclass(frozen=True, slots=True)
class _Weekdays:
    """`Mo-Fr`, `Su[1,3]`, `Mo[-1] +2 days`."""

    weekdays: frozenset[int]
    nth: frozenset[int]
    days_after: int

    def holds(self, day: date, weekday: int) -> bool:
        """Whether it means `day`, were that day a `weekday`."""
        if (weekday - self.days_after) % 7 not in self.weekdays:
            return False
        if not self.nth:
            return True
        named = day - timedelta(days=self.days_after)
        length = monthrange(named.year, named.month)[1]
        return not self.nth.isdisjoint({(named.day - 1) // 7 + 1, -((length - named.day) // 7 + 1)})


@dataclass(frozen=True, slots=True)
class _Days:
    """A weekday selector: any of the weekdays or holidays, or with `both` (`PH Mo-Fr`) one of each."""

    weekdays: tuple[_Weekdays, ...]
    holidays: tuple[_Holiday, ...]
    both: bool

    def hold(self, day: date, weekday: int, holidays: frozenset[_Holiday]) -> bool:
        on_a_weekday = any(weekdays.holds(day, weekday) for weekdays in self.weekdays)
        on_a_holiday = not holidays.isdisjoint(self.holidays)
        return (on_a_weekday and on_a_holiday) if self.both else (on_a_weekday or on_a_holiday)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule, in pieces. Of its times, `certain` are those of known extent, `vague` those of unknown."""

    separator: str
    selector: str
    days_text: str
    days: _Days | None
    times: str
    certain: str
    vague: str
    modifier: str
    comment: str

    @property
    def text(self) -> str:
        pieces = (self.selector, self.days_text, self.times, self.modifier, self.comment)
        return " ".join(piece for piece in pieces if piece)

    def on(self, dates: str) -> str:
        """The rule as the library is to read it, on `dates` instead of on its own."""
        modifier = self.modifier or ("unknown" if self.comment else "")
        parts = [] if self.vague and not self.certain else [(self.certain or "00:00-24:00", modifier)]
        if self.vague:
            parts.append((self.vague, "unknown"))
        return ", ".join(
            " ".join(piece for piece in (dates, times, how, self.comment) if piece) for times, how in parts
        )


type _Reading = tuple[bool, ...]

# A day in the library's terms: two dates stand for the day before and the day itself, one for any other.
_DAY_BEFORE: Final = datetime(2001, 1, 1)  # noqa: DTZ001 - clocks on the wall, in no time zone
_THE_DAY: Final = datetime(2001, 1, 2)  # noqa: DTZ001 - the same
_STANDS_FOR: Final = {
    (False, False): "1999 Jan 01",
    (True, False): f"{_DAY_BEFORE:%Y %b %d}",
    (False, True): f"{_THE_DAY:%Y %b %d}",
    (True, True): f"{_DAY_BEFORE:%Y %b %d}-{_THE_DAY:%d}",
}
_STATES: Final = {State.OPEN: Opening.OPEN, State.CLOSED: Opening.CLOSED, State.UNKNOWN: Opening.UNKNOWN}
_CLOSED_ALL_DAY: Final = (_Span(0, Opening.CLOSED, None),)
_UNKNOWN_ALL_DAY: Final = (_Span(0, Opening.UNKNOWN, None),)


class _Timetable:
    """An expression ready to be asked about days, with the days that it has worked out."""

    def __init__(self, rules: tuple[_Rule, ...]) -> None:
        self._rules = rules
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
            _runs_past_midnight(span) for rule in rules for span in f"{rule.certain},{rule.vague}".split(",")
        )
        self._no_rule: _Reading = (False,) * len(rules)
        self._worked_out: dict[
            tuple[frozenset[_Reading | None], frozenset[_Reading | None]], tuple[_Span, ...]
        ]
        self._worked_out = {}
        self._read: dict[tuple[_Reading, _Reading], tuple[_Span, ...]] = {}

    def days_until_it_repeats(self, calendar: HolidayCalendar | None) -> int:
        """How many days are to be looked at before nothing new can come."""
        weekly = self._repeats_weekly and (calendar is None or not self._names_weekdays)
        return 9 if weekly else HORIZON_DAYS

    def day(self, day: date, calendar: HolidayCalendar | None) -> tuple[_Span, ...]:
        """The spans of `day`, the first from midnight; unknown wherever two readings of it differ."""
        if len(self._holidays) > MOST_HOLIDAYS:
            return _UNKNOWN_ALL_DAY
        readings = self._readings(day, calendar)
        before: frozenset[_Reading | None] = frozenset((self._no_rule,))
        if self._runs_past_midnight:
            before = self._readings(day - timedelta(days=1), calendar)
        if len(before) * len(readings) > MOST_READINGS:
            return _UNKNOWN_ALL_DAY
        spans = self._worked_out.get((before, readings))
        if spans is None:
            if len(self._worked_out) >= MOST_DAYS_REMEMBERED:
                self._worked_out.clear()
            spans = _agreed([self._spans(earlier, now) for earlier in before for now in readings])
            self._worked_out[before, readings] = spans
        return spans

    def _readings(self, day: date, calendar: HolidayCalendar | None) -> frozenset[_Reading | None]:
        """Every way in which `day` may be read; None is closed, whatever the rules say."""
        selected = tuple(
            selector is None or selector.is_open(datetime.combine(day, time(12)))
            for selector in self._selectors
        )
        covered = calendar is not None and day.year in calendar.years
        weekday = day.weekday()
        weekdays = {weekday}
        may_be_made_up = False
        if calendar is not None and covered and day in calendar.workdays:
            weekdays = {*WORKING_WEEK} if self._mentions_public_holidays else {weekday, *WORKING_WEEK}
        elif calendar is not None and not covered and self._mentions_public_holidays and weekday >= 5:
            may_be_made_up = True
        readings: set[_Reading | None] = set()
        for holidays in self._holidays_on(day, calendar):
            made_up = may_be_made_up and _Holiday("PH", 0) not in holidays
            for as_weekday in {weekday, *WORKING_WEEK} if made_up else weekdays:
                readings.add(self._reading(day, as_weekday, holidays, selected))
            if calendar is None or not covered or day not in calendar.holidays:
                continue
            if not self._mentions_public_holidays and self._tells_weekdays_apart(day, holidays, selected):
                readings.add(None)
        return frozenset(readings)

    def _reading(
        self, day: date, weekday: int, holidays: frozenset[_Holiday], selected: tuple[bool, ...]
    ) -> _Reading:
        return tuple(
            chosen and (rule.days is None or rule.days.hold(day, weekday, holidays))
            for rule, chosen in zip(self._rules, selected, strict=True)
        )

    def _holidays_on(self, day: date, calendar: HolidayCalendar | None) -> Iterator[frozenset[_Holiday]]:
        """Each set of the expression's holidays that `day` may be."""
        certain: set[_Holiday] = set()
        uncertain: list[_Holiday] = []
        for holiday in self._holidays:
            named = day - timedelta(days=holiday.days_after)
            if holiday.kind != "PH" or calendar is None or named.year not in calendar.years:
                uncertain.append(holiday)
            elif named in calendar.holidays:
                certain.add(holiday)
        for chosen in product((False, True), repeat=len(uncertain)):
            yield frozenset(certain.union(h for h, is_one in zip(uncertain, chosen, strict=True) if is_one))

    def _tells_weekdays_apart(
        self, day: date, holidays: frozenset[_Holiday], selected: tuple[bool, ...]
    ) -> bool:
        """Whether `day` would have other hours were it another day of the week."""
        if not self._names_weekdays:
            return False
        as_each = {self._reading(day, weekday, holidays, selected) for weekday in range(7)}
        as_eve = {self._spans(reading, self._no_rule) for reading in as_each}
        return len({self._spans(self._no_rule, reading) for reading in as_each}) > 1 or len(as_eve) > 1

    def _spans(self, before: _Reading | None, reading: _Reading | None) -> tuple[_Span, ...]:
        """The day on which the rules of `reading` hold, after one on which those of `before` held.

        1. Ask the library.
        2. Of a night that runs into this day: it may not have begun, if the evening was not open at its end;
           and it may go on, if a rule of this day displaces it. Where that makes a difference it is unknown.
        """
        if reading is None:
            return _CLOSED_ALL_DAY
        before = before or self._no_rule
        spans = self._read.get((before, reading))
        if spans is None:
            if len(self._read) >= MOST_DAYS_REMEMBERED:
                self._read.clear()
            spans = self._asked(before, reading)
            night = self._asked(before, self._no_rule) if self._runs_past_midnight else _CLOSED_ALL_DAY
            if night != _CLOSED_ALL_DAY:
                evening = self._asked(self._no_rule, before)[-1]
                cut_at_midnight = evening.state is not night[0].state
                without = self._asked(self._no_rule, reading) if cut_at_midnight else spans
                spans = _agreed([spans, without, _first_not_closed([spans, night])])
            self._read[before, reading] = spans
        return spans

    def _asked(self, before: _Reading, reading: _Reading) -> tuple[_Span, ...]:
        alternatives: list[str] = [""]
        for rule, held, holds in zip(self._rules, before, reading, strict=True):
            text = rule.on(_STANDS_FOR[held, holds])
            if rule.separator == "||":
                alternatives.append(text)
            elif alternatives[-1]:
                alternatives[-1] += f"{rule.separator} {text}"
            else:
                alternatives[-1] = text
        return _first_not_closed([_day_of(text) for text in alternatives])


def _day_of(text: str) -> tuple[_Span, ...]:
    """The spans of the day that the library sees in an expression for `_THE_DAY`."""
    spans: list[_Span] = []
    for start, _, state, comment in OpeningHours(text).intervals(_THE_DAY, _THE_DAY + timedelta(days=1)):
        spans.append(_Span(int((start - _THE_DAY).total_seconds()) // 60, _STATES[state], comment or None))
    return _joined(spans)


def _first_not_closed(alternatives: list[tuple[_Span, ...]]) -> tuple[_Span, ...]:
    def chosen(minute: int, spans: list[_Span]) -> _Span:
        span = next((span for span in spans if span.state is not Opening.CLOSED), spans[-1])
        return span._replace(minute=minute)

    return _joined([chosen(minute, spans) for minute, spans in _side_by_side(alternatives)])


def _agreed(readings: list[tuple[_Span, ...]]) -> tuple[_Span, ...]:
    def common(minute: int, spans: list[_Span]) -> _Span:
        states = {span.state for span in spans}
        comments = {span.comment for span in spans}
        return _Span(
            minute,
            states.pop() if len(states) == 1 else Opening.UNKNOWN,
            comments.pop() if len(comments) == 1 else None,
        )

    if len(readings) == 1:
        return readings[0]
    return _joined([common(minute, spans) for minute, spans in _side_by_side(readings)])


def _side_by_side(days: list[tuple[_Span, ...]]) -> Iterator[tuple[int, list[_Span]]]:
    """Each minute at which one of the days changes, and the spans in force then."""
    for minute in sorted({span.minute for spans in days for span in spans}):
        yield minute, [max(span for span in spans if span.minute <= minute) for spans in days]


def _joined(spans: list[_Span]) -> tuple[_Span, ...]:
    kept: list[_Span] = []
    for span in spans:
        if not kept or span[1:] != kept[-1][1:]:
            kept.append(span)
    return tuple(kept)


@lru_cache(maxsize=5_000)
def _timetable(expression: str) -> _Timetable | None:
    try:
        return _Timetable(_parsed(expression))
    except InvalidInput:
        return None


# --- From text to rules ---------------------------------------------------------------------------

_WEEKDAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_WEEKDAY: Final = "(?:" + "|".join(_WEEKDAYS) + ")"
_LONGEST_MONTHS: Final = {
    "Jan": 31, "Feb": 29, "Mar": 31, "Apr": 30, "May": 31, "Jun": 30,
    "Jul": 31, "Aug": 31, "Sep": 30, "Oct": 31, "Nov": 30, "Dec": 31,
}  # fmt: skip
_MONTH: Final = "(?:" + "|".join(_LONGEST_MONTHS) + ")"
_NTH_IN_MONTH: Final = rf"{_MONTH}\s+{_WEEKDAY}\[-?[1-5]\]"
_TOKEN: Final = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<comment>"[^"]*")
    | (?P<always>24\s*/\s*7)(?!\d)
    | (?P<nthrange>{_NTH_IN_MONTH}\s*-\s*{_NTH_IN_MONTH})
    | (?P<time>\d{{1,2}}:\d\d)(?!\d)
    | (?P<number>\d+)
    | (?P<weekday>{_WEEKDAY})(?![A-Za-z])
    | (?P<holiday>PH|SH)(?![A-Za-z])
    | (?P<month>{_MONTH})(?![A-Za-z])
    | (?P<week>week)(?![A-Za-z])
    | (?P<easter>easter)(?![A-Za-z])
    | (?P<modifier>open|closed|off|unknown)(?![A-Za-z])
    | (?P<sun>dawn|sunrise|sunset|dusk)(?![A-Za-z])
    | (?P<day>days?)(?![A-Za-z])
    | (?P<end>;|\|\|)
    | (?P<mark>[-,+/():\[\]])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DAYS_ENTRY: Final = re.compile(
    rf"""
    (?:(?P<holiday>PH|SH)|(?P<first>{_WEEKDAY})(?:-(?P<last>{_WEEKDAY}))?(?:\[(?P<nth>[-\d,]+)\])?)
    (?:\ (?P<days_after>[-+]\d+)\ days?)?
    """,
    re.VERBOSE,
)
_OFFSET: Final = r"(?:\ [-+]\d+\ days?)?"
_HOLIDAY: Final = rf"(?:PH|SH){_OFFSET}"
_ON_WEEKDAYS: Final = rf"{_WEEKDAY}(?:-{_WEEKDAY}|\[[-\d,]+\]{_OFFSET})?"
_DAYS_ENTRIES: Final = re.compile(
    rf"(?P<both>{_HOLIDAY}(?:,{_HOLIDAY})*\ {_ON_WEEKDAYS}(?:,{_ON_WEEKDAYS})*)"
    rf"|(?:{_HOLIDAY}|{_ON_WEEKDAYS})(?:,(?:{_HOLIDAY}|{_ON_WEEKDAYS}))*"
)
_NTH: Final = re.compile(r"(-?[1-5])(?:-([1-5]))?")
_DATE: Final = re.compile(rf"({_MONTH}) (\d+)(?:-(\d\d)(?!\d))?")
_FIXED_SPAN: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_EXAMPLES: Final = 'for example "24/7" or "Mo-Fr 08:00-18:00; Sa 09:00-12:00; PH off"'

# What people type for the characters of the grammar.
_TYPED_FOR: Final = str.maketrans(
    {"‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "~": "-", "〜": "-", "、": ",", "∶": ":"}
)
_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "＂": '"'})


class _Token(NamedTuple):
    kind: str
    text: str
    after_space: bool


_SELECTOR, _DAYS_OF_WEEK, _TIMES, _MODIFIER, _COMMENT = range(5)
_STAGES: Final = {
    "month": _SELECTOR, "number": _SELECTOR, "week": _SELECTOR, "easter": _SELECTOR, "nthrange": _SELECTOR,
    "weekday": _DAYS_OF_WEEK, "holiday": _DAYS_OF_WEEK,
    "time": _TIMES, "sun": _TIMES, "always": _TIMES,
    "modifier": _MODIFIER, "comment": _COMMENT,
}  # fmt: skip


@dataclass(slots=True)
class _Draft:
    """A rule being read: its tokens by stage."""

    separator: str
    stages: tuple[list[_Token], ...] = field(default_factory=lambda: ([], [], [], [], []))
    stage: int = -1
    spaced_times: bool = False


def _parsed(text: str) -> tuple[_Rule, ...]:
    """The rules of `text`, each understood here and all of them by the library; InvalidInput otherwise."""
    drafts = _drafts(_tokens(text), text)
    rules = tuple(_rule(draft, text) for draft in drafts)
    if not rules:
        _refuse(text, "are empty; leave the hours out if they are not known")
    if len(rules) > MOST_RULES:
        _refuse(text, f"have more than {MOST_RULES} rules")
    tidy = _text_of(rules)
    if len(tidy) > LONGEST_EXPRESSION:
        _refuse(text, f"are longer than {LONGEST_EXPRESSION} characters")
    try:
        understood = str(OpeningHours(tidy))
        rule_by_rule = "".join(_between(rule.separator) + str(OpeningHours(rule.text)) for rule in rules)
    except ParserError as error:
        raise _refusal(text, _what_the_library_said(error, tidy)) from error
    if understood != rule_by_rule:
        _refuse(text, "can be read in two ways; separate the rules with `; `")
    return rules


def _text_of(rules: tuple[_Rule, ...]) -> str:
    return "".join(_between(rule.separator) + rule.text for rule in rules)


def _between(separator: str) -> str:
    return {"": "", "||": " || "}.get(separator, f"{separator} ")


def _what_the_library_said(error: Exception, tidy: str) -> str:
    said = str(error).strip()
    place = re.search(r"--> 1:(\d+)", said)
    if place is None:
        return f"do not parse: {said.rpartition(': ')[2].rstrip('.')}"
    rest = tidy[int(place[1]) - 1 :][:16]
    return f"are not understood from “{rest}” on" if rest else "stop short: something is missing at the end"


def _refusal(text: str, why: str) -> InvalidInput:
    shown = "".join(character if character.isprintable() else "?" for character in text[:80])
    return InvalidInput(f"The opening hours “{shown}” {why}; {_EXAMPLES}.", field="opening_hours")


def _refuse(text: str, why: str) -> NoReturn:
    raise _refusal(text, why)


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST_EXPRESSION:
        _refuse(text, f"are longer than {LONGEST_EXPRESSION} characters")
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\t\r\n" for each in text):
        _refuse(text, "contain control characters")
    pieces = text.translate(_QUOTES).split('"')
    if len(pieces) % 2 == 0:
        _refuse(text, 'open a comment that is not closed: a `"` is missing')
    for n in range(0, len(pieces), 2):
        pieces[n] = unicodedata.normalize("NFKC", pieces[n]).translate(_TYPED_FOR)
    tidy = '"'.join(" ".join(piece.split()) if n % 2 else piece for n, piece in enumerate(pieces))
    tokens: list[_Token] = []
    place, after_space = 0, False
    while place < len(tidy):
        found = _TOKEN.match(tidy, place)
        if found is None or found.lastgroup is None:
            _refuse(text, f"contain “{tidy[place : place + 12]}”, which is not understood")
        place = found.end()
        if found.lastgroup == "space":
            after_space = True
            continue
        tokens.append(_Token(found.lastgroup, _spelled(found.lastgroup, found.group()), after_space))
        after_space = False
    return tokens


def _spelled(kind: str, text: str) -> str:
    match kind:
        case "weekday" | "month":
            return text.capitalize()
        case "holiday":
            return text.upper()
        case "time":
            return text.zfill(5)
        case "nthrange":
            words = re.sub(r"\s*-\s*(?=[A-Za-z])", "-", " ".join(text.split()))
            return re.sub("[A-Za-z]+", lambda word: word.group().capitalize(), words)
        case "comment":
            return text
        case "always":
            return "24/7"
        case _:
            return text.lower()


def _drafts(tokens: list[_Token], text: str) -> list[_Draft]:
    """Divides the tokens into rules, and each rule into its stages.

    A comma goes on with the list that it stands in, when what follows is of the same kind; after times, a
    comma before days or dates begins an additional rule. Any other comma is not certain and is refused.
    """
    drafts: list[_Draft] = []
    draft = _Draft("")
    in_brackets = False
    for n, token in enumerate(tokens):
        following = tokens[n + 1] if n + 1 < len(tokens) else None
        if token.kind == "end":
            if draft.stage >= 0:
                drafts.append(draft)
            elif token.text == "||" or draft.separator == "||":
                _refuse(text, "lack a rule beside `||`")
            draft = _Draft(token.text if drafts else "")
        elif token.text == "," and not in_brackets:
            after = _STAGES.get(following.kind, _TIMES if following.text == "(" else -1) if following else -1
            always = following is not None and following.kind == "always"
            if after == draft.stage and after in (_SELECTOR, _DAYS_OF_WEEK, _TIMES) and not always:
                draft.stages[draft.stage].append(token)
                draft.spaced_times |= after == _TIMES and following is not None and following.after_space
            elif draft.stage >= _TIMES and (after in (_SELECTOR, _DAYS_OF_WEEK) or always):
                drafts.append(draft)
                draft = _Draft(",")
            else:
                _refuse(text, "have a comma whose meaning is not certain; separate the rules with `; `")
        else:
            stage = _stage(token, following, draft, in_brackets)
            if stage < draft.stage or stage < 0 or (stage == draft.stage and stage >= _MODIFIER):
                _refuse(text, f"have “{token.text}” where it cannot stand; separate the rules with `; `")
            draft.stage = stage
            draft.stages[stage].append(token)
            in_brackets = (in_brackets or token.text == "[") and token.text != "]"
    if draft.stage >= 0:
        drafts.append(draft)
    elif draft.separator == "||":
        _refuse(text, "lack a rule beside `||`")
    return drafts


def _stage(token: _Token, following: _Token | None, draft: _Draft, in_brackets: bool) -> int:
    """The stage of its rule to which a token belongs, or -1 if to none."""
    last = draft.stages[draft.stage][-1].text if draft.stage >= 0 and draft.stages[draft.stage] else ""
    if token.text == "(":
        return _TIMES
    if token.kind == "number" and draft.stage > _SELECTOR:
        of_offset = last in ("+", "-") and following is not None and following.kind == "day"
        of_repetition = draft.stage == _TIMES and last == "/"
        return draft.stage if in_brackets or of_offset or of_repetition else -1
    if token.kind in ("mark", "day"):
        return draft.stage
    return _STAGES[token.kind]


def _rule(draft: _Draft, text: str) -> _Rule:
    selector, days, times, modifier, comment = (_written(tokens) for tokens in draft.stages)
    selector, days = selector.rstrip(":"), days.rstrip(":")
    if "24/7" in times:
        if times != "24/7" or days:
            _refuse(text, "have `24/7` beside other days or times; write `00:00-24:00` for a whole day")
        times = "00:00-24:00" if selector else times
    if modifier in ("off", "closed") and draft.spaced_times:
        _refuse(text, f"leave open which times are `{modifier}`; write that rule by itself after `; `")
    for month, first, last in _DATE.findall(selector):
        if not 1 <= int(first) <= _LONGEST_MONTHS[month] or int(last or 1) > _LONGEST_MONTHS[month]:
            _refuse(text, f"name a day that {month} does not have")
        if last and int(last) < int(first):
            _refuse(text, f"have the range {first}-{last} the wrong way round")
    if any(
        int(days_after) > FURTHEST_OFFSET_DAYS for days_after in re.findall(r"[-+](\d+) day", selector + days)
    ):
        _refuse(text, f"count more than {FURTHEST_OFFSET_DAYS} days on or back")
    certain, vague = _certain_and_vague("" if times == "24/7" else times, text)
    return _Rule(
        separator=draft.separator,
        selector=selector,
        days_text=days,
        days=_days_meant(days, text) if days else None,
        times=times,
        certain=certain,
        vague=vague,
        modifier=modifier,
        comment=comment,
    )


def _written(tokens: list[_Token]) -> str:
    """The tokens with the spaces that belong between them: `2026 Oct 01-07`, `Mo[-1] +2 days`."""
    written = ""
    for n, token in enumerate(tokens):
        before = tokens[n - 1] if n else None
        day_ahead = n + 2 < len(tokens) and tokens[n + 2].kind == "day"
        begins_offset = token.text in ("+", "-") and day_ahead and tokens[n + 1].kind == "number"
        two_words = before is not None and before.kind != "mark" and token.kind != "mark"
        word = token.text
        if token.kind == "number" and before is not None and before.kind in ("month", "week"):
            word = word.zfill(2)
        elif token.kind == "number" and before is not None and before.text in ("-", ",") and len(word) == 1:
            of_offset = n + 1 < len(tokens) and tokens[n + 1].kind == "day"
            word = word if of_offset or "[" in written else word.zfill(2)
        closes = before is not None and before.text == ":" and token.kind != "mark"
        written += (" " if two_words or begins_offset or closes else "") + word
    return written


def _days_meant(days: str, text: str) -> _Days:
    """`PH Mo-Fr` is both at once, holidays on those weekdays; with commas it is any of them."""
    entries = _DAYS_ENTRIES.fullmatch(days)
    if entries is None:
        _refuse(text, f"have the days “{days}”, which are not understood; write them like `Mo-Fr,PH`")
    weekdays: list[_Weekdays] = []
    holidays: list[_Holiday] = []
    for found in _DAYS_ENTRY.finditer(days):
        days_after = int(found["days_after"] or 0)
        if found["holiday"]:
            holidays.append(_Holiday(found["holiday"], days_after))
        else:
            first, last = found["first"], found["last"] or found["first"]
            weekdays.append(
                _Weekdays(_from_to(first, last), _nth_meant(found["nth"] or "", text), days_after)
            )
    return _Days(tuple(weekdays), tuple(holidays), both=entries["both"] is not None)


def _from_to(first: str, last: str) -> frozenset[int]:
    start = _WEEKDAYS.index(first)
    return frozenset((start + n) % 7 for n in range((_WEEKDAYS.index(last) - start) % 7 + 1))


def _nth_meant(nth: str, text: str) -> frozenset[int]:
    meant: set[int] = set()
    for entry in nth.split(",") if nth else ():
        found = _NTH.fullmatch(entry)
        if found is None:
            _refuse(text, f"have “[{nth}]”; write `[1]` to `[5]`, or `[-1]` for the last of a month")
        meant.update(range(int(found[1]), int(found[2] or found[1]) + 1) if found[2] else (int(found[1]),))
    return frozenset(meant)


def _certain_and_vague(times: str, text: str) -> tuple[str, str]:
    """The spans that the clock decides, and for the others the longest time that they can last."""
    certain: list[str] = []
    vague: list[str] = []
    for span in times.split(",") if times else ():
        fixed = _FIXED_SPAN.fullmatch(span)
        if "24" <= span[:2] <= "99":
            _refuse(text, f"have “{span}”, which begins after the day has ended")
        if fixed is None:
            vague.append(_longest(span))
        elif (fixed[1], fixed[2]) == (fixed[3], fixed[4]):
            _refuse(
                text, f"have “{span}”, which lasts no time; write `00:00-24:00` for a whole day, or `off`"
            )
        else:
            certain.append(span)
    return ",".join(certain), ",".join(vague)


def _longest(span: str) -> str:
    """The widest extent of a span with a sun event, an open end or repetitions.

    Without coordinates a sun event may be at any time of the day, except that the day is light at noon.
    An open end is over by six in the morning.
    """
    if re.search("dawn|sunrise|sunset|dusk", span):
        light = re.fullmatch(
            r"(?:(0\d:\d\d|1[01]:\d\d)|dawn|sunrise)-(?:sunset|dusk|(1[2-9]:\d\d|2\d:\d\d))", span
        )
        return f"{light[1] or '00:00'}-{light[2] or '24:00'}" if light else "00:00-48:00"
    if span.endswith("+"):
        return f"{span[:5]}-30:00"
    return span.partition("/")[0]


def _runs_past_midnight(span: str) -> bool:
    start, _, end = span.partition("-")
    return end > "24:00" or end < start
