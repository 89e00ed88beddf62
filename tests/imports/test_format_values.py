"""Cell values: dates, floors, positions, text from HTML."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.imports.formats import values
from aed.imports.formats.floors import floor_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-05-31", date(2027, 5, 31)),
        ("2027/5/31", date(2027, 5, 31)),
        ("2027.05.31", date(2027, 5, 31)),
        ("20270531", date(2027, 5, 31)),
        ("31/05/2027", date(2027, 5, 31)),
        ("03/04/2027", date(2027, 4, 3)),
        ("2027-05-31T00:00:00+08:00", date(2027, 5, 31)),
        ("2027-05-31 12:00", date(2027, 5, 31)),
        ("２０２７年５月３１日", date(2027, 5, 31)),
        ("令和9年5月31日", date(2027, 5, 31)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("民國116年5月31日", date(2027, 5, 31)),
        ("2027년 5월 31일", date(2027, 5, 31)),
        ("2027-02-30", None),
        ("2027-13-01", None),
        ("2027-05", None),
        ("0000-00-00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_dates_are_read_in_many_notations(text: str, expected: date | None) -> None:
    assert values.date_of(text) == expected


def test_dates_with_the_month_first_are_read() -> None:
    assert values.date_of("03/04/2027", day_first=False) == date(2027, 3, 4)


UNCLEAR = "unclear"


@pytest.mark.parametrize(
    ("text", "where_1f_is_the_street", "where_it_is_not"),
    [
        ("1F", 0, 1),
        ("2F服務台", 1, 2),
        ("B1", -1, -1),
        ("B2F", -2, -2),
        ("地下1階", -1, -1),
        ("地下二樓停車場", -2, -2),
        ("지하1층", -1, -1),
        ("１階ロビー", 0, 1),
        ("十二樓", 11, 12),
        ("二十一层", 20, 21),
        ("3층", 2, 3),
        ("2nd floor", 1, 2),
        ("3", 2, 3),
        ("0", 0, 0),
        ("-1", -1, -1),
        ("G/F", 0, 0),
        ("1/F lobby", 0, 1),
        ("ground floor", 0, 0),
        ("RDC", 0, 0),
        ("2ème étage", 1, 2),
        ("étage 2", 1, 2),
        ("R+1", 0, 1),
        ("Parterre", 0, 0),
        ("正面玄関", None, None),
        ("服務台", None, None),
        ("3階建の1階", 0, 1),
        ("2階3階", UNCLEAR, UNCLEAR),
        ("1・2・3階", UNCLEAR, UNCLEAR),
        ("1樓及3樓", UNCLEAR, UNCLEAR),
        ("2-3F", UNCLEAR, UNCLEAR),
        ("地下", UNCLEAR, UNCLEAR),
        ("sous-sol", UNCLEAR, UNCLEAR),
        ("中2階", UNCLEAR, UNCLEAR),
        ("B777: F117A", None, None),
        ("樓梯旁", None, None),
        ("room 12", None, None),
    ],
)
def test_floors_are_read_in_many_notations(
    text: str, where_1f_is_the_street: int | str | None, where_it_is_not: int | str | None
) -> None:
    for ground, expected in ((1, where_1f_is_the_street), (0, where_it_is_not)):
        found = floor_of(text, ground=ground)
        assert (UNCLEAR if isinstance(found, str) else found) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(121.5,25.0)", ("121.5", "25.0")),
        ("POINT (121.5 25.0)", ("121.5", "25.0")),
        ("121.5；25.0", ("121.5", "25.0")),
        ("[-0.1, +51.5]", ("-0.1", "+51.5")),
        ("121.5", None),
        ("1 2 3", None),
        ("", None),
    ],
)
def test_coordinate_pairs_are_read_in_many_notations(text: str, expected: tuple[str, str] | None) -> None:
    assert values.pair(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("４８．８５", "48.85"), ("48,85", "48.85"), (" 48.85° ", "48.85"), ("48.85", "48.85"), ("x", "x")],
)
def test_degrees_are_read_in_many_notations(text: str, expected: str) -> None:
    assert values.degrees(text) == expected


def test_text_is_extracted_from_html() -> None:
    assert values.without_tags("<p>周一<b>至</b>周五</p><br/>08:00&amp;nbsp;-&nbsp;17:00") == (
        "周一 至 周五\n08:00 - 17:00"
    )
    assert values.without_entities("Tom &amp;amp;amp; Co") == "Tom & Co"
    assert values.array_items('{lundi,"jours fériés", x}') == ["lundi", "jours fériés", "x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("電話 (047)335-1711 内線2", "(047)335-1711"), ("+81 3 1234", "+81 3 1234"), ("none", None)],
)
def test_telephone_numbers_are_read_in_many_notations(text: str, expected: str | None) -> None:
    assert values.phone_of(text) == expected


@given(st.text(max_size=300))
def test_any_text_is_read_as_a_value_or_none(text: str) -> None:
    values.date_of(text)
    floor_of(text, ground=1)
    values.pair(text)
    values.degrees(text)
    values.phone_of(text)
    values.without_tags(text)
    values.array_items(text)
    assert "\r" not in values.clean(text)
