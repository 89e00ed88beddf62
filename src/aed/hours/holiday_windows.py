"""The days that may become holidays or make-up workdays in a year that is not announced yet.

China's State Council announces a year's holidays late in the year before. Until then only the festivals are
known, not which days around them are free or which weekend days are worked instead (调休). Each window covers
everything that was announced for 2008 to 2026, which a test checks year by year. Only one-off holidays
(3 September 2015) cannot be predicted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple


class Windows(NamedTuple):
    """Days of a year that may be holidays or make-up workdays; the latter are Saturdays or Sundays."""

    holidays: frozenset[date]
    make_up_workdays: frozenset[date]


class _Window(NamedTuple):
    """Offsets in days from a festival, both inclusive, between which holidays and make-up workdays may be."""

    holidays: tuple[int, int]
    make_up_workdays: tuple[int, int]


_NEW_YEAR: Final = _Window((0, 3), (0, 8))
_NEW_YEAR_AFTER_A_WEEKEND: Final = _Window((-3, 3), (-4, 8))
"""If 1 January is a Sunday to Wednesday, the weekend before it may be included, as in 2018."""
_SPRING_FESTIVAL: Final = _Window((-3, 10), (-9, 14))
_QINGMING: Final = _Window((-4, 4), (-8, 7))
_LABOUR_DAY: Final = _Window((-3, 5), (-11, 14))
_DRAGON_BOAT: Final = _Window((-3, 3), (-6, 6))
_MID_AUTUMN: Final = _DRAGON_BOAT
_NATIONAL_DAY: Final = _Window((-3, 8), (-13, 13))

# Spring Festival (first day of the first month), Dragon Boat (5th of the 5th), Mid-Autumn (15th of the 8th).
# Taken from lunar-python 1.4; holidays 0.105 has the same days in every year. Both go back to the Gregorian-
# Lunar Calendar Conversion Table of the Hong Kong Observatory.
_LUNAR: Final = {
    2004: "01-22 06-22 09-28", 2005: "02-09 06-11 09-18", 2006: "01-29 05-31 10-06",
    2007: "02-18 06-19 09-25", 2008: "02-07 06-08 09-14", 2009: "01-26 05-28 10-03",
    2010: "02-14 06-16 09-22", 2011: "02-03 06-06 09-12", 2012: "01-23 06-23 09-30",
    2013: "02-10 06-12 09-19", 2014: "01-31 06-02 09-08", 2015: "02-19 06-20 09-27",
    2016: "02-08 06-09 09-15", 2017: "01-28 05-30 10-04", 2018: "02-16 06-18 09-24",
    2019: "02-05 06-07 09-13", 2020: "01-25 06-25 10-01", 2021: "02-12 06-14 09-21",
    2022: "02-01 06-03 09-10", 2023: "01-22 06-22 09-29", 2024: "02-10 06-10 09-17",
    2025: "01-29 05-31 10-06", 2026: "02-17 06-19 09-25", 2027: "02-06 06-09 09-15",
    2028: "01-26 05-28 10-03", 2029: "02-13 06-16 09-22", 2030: "02-03 06-05 09-12",
    2031: "01-23 06-24 10-01", 2032: "02-11 06-12 09-19", 2033: "01-31 06-01 09-08",
    2034: "02-19 06-20 09-27", 2035: "02-08 06-10 09-16", 2036: "01-28 05-30 10-04",
    2037: "02-15 06-18 09-24", 2038: "02-04 06-07 09-13", 2039: "01-24 05-27 10-02",
    2040: "02-12 06-14 09-20", 2041: "02-01 06-03 09-10", 2042: "01-22 06-22 09-28",
    2043: "02-10 06-11 09-17", 2044: "01-30 05-31 10-05", 2045: "02-17 06-19 09-25",
    2046: "02-06 06-08 09-15", 2047: "01-26 05-29 10-04", 2048: "02-14 06-15 09-22",
    2049: "02-02 06-04 09-11", 2050: "01-23 06-23 09-30",
}  # fmt: skip
_LUNAR_EARLIEST: Final = ("01-21", "05-27", "09-07")
_LUNAR_LATEST: Final = ("02-21", "06-25", "10-08")
"""The earliest and latest dates of the same festivals in any year."""


@lru_cache(maxsize=64)
def windows_of(calendar_name: str, year: int) -> Windows | None:
    """Return the windows of a year's festivals; None if the calendar's festivals are unknown."""
    if calendar_name != "CN":
        return None
    new_year = date(year, 1, 1)
    weekend_before = new_year.weekday() in (6, 0, 1, 2)
    spring, dragon_boat, mid_autumn = _lunar_festivals(year)
    festivals: list[tuple[_Window, Iterable[date]]] = [
        (_NEW_YEAR_AFTER_A_WEEKEND if weekend_before else _NEW_YEAR, [new_year]),
        (_SPRING_FESTIVAL, spring),
        (_QINGMING, [date(year, 4, 5)]),
        (_LABOUR_DAY, [date(year, 5, 1)]),
        (_DRAGON_BOAT, dragon_boat),
        (_MID_AUTUMN, mid_autumn),
        (_NATIONAL_DAY, [date(year, 10, 1)]),
    ]
    holidays = {
        day for window, days in festivals for each in days for day in _days_in_window(each, window.holidays)
    }
    weekend = {
        day
        for window, days in festivals
        for each in days
        for day in _days_in_window(each, window.make_up_workdays)
        if day.weekday() >= 5
    }
    return Windows(frozenset(holidays), frozenset(weekend))


def _days_in_window(day: date, window: tuple[int, int]) -> Iterable[date]:
    return (day + timedelta(days=n) for n in range(window[0], window[1] + 1))


def _lunar_festivals(year: int) -> list[list[date]]:
    """Return the possible days of each lunar festival: one day if its date is known."""
    known = _LUNAR.get(year)
    if known is not None:
        return [[date.fromisoformat(f"{year}-{day}")] for day in known.split()]
    return [
        [date.fromordinal(n) for n in range(_ordinal(year, first), _ordinal(year, last) + 1)]
        for first, last in zip(_LUNAR_EARLIEST, _LUNAR_LATEST, strict=True)
    ]


def _ordinal(year: int, day: str) -> int:
    return date.fromisoformat(f"{year:04}-{day}").toordinal()
