"""Lint one row by itself: impossible or expired dates, placeholders, contradictory hours, its town."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from aed.hours.text import understand_hours
from aed.hours.timetable import Opening, timetable_of
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.rules import printable

STAND_FOR_NO_DATE: Final = frozenset(
    {
        "1899-12-30", "1899-12-31", "1900-01-00", "1900-01-01", "1901-01-01", "1904-01-01", "1970-01-01",
        "1980-01-01", "1990-01-01", "1999-12-31", "2000-01-01", "2038-01-19", "2050-12-31", "2099-01-01",
        "2099-12-31", "2100-12-31", "2999-12-31", "9999-12-31", "0000-00-00", "0001-01-01",
    }
)  # fmt: skip
"""Dates that mean "no date": the epochs of spreadsheets and computers, and dates typed for "never"."""
EXPIRY_COLUMNS: Final = {
    "pads_expire_on": "pads",
    "child_pads_expire_on": "child pads",
    "battery_expires_on": "battery",
    "cartridge_expires_on": "combined cartridge",
}
CHECK_COLUMN: Final = "last_checked_on"
DATE_COLUMNS: Final = (*EXPIRY_COLUMNS, CHECK_COLUMN)
LASTS_YEARS: Final = 15
"""Maximum plausible lifetime of pads and batteries in years.

Makers state 2 to 5 years, and up to 10 for batteries in standby.
"""
FIRST_YEAR: Final = 2000
"""The earliest plausible year: older pads are no longer in use, and older checks are irrelevant."""

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_A_WEEK: Final = tuple(date(2001, 1, 1) + timedelta(days=day) for day in range(7))
_MIN_MINUTES: Final = 60
"""Minimum difference in minutes for two opening hours of one day to contradict each other."""


def date_findings(
    fields: Mapping[str, object], columns: Mapping[str, str], *, where: str, on: date
) -> Iterator[Finding]:
    """Return the findings about a row's dates as of the day `on`. Unreadable dates are left to the row's
    schema."""
    for name in DATE_COLUMNS:
        given = fields.get(name)
        text = str(given).strip() if given is not None else ""
        if not text:
            continue
        column = columns.get(name, name)
        if text[:10] in STAND_FOR_NO_DATE:
            yield Finding(
                FindingKind.DATE_IS_A_PLACEHOLDER,
                Severity.WARNING,
                where,
                column,
                text,
                "Programs write this date if there is none.",
                "The date, or an empty cell.",
            )
            continue
        day = _day(text)
        if day is None:
            continue
        what = EXPIRY_COLUMNS.get(name)
        if what is None:
            yield from _check_date(day, where=where, column=column, on=on)
        else:
            yield from _expiry(day, what, where=where, column=column, on=on)


def _day(text: str) -> date | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _check_date(day: date, *, where: str, column: str, on: date) -> Iterator[Finding]:
    read = day.isoformat()
    if day > on + timedelta(days=1):
        wrong = f"The last check is in the future (today is {on})."
        yield Finding(
            FindingKind.DATE_IMPOSSIBLE, Severity.ERROR, where, column, read, wrong, "A day up to today."
        )
    elif day.year < FIRST_YEAR:
        wrong = "Such an early date is probably a mistake."
        yield Finding(
            FindingKind.DATE_IMPOSSIBLE, Severity.WARNING, where, column, read, wrong, _century(day, on)
        )


def _expiry(day: date, what: str, *, where: str, column: str, on: date) -> Iterator[Finding]:
    read = day.isoformat()
    is_plural = what.endswith("s")
    if day.year < FIRST_YEAR or day.year > on.year + LASTS_YEARS:
        wrong = f"No {what} last{'' if is_plural else 's'} until then."
        if day.year < FIRST_YEAR:
            wrong = f"This date is too early: no {what} in use expired then."
        yield Finding(
            FindingKind.DATE_IMPOSSIBLE, Severity.ERROR, where, column, read, wrong, _century(day, on)
        )
    elif day < on:
        wrong = f"The {what} {'are' if is_plural else 'is'} expired (today is {on})."
        right = "The part that is fitted now, with its date; a device with expired parts is not offered."
        yield Finding(FindingKind.DATE_EXPIRED, Severity.WARNING, where, column, read, wrong, right)


def _century(day: date, on: date) -> str | None:
    """Return the same day in this century if it is plausible there: 2026 for 1926."""
    if day.year < FIRST_YEAR and 2000 + day.year % 100 <= on.year + LASTS_YEARS:
        return f"{2000 + day.year % 100}-{day:%m-%d}, perhaps."
    return None


def hours_contradiction(
    expression: str, words: str, *, language: str | None, is_note: bool, where: str, column: str | None
) -> Finding | None:
    """Return how two statements of the opening hours contradict each other.

    Returns None if they agree or if either is uncertain. `is_note`: the words accompany the structured hours,
    and may state that the place is closed during some of them.
    """
    meaning = understand_hours(words, language=language)
    if not meaning.certain or meaning.expression is None:
        return None
    day = day_of_contradiction(expression, meaning.expression, may_narrow=is_note)
    if day is None:
        return None
    return Finding(
        FindingKind.HOURS_CONTRADICT,
        Severity.WARNING,
        where,
        column,
        printable(words, 200),
        f"The words mean {meaning.expression}, the structured hours {expression}; they differ on {day}.",
        "One of the two; until then, the times at which both are open.",
    )


@lru_cache(maxsize=5_000)
def day_of_contradiction(structured: str, words: str, *, may_narrow: bool) -> str | None:
    """Return the first day of the week on which both are open but differ by an hour or more."""
    first, second = timetable_of(structured), timetable_of(words)
    if first is None or second is None:
        return None
    for day in _A_WEEK:
        minutes, others = (_open_minutes(table.day(day, None)) for table in (first, second))
        differing = others - minutes if may_narrow else others ^ minutes
        if minutes and others and len(differing) >= _MIN_MINUTES:
            return f"{day:%A}"
    return None


def _open_minutes(spans: tuple[tuple[int, Opening, str | None], ...]) -> frozenset[int]:
    """Return the minutes of a day that are certainly open; empty if any part is unknown."""
    if any(state is Opening.UNKNOWN for _, state, _ in spans):
        return frozenset()
    ends = [*(minute for minute, _, _ in spans[1:]), 24 * 60]
    return frozenset(
        minute
        for (start, state, _), end in zip(spans, ends, strict=True)
        if state is Opening.OPEN
        for minute in range(start, end)
    )


TOWN_COLUMNS: Final = (
    ("場所縣市", "場所區域"),
    ("所在地_都道府県", "所在地_市区町村"),
    ("都道府県名", "市区町村名"),
    ("市区町村名",),
    ("시도", "시군구"),
    ("시군구",),
    ("c_com_cp", "c_com_nom"),
    ("c_com_nom",),
    ("addr:city",),
    ("省", "市", "区县"),
    ("城市", "区县"),
    ("city", "district"),
    ("municipality",),
    ("commune",),
    ("comune",),
    ("gemeinde",),
    ("gmina",),
    ("city",),
    ("town",),
)
"""Names of town columns in lists, by priority; the first group that a file has and the row fills is used."""

_ADDRESS: Final = re.compile(
    r"(?:^|[\s·,，、])(?P<town>(?:[一-龥]{2,3}[都道府県縣省])?[一-龥ァ-ヶ]{1,5}?[市縣郡](?!場|场|民|立|營|営|役|内|民)"
    r"(?:[一-龥]{1,4}?[區区鄉乡鎮镇町村])?)"
)
_NO_TOWNS: Final = (
    "超市",
    "夜市",
    "門市",
    "门市",
    "菜市",
    "城市",
    "都市",
    "花市",
    "魚市",
    "鱼市",
    "果市",
    "早市",
)
_MAX_LENGTH: Final = 60


def town_of(raw: Mapping[str, str], words: str) -> str | None:
    """Return the row's town, normalised for comparison; None if the row does not name one."""
    for names in _columns(tuple(raw)):
        parts = [raw[name].strip() for name in names]
        if all(parts):
            return unicodedata.normalize("NFKC", " ".join(parts))[:_MAX_LENGTH]
    for found in _ADDRESS.finditer(words[:300]):
        town = found["town"]
        if not any(each in town for each in _NO_TOWNS):
            return unicodedata.normalize("NFKC", town)[:_MAX_LENGTH]
    return None


@lru_cache(maxsize=256)
def _columns(header: tuple[str, ...]) -> Sequence[tuple[str, ...]]:
    """Return the groups of town columns that a header contains, under the header's own names."""
    named = {unicodedata.normalize("NFKC", name).strip().casefold(): name for name in header}
    return tuple(
        tuple(named[name.casefold()] for name in names)
        for names in TOWN_COLUMNS
        if all(name.casefold() in named for name in names)
    )
