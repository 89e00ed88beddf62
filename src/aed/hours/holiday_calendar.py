"""Holiday calendars: public holidays and make-up workdays of the years that are known."""

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
    """A weekend day that is worked to compensate for a holiday (调休)."""


@dataclass(frozen=True)
class HolidayDates:
    """The public holidays of a country, complete for the years in `years`.

    Calendars compare by content. The hash is cached because calendars are part of keys looked up per device.
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
    """Whether a day is a holiday or a make-up workday; None means that it is unknown."""

    holiday: bool | None
    workday: bool | None
    foreseen: bool
    """True if the year is in the calendar, or the days of it that may be special are known."""


def special(day: date, calendar: HolidayDates | None) -> Special:
    """Return what the calendar knows about a day.

    1. In a year of the calendar: what it says, except that the last days of December may belong to the next
       New Year's holiday if the calendar does not have that year.
    2. Otherwise, in a country whose festivals are known: the day may be special inside their windows, and is
       an ordinary day outside them.
    3. Otherwise any day may be a holiday and any weekend day a workday (without a calendar: no make-up
       workdays).
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


def last_day_held(calendar: HolidayDates, today: date) -> date | None:
    """Return the last day covered without a gap from this year on; None if this year is not covered."""
    year = today.year
    while year in calendar.years:
        year += 1
    return date(year - 1, 12, 31) if year > today.year else None


@dataclass(frozen=True, slots=True)
class CalendarEnd:
    """The end of a calendar that regions use: the last day that is covered without a gap."""

    name: str
    ends_on: date
    """31 December of last year if this year is not covered."""
    days_left: int


NOTICE_DAYS: Final = (90, 60, 30)
"""Days before a calendar's end at which administrators are notified. China announces the next year in
November."""


def calendar_end(calendar: HolidayDates, today: date) -> CalendarEnd:
    """Return when a calendar ends, and the days left until then (negative after the end)."""
    ends_on = last_day_held(calendar, today) or date(today.year - 1, 12, 31)
    return CalendarEnd(calendar.name, ends_on, (ends_on - today).days)


def notice_threshold(days_left: int) -> int | None:
    """Return the smallest threshold in `NOTICE_DAYS` that was reached; None if none was."""
    return min((days for days in NOTICE_DAYS if days_left <= days), default=None)


def ending_words(end: CalendarEnd) -> tuple[str, str]:
    """Return a notice, in English and Chinese, that a calendar ends, its effect, and what to do."""
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


def china_calendar(years: Iterable[int] | None = None) -> HolidayDates:
    """Return mainland China's statutory holidays and make-up workdays, as announced by the State Council.

    Covers all known years since 2024 unless `years` are given. Holidays are whole periods, including the
    weekend days inside them. Raises InvalidInput for an unknown year, so that missing data is never mistaken
    for a year without holidays.
    """
    import chinese_calendar  # type: ignore[import-untyped]  # ships no annotations; late: rarely needed

    known: set[int] = {day.year for day in chinese_calendar.holidays}
    wanted = frozenset(range(FIRST_YEAR_OF_CHINA, max(known) + 1) if years is None else years)
    if missing := sorted(wanted - known):
        raise InvalidInput(
            "China's holidays of {names} are not known here; the known years are {min} to {max}.",
            field="years",
            names=", ".join(map(str, missing)),
            min=min(known),
            max=max(known),
        )
    return HolidayDates(
        name="CN",
        years=wanted,
        holidays=frozenset(day for day in chinese_calendar.holidays if day.year in wanted),
        workdays=frozenset(day for day in chinese_calendar.workdays if day.year in wanted),
    )
