"""The reason why a row, a feature or a date is invalid."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from aed.imports.rules import day_written, reason_of, reasons_of


class Entry(BaseModel):
    lat: float
    lon: float
    floor: int


class Area(BaseModel):
    boundary: str
    floor: int


def reason(schema: type[BaseModel], given: dict[str, Any], *, is_feature: bool) -> str:
    with pytest.raises(ValidationError) as refused:
        schema.model_validate(given)
    return reason_of(refused.value, known=("lat", "lon", "floor", "boundary"), is_feature=is_feature)


def test_a_feature_without_a_position_is_asked_for_its_geometry() -> None:
    both = reason(Entry, {}, is_feature=True)
    assert both.startswith("geometry: must be a Point with [longitude, latitude]; floor: ")
    assert "lat:" not in both
    assert "lon:" not in both
    only = reason(Entry, {"floor": "x"}, is_feature=True)
    assert only.startswith("geometry: must be a Point with [longitude, latitude]; floor: ")
    assert "lat" not in reason(Entry, {"lat": 1, "lon": 2}, is_feature=True)


def test_a_feature_without_an_outline_is_asked_for_its_geometry() -> None:
    assert reason(Area, {}, is_feature=True).startswith(
        "geometry: must be a Polygon or MultiPolygon; floor: "
    )
    assert "geometry" not in reason(Area, {"boundary": "x"}, is_feature=True)


def test_each_wrong_column_is_named_with_what_was_written() -> None:
    class Row(BaseModel, extra="forbid"):
        floor: int

    with pytest.raises(ValidationError) as refused:
        Row.model_validate({"floor": "third", "flor": 3, "xyz": 1})

    assert reasons_of(refused.value, known=("floor", "lat")) == [
        ("floor", "int_parsing", "floor: must be a whole number (it is 'third')"),
        ("flor", "extra_forbidden", "flor: unknown name: did you mean floor?"),
        ("xyz", "extra_forbidden", "xyz: unknown name"),
    ]
    with pytest.raises(ValidationError) as missing:
        Row.model_validate({})
    assert [each[:2] for each in reasons_of(missing.value, known=())] == [("floor", "missing")]
    with pytest.raises(ValidationError) as whole:
        Row.model_validate(None)
    assert [each[0] for each in reasons_of(whole.value, known=())] == [""]


def test_a_row_without_a_position_is_asked_for_its_columns() -> None:
    text = reason(Entry, {}, is_feature=False)
    assert "geometry" not in text
    assert "lat: " in text
    assert "lon: " in text


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("13/5/2026", date(2026, 5, 13)),
        ("5/13/2026", date(2026, 5, 13)),
        ("12/12/2026", date(2026, 12, 12)),
        ("31-12-2026", date(2026, 12, 31)),
    ],
)
def test_day_and_month_are_certain_above_12_or_if_they_are_equal(written: str, day: date) -> None:
    assert day_written(written) == day


@pytest.mark.parametrize("written", ["12/11/2026", "11/12/2026", "1/2/2026"])
def test_day_and_month_that_could_be_swapped_are_ambiguous(written: str) -> None:
    first, second, year = (int(each) for each in written.split("/"))
    sentence = day_written(written)

    assert isinstance(sentence, str)
    assert f"{year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}" in sentence


def test_at_most_three_reasons_are_given() -> None:
    class Five(BaseModel):
        a: int
        b: int
        c: int
        d: int
        e: int

    def given(count: int) -> str:
        values = {name: "x" if place < count else 1 for place, name in enumerate("abcde")}
        return reason(Five, values, is_feature=False)

    assert [given(count).count("whole number") for count in (1, 3, 4, 5)] == [1, 3, 3, 3]


def test_a_long_value_is_cut_in_its_reason() -> None:
    text = reason(Area, {"boundary": "x", "floor": "y" * 1_000}, is_feature=False)

    assert "y" * 39 in text
    assert "y" * 41 not in text
    assert len(text) <= 400
