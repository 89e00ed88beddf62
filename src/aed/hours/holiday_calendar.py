"""Holiday calendars: which days are holidays, which weekend days are worked, in the years that are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from aed.errors import InvalidInput
from aed.hours.holiday_windows import windows_of


class DayKind(StrEnum):
    HOLIDAY = "holiday"
    WORKDAY = "workday"
    """A weekend day that is worked to make up for a holiday (调休)."""


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


class Special(NamedTuple):
    """Whether a day is a holiday or a make-up workday; None: it may be."""

    holiday: bool | None
    workday: bool | None
    foreseen: bool
    """Whether it is known which days of a year that is not held may be special."""


def special(day: date, calendar: HolidayCalendar | None) -> Special:
    """What is known about a day.

    1. Of a year that is held: what the calendar says; but the last days of December may belong to the next
       New Year, if that year is not held.
    2. Otherwise, in a country whose festivals are known: it may be special within their windows, and is an
       ordinary day outside them.
    3. Otherwise any day may be a holiday, and any weekend day worked. (No calendar: no make-up workdays.)
    """
    if calendar is None:
        return Special(None, False, foreseen=False)
    may_be_holiday = may_be_workday = False
    held = day.year in calendar.years
    if held and day in calendar.holidays:
        return Special(holiday=True, workday=False, foreseen=True)
    if held and day in calendar.workdays:
        return Special(holiday=False, workday=True, foreseen=True)
    for year in (day.year, day.year + 1) if day.month == 12 else (day.year,):
        if held and year in calendar.years:
            continue
        windows = windows_of(calendar.name, year)
        if windows is not None:
            may_be_holiday = may_be_holiday or day in windows.holidays
            may_be_workday = may_be_workday or day in windows.make_up_workdays
        elif year == day.year:
            return Special(None, None if day.weekday() >= 5 else False, foreseen=False)
    return Special(None if may_be_holiday else False, None if may_be_workday else False, foreseen=True)


def last_day_held(calendar: HolidayCalendar, today: date) -> date | None:
    """Return the last day of the years held without a gap from this one on; None if not even this is held."""
    year = today.year
    while year in calendar.years:
        year += 1
    return date(year - 1, 12, 31) if year > today.year else None


@dataclass(frozen=True, slots=True)
class CalendarEnd:
    """A calendar that regions use, and its last day without a gap."""

    name: str
    ends_on: date
    """31 December of last year where not even this year is held."""
    days_left: int


NOTICE_DAYS: Final = (90, 60, 30)
"""How long before a calendar's end administrators are told. China announces the next year in November."""


def calendar_end(calendar: HolidayCalendar, today: date) -> CalendarEnd:
    """Return when a calendar ends, and in how many days; fewer than 0 once it has."""
    ends_on = last_day_held(calendar, today) or date(today.year - 1, 12, 31)
    return CalendarEnd(calendar.name, ends_on, (ends_on - today).days)


def notice_threshold(days_left: int) -> int | None:
    """Return the threshold that was passed last, None if the calendar's end is farther than all."""
    return min((days for days in NOTICE_DAYS if days_left <= days), default=None)


def ending_words(end: CalendarEnd) -> tuple[str, str]:
    """Say in English and Chinese that a calendar ends, what follows, and what to do."""
    year = end.ends_on.year + 1
    if end.days_left < 0:
        when_en, when_zh = f"ended on {end.ends_on}", f"已于{end.ends_on}到期"
    else:
        plural = "" if end.days_left == 1 else "s"
        when_en = f"ends on {end.ends_on}, in {end.days_left} day{plural}"
        when_zh = f"将于{end.ends_on}到期，还有{end.days_left}天"
    return (
        f"Holiday calendar {end.name} {when_en}. From then on opening hours are unknown around holidays. "
        f"Enter {year} as soon as it is announced: PUT /v1/holidays/{end.name}/{year}.",
        f"节假日日历{end.name}{when_zh}。此后节假日前后的开放时间将显示为未知。"
        f"{year}年安排公布后请立即录入：PUT /v1/holidays/{end.name}/{year}。",
    )


FIRST_YEAR_OF_CHINA: Final = 2024


def china_calendar(years: Iterable[int] | None = None) -> HolidayCalendar:
    """Mainland China's statutory holiday periods and make-up workdays, as the State Council arranged them.

    Of every known year since 2024, unless `years` are given. Holidays are whole periods, with the weekend
    days inside them. Raises InvalidInput for a year that is not known, so that no year without holidays is
    taken for one that has none.
    """
    import chinese_calendar  # type: ignore[import-untyped]  # ships no annotations; late: rarely needed

    known: set[int] = {day.year for day in chinese_calendar.holidays}
    wanted = frozenset(range(FIRST_YEAR_OF_CHINA, max(known) + 1) if years is None else years)
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
