"""The hours of a device in the coming week, day by day, as a strip and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from aed.hours.evaluation import hours_on
from aed.hours.holiday_calendar import HolidayDates, special
from aed.hours.timetable import Opening, StateSpan
from aed.web.words import noop

DAYS_SHOWN: Final = 7
MINUTES_A_DAY: Final = 24 * 60
WEEKDAYS: Final = (
    noop("Monday"),
    noop("Tuesday"),
    noop("Wednesday"),
    noop("Thursday"),
    noop("Friday"),
    noop("Saturday"),
    noop("Sunday"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a day on the strip, in minutes."""

    start: int
    length: int
    state: str
    """`open` or `unknown`."""


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day of the week strip."""

    day: date
    weekday: str
    """In English; translate it."""
    is_today: bool
    is_holiday: bool
    is_make_up_workday: bool
    is_closed: bool
    is_all_day: bool
    is_unknown: bool
    bars: list[Bar]
    times: list[tuple[str, str, bool]]
    """From, to, and whether it is certain."""


def week_of(expression: str | None, today: date, calendar: HolidayDates | None) -> list[DayLine]:
    """Return the days from today on, with the hours of each."""
    days = (today + timedelta(days=n) for n in range(DAYS_SHOWN))
    return [_day_line(day, today, hours_on(expression, day, calendar=calendar), calendar) for day in days]


def _day_line(day: date, today: date, spans: Iterable[StateSpan], calendar: HolidayDates | None) -> DayLine:
    bars = _bars(spans)
    kind = special(day, calendar)
    states = {each.state for each in bars}
    is_whole = len(bars) == 1 and bars[0].length == MINUTES_A_DAY
    return DayLine(
        day=day,
        weekday=WEEKDAYS[day.weekday()],
        is_today=day == today,
        is_holiday=kind.holiday is True,
        is_make_up_workday=kind.workday is True,
        is_closed=not bars,
        is_all_day=is_whole and states == {"open"},
        is_unknown=is_whole and states == {"unknown"},
        bars=bars,
        times=[(_clock(each.start), _clock(each.start + each.length), each.state == "open") for each in bars],
    )


def _bars(spans: Iterable[StateSpan]) -> list[Bar]:
    """Return the parts of a day that are not closed; neighbours of one state are joined."""
    bars: list[Bar] = []
    each_with_end = list(spans)
    ends = [each.minute for each in each_with_end[1:]] + [MINUTES_A_DAY]
    for span, end in zip(each_with_end, ends, strict=True):
        if span.state is Opening.CLOSED or end == span.minute:
            continue
        if bars and bars[-1].state == span.state and bars[-1].start + bars[-1].length == span.minute:
            bars[-1] = Bar(bars[-1].start, end - bars[-1].start, bars[-1].state)
        else:
            bars.append(Bar(span.minute, end - span.minute, str(span.state)))
    return bars


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
