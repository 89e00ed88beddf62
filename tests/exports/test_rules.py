"""Bounding boxes, ranges of days and plain opening hours, at their limits."""

from __future__ import annotations

from datetime import date

import pytest

from aed.errors import InvalidInput
from aed.exports.rules import Bounds, DateRange, PlainHours, parse_bounds, parse_days, plain_hours

WEEK = (0, 1, 2, 3, 4, 5, 6)


# --- Bounding boxes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bbox", "bounds"),
    [
        ("120.1,30.2,120.3,30.4", Bounds(120.1, 30.2, 120.3, 30.4)),
        ("120.1,30.2,-50,120.3,30.4,900", Bounds(120.1, 30.2, 120.3, 30.4)),  # the heights are ignored
        ("-180,-90,180,90", Bounds(-180.0, -90.0, 180.0, 90.0)),
        ("180,30,-180,30", Bounds(180.0, 30.0, -180.0, 30.0)),
    ],
)
def test_a_bounding_box_is_four_numbers_or_six(bbox: str, bounds: Bounds) -> None:
    assert parse_bounds(bbox) == bounds


@pytest.mark.parametrize(
    "bbox",
    ["", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,2,x,4", "nan,2,3,4", "1,2,3,inf"],
)
def test_another_count_of_numbers_is_no_bounding_box(bbox: str) -> None:
    with pytest.raises(InvalidInput, match="must be four numbers") as refusal:
        parse_bounds(bbox)
    assert refusal.value.field == "bbox"


@pytest.mark.parametrize(
    "bbox",
    [
        "180.5,30,120,40",
        "-180.5,30,120,40",
        "120,30,180.5,40",
        "120,30,-180.5,40",
        "120,-90.5,121,40",
        "120,30,121,90.5",
        "120,40,121,30",
        "181,91,181,92",
    ],
)
def test_a_bounding_box_off_the_earth_or_upside_down_is_refused(bbox: str) -> None:
    with pytest.raises(InvalidInput, match="with south not greater than north") as refusal:
        parse_bounds(bbox)
    assert refusal.value.field == "bbox"


def test_a_box_across_the_antimeridian_is_two_boxes() -> None:
    across = Bounds(170.0, -10.0, -160.0, 20.0)

    assert across.without_antimeridian() == (
        Bounds(170.0, -10.0, 180.0, 20.0),
        Bounds(-180.0, -10.0, -160.0, 20.0),
    )
    for box in (Bounds(-160.0, -10.0, 170.0, 20.0), Bounds(120.0, 30.0, 120.0, 30.0)):
        assert box.without_antimeridian() == (box,)


# --- Ranges of days -------------------------------------------------------------------------------------

MARCH, JUNE = date(2026, 3, 1), date(2026, 6, 1)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2026-03-01", DateRange(MARCH, MARCH)),
        ("2026-03-01T23:30:00Z", DateRange(MARCH, MARCH)),
        ("2026-03-01/2026-06-01", DateRange(MARCH, JUNE)),
        ("2026-03-01T08:00:00+08:00/2026-06-01", DateRange(MARCH, JUNE)),
        ("2026-03-01/2026-03-01", DateRange(MARCH, MARCH)),
        ("2026-03-01/..", DateRange(MARCH, None)),
        ("2026-03-01/", DateRange(MARCH, None)),
        ("../2026-06-01", DateRange(None, JUNE)),
        ("/2026-06-01", DateRange(None, JUNE)),
    ],
)
def test_a_day_or_an_interval_of_days(text: str, days: DateRange) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be a date"),
        ("..", "must be a date"),
        ("/", "must be a date"),
        ("../..", "must be a date"),
        ("yesterday", "must be a date"),
        ("2026-03-01/today", "must be a date"),
        ("2026-03-01 08:00", "must be a date"),
        ("2026-06-01/2026-03-01", "must not be before its beginning"),
    ],
)
def test_an_interval_without_days_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence) as refusal:
        parse_days(text)
    assert refusal.value.field == "datetime"


# --- Plain hours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "hours"),
    [
        ("24/7", PlainHours(WEEK, "00:00", "24:00")),
        ("08:00-18:00", PlainHours(WEEK, "08:00", "18:00")),
        ("Mo 08:00-18:00", PlainHours((0,), "08:00", "18:00")),
        ("Su 08:00-18:00", PlainHours((6,), "08:00", "18:00")),
        ("Mo-Fr 08:00-18:00", PlainHours((0, 1, 2, 3, 4), "08:00", "18:00")),
        ("Sa-Mo 08:00-18:00", PlainHours((0, 5, 6), "08:00", "18:00")),
        ("We,Fr-Sa 22:00-06:00", PlainHours((2, 4, 5), "22:00", "06:00")),
        (None, None),
        ("", None),
        ("Mo-Fr 08:00-12:00,13:00-18:00", None),
        ("Mo-Fr 08:00-18:00; PH off", None),
    ],
)
def test_hours_that_are_the_same_on_some_days_are_plain(
    expression: str | None, hours: PlainHours | None
) -> None:
    assert plain_hours(expression) == hours


def test_only_whole_days_all_week_are_always() -> None:
    assert PlainHours(WEEK, "00:00", "24:00").is_always
    assert not PlainHours(WEEK[:6], "00:00", "24:00").is_always
    assert not PlainHours(WEEK, "00:00", "23:59").is_always
    assert not PlainHours(WEEK, "00:01", "24:00").is_always
