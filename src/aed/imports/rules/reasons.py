"""Why a row is set aside, in words for the person who can put it right."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST_REASONS = 3
LONGEST_REASON = 400
LONGEST_VALUE = 40

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
"""What a column that has a pattern holds."""

_KINDS: Mapping[str, str] = {
    "missing": "is needed",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode text",
    "string_too_short": "must not be so short",
    "date_from_datetime_parsing": "must be a date such as 2027-05-31",
    "date_parsing": "must be a date such as 2027-05-31",
    "datetime_parsing": "must be a moment such as 2026-12-31T00:00:00+08:00",
    "datetime_from_date_parsing": "must be a moment such as 2026-12-31T00:00:00+08:00",
    "dict_type": "must be a GeoJSON Polygon or MultiPolygon",
}


def reason_of(error: ValidationError, *, known: Collection[str], is_feature: bool) -> str:
    """Each wrong column with what would be right, at most three of them.

    `known` are the columns that there are; `is_feature`: the row's position is a geometry.
    """
    wrong = error.errors(include_url=False)
    if is_feature and any(each["type"] == "missing" and each["loc"][-1:] == ("lat",) for each in wrong):
        wrong = [each for each in wrong if each["loc"][-1:] not in (("lat",), ("lon",))]
        return _joined(["geometry: must be a Point with [longitude, latitude]", *_said(wrong, known)])
    if is_feature and any(each["type"] == "missing" and each["loc"][-1:] == ("boundary",) for each in wrong):
        wrong = [each for each in wrong if each["loc"][-1:] != ("boundary",)]
        return _joined(["geometry: must be a Polygon or MultiPolygon", *_said(wrong, known)])
    return _joined(_said(wrong, known))


def reasons_of(error: ValidationError, *, known: Collection[str]) -> list[tuple[str, str, str]]:
    """Each wrong column, pydantic's word for what is wrong with it, and what would be right."""
    return [
        (str(each["loc"][-1]) if each["loc"] else "", each["type"], _one(each, known))
        for each in error.errors(include_url=False)
    ]


def printable(text: str, length: int = LONGEST_REASON) -> str:
    """One line that any terminal and any file takes."""
    one_line = " ".join(text.split())
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in one_line)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def _joined(said: list[str]) -> str:
    return printable("; ".join(said[:MOST_REASONS]))


def _said(wrong: list[ErrorDetails], known: Collection[str]) -> list[str]:
    return [_one(each, known) for each in wrong]


def _one(wrong: ErrorDetails, known: Collection[str]) -> str:
    column = str(wrong["loc"][-1]) if wrong["loc"] else ""
    if wrong["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "kind: must be region, estate or gate"
    if wrong["type"] == "extra_forbidden":
        near = difflib.get_close_matches(column, known, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        return f"{printable(column, LONGEST_VALUE)}: is not a known name{hint}"
    said = _right(wrong, column)
    if wrong["type"] != "missing" and isinstance(wrong["input"], str | int | float):
        said += f" (it is '{printable(str(wrong['input']), LONGEST_VALUE)}')"
    return f"{column}: {said}" if column else said


def _right(wrong: ErrorDetails, column: str) -> str:
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
            return f"must not be before or below {context.get('ge')}"
        case "less_than_equal":
            return f"must not be after or above {context.get('le')}"
        case kind:
            return _KINDS.get(kind) or wrong["msg"]
