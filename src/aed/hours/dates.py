"""Validate and normalise the date selectors of opening-hours rules.

Selectors are accepted if the library evaluates them as specified. Those that implementations interpret
differently are refused: a range that runs backwards in some years only (`easter-Apr 10`), a year that may
apply to one date or to all (`2026 Dec 24,Dec 31`), a range that mixes dates and months (`Jan 20-Feb`).
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from typing import Final, NamedTuple, NoReturn

MAX_DAYS_OF_MONTH: Final = {
    "Jan": 31, "Feb": 29, "Mar": 31, "Apr": 30, "May": 31, "Jun": 30,
    "Jul": 31, "Aug": 31, "Sep": 30, "Oct": 31, "Nov": 30, "Dec": 31,
}  # fmt: skip
MONTH: Final = "(?:" + "|".join(MAX_DAYS_OF_MONTH) + ")"
WEEKDAY: Final = "(?:Mo|Tu|We|Th|Fr|Sa|Su)"
NTH_IN_MONTH: Final = rf"{MONTH}\s+{WEEKDAY}\s*\[\s*-?[1-5]\s*\]"
EASTER_EARLIEST: Final = 82
EASTER_LATEST: Final = 116
"""Days of a leap year: 22 March and 25 April, the range of Easter."""
FURTHEST_EASTER_OFFSET_DAYS: Final = 80
"""Covers every feast that is counted from Easter, and never leaves the year."""

_OFFSET: Final = r"(?: ([-+]\d+) days?)?"
_YEARS: Final = re.compile(r"(\d{4})(?:-(\d{4})(?:/(\d+))?|\+)?")
_WEEKS: Final = re.compile(r"(\d\d)(?:-(\d\d)(?:/(\d+))?)?")
_MONTHS: Final = re.compile(rf"({MONTH})(?:-({MONTH}))?")
_DAY_LIST: Final = re.compile(rf"({MONTH}) (\d\d)(?:-(\d\d)(?:/(\d+))?)?")
_MORE_DAYS: Final = re.compile(r"(\d\d)(?:-(\d\d))?")
_EDGE: Final = rf"(?:(?:(\d{{4}}) )?(?:({MONTH}) (?:(\d\d)|(?:{WEEKDAY})\[(-?[1-5])\])|(easter)){_OFFSET})"
_SINGLE: Final = re.compile(_EDGE)
_RANGE: Final = re.compile(rf"{_EDGE}-(?:{_EDGE}|(\d\d))")
_FROM_A_DATE_ON: Final = re.compile(rf"\d{{4}} {MONTH} \d\d\+")
_HOURS: Final = re.compile(rf"(?:^|{MONTH}-{MONTH} )([01]?\d|2[0-4])-([01]?\d|2[0-4])$")


def months_after(day: date, months: int) -> date:
    """Return the same day of the month `months` later, or the last day of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


class DatesRefused(Exception):
    """Dates are refused; the message completes a sentence that begins with "The opening hours"."""


class _Edge(NamedTuple):
    """One end of a range: its year, if given, and the earliest and latest day of a leap year it may be."""

    year: int | None
    earliest: int
    latest: int
    days_after_easter: int | None


def written_out(selector: str) -> str:
    """Return a date selector in canonical form; raise DatesRefused if it is ambiguous.

    Expands abbreviations that have one meaning: `Dec 24,25` becomes `Dec 24,Dec 25`, and `Jan 01-31/8`
    becomes `Jan 01,Jan 09,Jan 17,Jan 25`.
    """
    rest, _, weeks = selector.partition("week ")
    rest = rest.strip()
    parts = []
    years, dates = _years_and_dates(rest)
    if years:
        parts.append(years)
    if dates:
        parts.append(_dates(dates, after_years=bool(years)))
    if weeks:
        parts.append(f"week {','.join(_week(each) for each in weeks.split(','))}")
    elif selector.endswith("week"):
        raise DatesRefused("lack a week number")
    return " ".join(parts)


def _years_and_dates(text: str) -> tuple[str, str]:
    """Split `2026-2027,2030 Oct 01` into years and dates. A single year is left with its date."""
    found = re.match(r"((?:\d{4}(?:-\d{4}(?:/\d+)?|\+)?,?)+)(?: (.*))?$", text)
    if found is None:
        return "", text
    years, dates = found[1], found[2] or ""
    if re.fullmatch(r"\d{4}", years) and dates:
        return "", text
    return ",".join(_year(each) for each in years.split(",")), dates


def _year(text: str) -> str:
    found = _YEARS.fullmatch(text)
    if found is None:
        raise DatesRefused(f"have the years “{text}”, which are not understood; write them like `2026-2028`")
    first, last, step = int(found[1]), int(found[2] or found[1]), int(found[3] or 1)
    if last < first or step == 0:
        raise DatesRefused(f"have the years “{text}” the wrong way round")
    # The library ignores a step in a range of two years.
    return found[1] if step > 1 and first + step > last else text


def _week(text: str) -> str:
    found = _WEEKS.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= int(found[2] or found[1]) <= 53 or found[3] == "0":
        if found is not None and found[2] and int(found[2]) < int(found[1]):
            raise DatesRefused(f"have the weeks “{text}” the wrong way round")
        raise DatesRefused(f"have the weeks “{text}”, which are not understood; write them like `week 01-20`")
    step = int(found[3] or 1)
    return found[1] if step > 1 and int(found[1]) + step > int(found[2]) else text


def _dates(text: str, *, after_years: bool) -> str:
    year = re.match(r"(\d{4}) ", text)
    entries = text.split(",")
    written: list[str] = []
    month, day = "", 0
    for n, entry in enumerate(entries):
        more = _MORE_DAYS.fullmatch(entry) if month else None
        if more is not None:
            if int(more[1]) <= day:
                raise DatesRefused(
                    f"have the days “{entry}” out of order; write them like `Dec 24,Dec 25`, "
                    "and hours like `10:00-12:00`"
                )
            entry = f"{month} {entry}"
        if after_years and re.search(r"\d{4}", entry):
            raise DatesRefused("have two lists of years; write `2026 Oct 01-2027 Jan 10`")
        with_year = re.match(r"\d{4} ", entry) is not None
        if n and bool(year) is not with_year and more is None:
            raise DatesRefused(
                "do not say whether the year belongs to one date or to all; write the year before each"
            )
        listed = _DAY_LIST.fullmatch(entry if not with_year else entry[5:])
        prefix = entry[:5] if with_year else ""
        month, day = (prefix + listed[1], int(listed[3] or listed[2])) if listed else ("", 0)
        written += [prefix + each for each in _days_of(listed)] if listed else [_date(entry)]
    return ",".join(written)


def _days_of(listed: re.Match[str]) -> list[str]:
    """Return one date or range within a month; a range with a step is expanded to single days."""
    month, first, last, step = listed[1], int(listed[2]), int(listed[3] or listed[2]), listed[4]
    longest = MAX_DAYS_OF_MONTH[month]
    if first == 0 and (hours := re.search(r"(\d\d)-(\d\d)$", listed[0])):
        _refuse_hours(hours)
    if not 1 <= first <= longest or not 1 <= last <= longest:
        raise DatesRefused(f"name a day that {month} does not have")
    if last < first:
        raise DatesRefused(f"have the range {listed[2]}-{listed[3]} the wrong way round")
    if step is None:
        return [listed[0]]
    if int(step) == 0:
        raise DatesRefused("have a step of 0 days")
    return [f"{month} {day:02}" for day in range(first, last + 1, int(step))]


def _refuse_hours(hours: re.Match[str]) -> NoReturn:
    raise DatesRefused(
        f"have “{hours[1]}-{hours[2]}”, which are hours without minutes; "
        f"write `{int(hours[1]):02}:00-{int(hours[2]):02}:00`"
    )


def _date(entry: str) -> str:
    year = re.match(r"(\d{4}) ", entry)
    months = _MONTHS.fullmatch(entry[5:] if year else entry)
    if months is not None:
        order = list(MAX_DAYS_OF_MONTH)
        if year and months[2] and order.index(months[2]) < order.index(months[1]):
            raise DatesRefused(
                f"have “{entry}”, which runs into another year; write `2026 Oct 01-2027 Feb 28`"
            )
        return entry
    single = _SINGLE.fullmatch(entry)
    if single is not None and single[4] is None:
        _edge(single.groups(), fixed_only=False)
        return entry
    if _FROM_A_DATE_ON.fullmatch(entry):
        return entry
    found = _RANGE.fullmatch(entry)
    if found is None:
        if hours := _HOURS.search(entry):
            _refuse_hours(hours)
        raise DatesRefused(f"have the dates “{entry}”, which are not understood; write them like `Oct 01-07`")
    groups = found.groups()
    first = _edge(groups[:6], fixed_only=True)
    last = _edge(groups[6:12], fixed_only=True)
    _require_one_order(entry, first, last)
    return entry


def _edge(groups: tuple[str | None, ...], *, fixed_only: bool) -> _Edge:
    year, month, day, nth, easter, offset = groups
    days_after = int(offset or 0)
    of_year = int(year) if year else None
    if easter:
        if abs(days_after) > FURTHEST_EASTER_OFFSET_DAYS:
            raise DatesRefused(
                f"are more than {FURTHEST_EASTER_OFFSET_DAYS} days before or after Easter; write a date"
            )
        return _Edge(of_year, EASTER_EARLIEST + days_after, EASTER_LATEST + days_after, days_after)
    assert month is not None
    before = sum(list(MAX_DAYS_OF_MONTH.values())[: list(MAX_DAYS_OF_MONTH).index(month)])
    longest = MAX_DAYS_OF_MONTH[month]
    if day is not None:
        if not 1 <= int(day) <= longest:
            raise DatesRefused(f"name a day that {month} does not have")
        if fixed_only and days_after:
            raise DatesRefused("have an offset in days in a range; write the date itself")
        return _Edge(of_year, before + int(day), before + int(day), None)
    assert nth is not None
    if days_after or abs(int(nth)) == 5:
        raise DatesRefused("have a range with a weekday that some years do not have; write a date")
    first = 7 * (int(nth) - 1) + 1 if int(nth) > 0 else longest + 7 * int(nth) + 1
    # February may be a day shorter, so that its last seven days may begin a day earlier.
    return _Edge(of_year, before + first - (month == "Feb" and int(nth) < 0), before + first + 6, None)


def _require_one_order(entry: str, first: _Edge, last: _Edge) -> None:
    """Raise DatesRefused unless the first end of the range precedes the last in every year, or in none."""
    if first.year is not None and last.year is not None:
        if first.year > last.year:
            raise DatesRefused(f"have the range “{entry}” the wrong way round")
        if first.year < last.year:
            return
    elif last.year is not None:
        raise DatesRefused("have a year only at the end of a range; write it at both ends")
    if first.days_after_easter is not None and last.days_after_easter is not None:
        in_order = first.days_after_easter <= last.days_after_easter
    else:
        in_order = first.latest <= last.earliest
    if in_order:
        return
    if first.year is not None or last.year is not None:
        raise DatesRefused(f"have “{entry}”, which runs into another year; write the year at both ends")
    if first.earliest <= last.latest:
        raise DatesRefused(
            f"have the range “{entry}”, whose end comes before its start in some years; write dates like "
            "`Apr 10-Oct 15`"
        )


def leaves_its_month(nth: frozenset[int], days_after: int) -> bool:
    """Return whether the day `days_after` days from the nth weekday of a month may be in another month."""
    first = min((7 * (n - 1) + 1 if n > 0 else 28 + 7 * n + 1 for n in nth), default=1)
    last = max((7 * n if n > 0 else 28 + 7 * (n + 1) for n in nth), default=28)
    return days_after != 0 and not (first + days_after >= 1 and last + days_after <= 28)
