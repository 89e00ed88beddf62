"""Storeys as named locally and floors of the API: never confused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.errors import InvalidInput
from aed.registry.storeys import (
    HIGHEST_FLOOR,
    LOWEST_FLOOR,
    floor_from_storey,
    floor_of_room,
    floor_of_storey,
    storey_sign,
    storey_words,
)


@pytest.mark.parametrize(
    ("storey", "floor_in_china", "floor_in_england"),
    [
        *(("3", 2, 3), ("3楼", 2, 3), ("３ 层", 2, 3), ("三层", 2, 3), ("3F", 2, 3), ("L3", 2, 3)),
        *(("十楼", 9, 10), ("十二层", 11, 12), ("二十一楼", 20, 21), ("第5层", 4, 5), ("1楼", 0, 1)),
        *(
            ("B1", -1, -1),
            ("b2", -2, -2),
            ("-1", -1, -1),
            ("−1", -1, -1),
            ("地下一层", -1, -1),
            ("负二楼", -2, -2),
        ),
        *(("G", 0, 0), ("G/F", 0, 0), ("首层", 0, 0), ("ground floor", 0, 0)),
    ],
)
def test_a_storey_is_read_by_the_floor_numbering_of_the_country(
    storey: str, floor_in_china: int, floor_in_england: int
) -> None:
    assert floor_of_storey(storey.replace("−", "-"), counts_ground_as_one=True) == floor_in_china
    assert floor_of_storey(storey.replace("−", "-"), counts_ground_as_one=False) == floor_in_england


@pytest.mark.parametrize(
    "storey", ["", "0", "夹层", "M", "3-4", "B0", "3A", "楼", "1000", "-99", "3.5", "\0"]
)
def test_a_storey_that_is_not_certain_is_refused(storey: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        floor_of_storey(storey, counts_ground_as_one=True)
    assert refused.value.field == "storey"


@pytest.mark.parametrize(
    ("room", "floor"),
    [
        ("301", 2),
        ("301室", 2),
        ("1203", 11),
        ("0301", 2),
        ("2单元1203室", 11),
        ("3-301", 2),
        ("３０１", 2),
        ("101", 0),
    ],
)
def test_the_storey_of_a_room(room: str, floor: int) -> None:
    assert floor_of_room(room, counts_ground_as_one=True) == floor


@pytest.mark.parametrize("room", ["", "3", "12", "B101", "A301", "10301", "001", "12-03", "301A", "门卫"])
def test_a_room_number_with_an_uncertain_storey_is_refused(room: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        floor_of_room(room, counts_ground_as_one=True)
    assert refused.value.field == "room"


def test_equal_floor_and_storey_are_accepted_and_different_ones_refused() -> None:
    assert floor_from_storey(floor=2, storey="3楼", room="301室", counts_ground_as_one=True) == 2
    assert floor_from_storey(floor=None, storey=None, room=None, counts_ground_as_one=True) is None
    with pytest.raises(InvalidInput) as refused:
        floor_from_storey(floor=3, storey="3楼", room=None, counts_ground_as_one=True)
    assert "floor 3 is storey 4 (floor 3); storey 3楼 is storey 3 (floor 2)" in refused.value.detail


def test_both_numbers_are_in_the_words() -> None:
    assert storey_words(2, counts_ground_as_one=True) == {"en": "storey 3 (floor 2)", "zh": "3楼（floor 2）"}
    assert storey_words(2, counts_ground_as_one=False) == {"en": "storey 2 (floor 2)", "zh": "2楼（floor 2）"}
    assert storey_words(0, counts_ground_as_one=True)["zh"] == "1楼（floor 0）"
    assert storey_words(0, counts_ground_as_one=False)["zh"] == "地面层（floor 0）"
    assert storey_words(-1, counts_ground_as_one=True) == {
        "en": "basement 1 (floor -1)",
        "zh": "地下1层（floor -1）",
    }


@given(floor=st.integers(LOWEST_FLOOR, HIGHEST_FLOOR), counts_ground_as_one=st.booleans())
def test_the_words_read_back_are_the_same_floor(floor: int, counts_ground_as_one: bool) -> None:
    words = storey_words(floor, counts_ground_as_one=counts_ground_as_one)
    sign = storey_sign(floor, counts_ground_as_one=counts_ground_as_one)
    assert not sign.lstrip("-").isdecimal(), "it would be taken for a floor"
    for storey in (words["zh"].partition("（")[0], sign):
        assert floor_of_storey(storey, counts_ground_as_one=counts_ground_as_one) == floor


@given(text=st.text(max_size=12))
def test_any_text_is_a_floor_or_refused(text: str) -> None:
    for read in (floor_of_storey, floor_of_room):
        with contextlib.suppress(InvalidInput):
            assert LOWEST_FLOOR <= read(text, counts_ground_as_one=True) <= HIGHEST_FLOOR
