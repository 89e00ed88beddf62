"""Days as people write them in a table: understood, or told what would be right, never guessed."""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from datetime import date, timedelta
from typing import Final

FIRST_OF_SERIALS: Final = date(1899, 12, 30)
"""Day 0 of a spreadsheet; what it takes for 29 February 1900 lies before every day that is meant here."""
SERIALS: Final = range(32_874, 73_416)
"""1990 to 2100: what is no such number is no day."""

_YEAR_FIRST: Final = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})[日号]?)"
    r"(?:[ t]0{1,2}:00(?::00(?:\.0+)?)?)?"
)
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_SERIAL: Final = re.compile(r"([0-9]{5})(?:\.0+)?")
_YEAR_LAST: Final = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_DAY_NAMED: Final = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?[ -]?([a-z]{3,9})\.?,?[ -]?([0-9]{4})")
_MONTH_NAMED: Final = re.compile(r"([a-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)


def day_written(text: str) -> date | str:
    """The day; or why it is none, and what would be right.

    2026-03-01, 2026/3/1, 2026.3.1, 2026年3月1日, 20260301, 1 Mar 2026, March 1, 2026, and a spreadsheet's
    number of a day (46082). 3/4/2026 may be two days, and is not guessed; 31/3/2026 can be only one.
    """
    written = " ".join(unicodedata.normalize("NFKC", text).casefold().split())[:60]
    if found := _YEAR_FIRST.fullmatch(written):
        return _day(found[1], found[3] or found[5], found[4] or found[6])
    if found := _COMPACT.fullmatch(written):
        return _day(*found.groups())
    if (found := _SERIAL.fullmatch(written)) and int(found[1]) in SERIALS:
        return FIRST_OF_SERIALS + timedelta(days=int(found[1]))
    if found := _YEAR_LAST.fullmatch(written):
        return _of_year_last(int(found[1]), int(found[3]), found[4])
    if found := _DAY_NAMED.fullmatch(written):
        return _named(found[3], found[2], found[1])
    if found := _MONTH_NAMED.fullmatch(written):
        return _named(found[3], found[1], found[2])
    return "must be a date such as 2027-05-31"


def _of_year_last(first: int, second: int, year: str) -> date | str:
    if first == second or second > 12:
        return _day(year, str(first), str(second))
    if first > 12:
        return _day(year, str(second), str(first))
    return (
        f"may be the {first}th of month {second} or the {second}th of month {first}: "
        f"write {year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}"
    )


def _named(year: str, month: str, day: str) -> date | str:
    number = next(
        (place for place, name in enumerate(_MONTHS, start=1) if name == month or name[:3] == month),
        9 if month == "sept" else None,
    )
    return "must be a date such as 2027-05-31" if number is None else _day(year, str(number), day)


def _day(year: str, month: str, day: str) -> date | str:
    if int(year) < 1 or not 1 <= int(month) <= 12:
        return f"is no day: there is no month {int(month)}"
    if not 1 <= int(day) <= monthrange(int(year), int(month))[1]:
        return f"is no day: {int(year)}-{int(month):02} has no day {int(day)}"
    return date(int(year), int(month), int(day))
