"""Rules for all lists: explain why a row is set aside, and parse dates as people write them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from calendar import monthrange
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_REASONS = 3
MAX_REASON_LENGTH = 400
MAX_VALUE_LENGTH = 40

_WRITTEN: Mapping[str, str] = {
    "source": "letters, digits and . _ : - only",
    "source_id": "one line of text without control characters",
    "estate": "one line of text without control characters",
    "region": "a region's code: letters, digits and . _ : - only",
    "code": "letters, digits and . _ : - only",
    "parent": "a region's code",
    "neighbourhood": "letters, digits and . _ : - only",
    "holiday_calendar": "a calendar's name, such as CN",
    "country": "two capital letters, such as CN",
    "emergency_number": "2 to 8 digits",
    "phone": "digits, spaces and + ( ) / . - only",
    "keeper_phone": "digits, spaces and + ( ) / . - only",
    "guard_phone": "digits, spaces and + ( ) / . - only",
}
"""What a column with a pattern contains."""

_MESSAGES_BY_ERROR_TYPE: Mapping[str, str] = {
    "missing": "is required",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode text",
    "string_too_short": "is too short",
    "date_from_datetime_parsing": "must be a date such as 2027-05-31",
    "date_parsing": "must be a date such as 2027-05-31",
    "datetime_parsing": "must be a date and time with an offset, such as 2026-12-31T00:00:00+08:00",
    "datetime_from_date_parsing": "must be a date and time with an offset, such as 2026-12-31T00:00:00+08:00",
    "dict_type": "must be a GeoJSON Polygon or MultiPolygon",
}


def reason_of(error: ValidationError, *, known: Collection[str], is_feature: bool) -> str:
    """Return the reason why a row is invalid: at most three wrong columns, each with a correction.

    `known` are the valid columns; `is_feature`: the position is a geometry.
    """
    wrong = error.errors(include_url=False)
    if is_feature and any(each["type"] == "missing" and each["loc"][-1:] == ("lat",) for each in wrong):
        wrong = [each for each in wrong if each["loc"][-1:] not in (("lat",), ("lon",))]
        return _one_message(
            ["geometry: must be a Point with [longitude, latitude]", *_messages(wrong, known)]
        )
    if is_feature and any(each["type"] == "missing" and each["loc"][-1:] == ("boundary",) for each in wrong):
        wrong = [each for each in wrong if each["loc"][-1:] != ("boundary",)]
        return _one_message(["geometry: must be a Polygon or MultiPolygon", *_messages(wrong, known)])
    return _one_message(_messages(wrong, known))


def reasons_of(error: ValidationError, *, known: Collection[str]) -> list[tuple[str, str, str]]:
    """Return each wrong column with pydantic's error type and a correction."""
    return [
        (str(each["loc"][-1]) if each["loc"] else "", each["type"], _message(each, known))
        for each in error.errors(include_url=False)
    ]


def printable(text: str, length: int = MAX_REASON_LENGTH) -> str:
    """Return the text as one printable line."""
    one_line = " ".join(text.split())
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in one_line)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def _one_message(parts: list[str]) -> str:
    return printable("; ".join(parts[:MAX_REASONS]))


def _messages(wrong: list[ErrorDetails], known: Collection[str]) -> list[str]:
    return [_message(each, known) for each in wrong]


def _message(wrong: ErrorDetails, known: Collection[str]) -> str:
    column = str(wrong["loc"][-1]) if wrong["loc"] else ""
    if wrong["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "kind: must be region, estate or gate"
    if wrong["type"] == "extra_forbidden":
        near = difflib.get_close_matches(column, known, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        return f"{printable(column, MAX_VALUE_LENGTH)}: unknown name{hint}"
    right = _what_is_valid(wrong, column)
    if wrong["type"] != "missing" and isinstance(wrong["input"], str | int | float):
        right += f" (it is '{printable(str(wrong['input']), MAX_VALUE_LENGTH)}')"
    return f"{column}: {right}" if column else right


def _what_is_valid(wrong: ErrorDetails, column: str) -> str:
    context: Mapping[str, Any] = wrong.get("ctx", {})
    match wrong["type"]:
        case "value_error":
            return str(context.get("error", wrong["msg"]))
        case "enum" | "literal_error":
            return f"must be {str(context.get('expected', '')).replace("'", '')}"
        case "string_pattern_mismatch" if column in _WRITTEN:
            return f"must be {_WRITTEN[column]}"
        case "string_too_long":
            return f"must have at most {context.get('max_length')} characters"
        case "greater_than_equal":
            return f"must not be less than {context.get('ge')}"
        case "less_than_equal":
            return f"must not be greater than {context.get('le')}"
        case kind:
            return _MESSAGES_BY_ERROR_TYPE.get(kind) or wrong["msg"]


FIRST_OF_SERIALS: Final = date(1899, 12, 30)
"""Day 0 of spreadsheets, correct for dates after their nonexistent 29 February 1900."""
SERIALS: Final = range(32_874, 73_416)
"""Serial numbers from 1990 to 2100; others are not read as dates."""

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


_UNREADABLE: Final = "must be a date such as 2027-05-31"


def day_written(text: str) -> date | str:
    """Parse a date; return a sentence with the reason and a correction if it is not one.

    Accepts 2026-03-01, 2026/3/1, 2026.3.1, 2026年3月1日, 20260301, 1 Mar 2026, March 1, 2026, and a
    spreadsheet's serial day number (46082). 3/4/2026 is ambiguous and rejected; 31/3/2026 is not.
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
        return _invalid_date(found[3], found[2], found[1])
    if found := _MONTH_NAMED.fullmatch(written):
        return _invalid_date(found[3], found[1], found[2])
    return _UNREADABLE


def _of_year_last(first: int, second: int, year: str) -> date | str:
    if first == second or second > 12:
        return _day(year, str(first), str(second))
    if first > 12:
        return _day(year, str(second), str(first))
    return (
        "is ambiguous (day and month could be swapped): write "
        f"{year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}"
    )


def _invalid_date(year: str, month: str, day: str) -> date | str:
    number = next(
        (place for place, name in enumerate(_MONTHS, start=1) if name == month or name[:3] == month),
        9 if month == "sept" else None,
    )
    return _UNREADABLE if number is None else _day(year, str(number), day)


def _day(year: str, month: str, day: str) -> date | str:
    if int(year) < 1:
        return _UNREADABLE
    if not 1 <= int(month) <= 12:
        return f"is not a date: there is no month {int(month)}"
    if not 1 <= int(day) <= monthrange(int(year), int(month))[1]:
        return f"is not a date: {int(year)}-{int(month):02} has no day {int(day)}"
    return date(int(year), int(month), int(day))
