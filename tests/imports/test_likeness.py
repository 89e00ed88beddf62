"""The similarity of two entries: invented ones, and neighbours in published lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from aed.imports.devices.likeness import FAR_METRES, ComparedEntry, likeness
from aed.imports.devices.matching import compared_entry
from aed.imports.devices.rules import Thresholds, claims_of, metres_apart
from aed.imports.formats.recognise import read_devices
from aed.imports.schemas import DeviceRow
from tests.imports.test_real_lists import published

SURE, MAYBE = Thresholds().same_device_score, Thresholds().maybe_same_score
LOBBY = ComparedEntry(place_zh="图书馆一楼大堂服务台旁", maker="Mindray")


def score(one: ComparedEntry, other: ComparedEntry, metres: float) -> float:
    return likeness(one, other, metres=metres).score


def test_the_same_description_a_few_metres_apart_is_one_device() -> None:
    assert score(LOBBY, LOBBY, 5) >= SURE
    assert score(LOBBY, replace(LOBBY, maker=None, place_zh="图书馆 一楼大堂（服务台旁）"), 12) >= SURE


def test_nearby_devices_are_possible_duplicates_and_distant_ones_are_not() -> None:
    assert MAYBE <= score(LOBBY, ComparedEntry(), 8) < SURE
    assert score(LOBBY, ComparedEntry(), 60) < MAYBE
    assert score(LOBBY, LOBBY, 100) < SURE


def test_an_equal_serial_number_decides() -> None:
    numbered = replace(LOBBY, serial="SN-0001")
    assert score(numbered, ComparedEntry(serial="sn0001", place_zh="别处"), 60) >= SURE
    assert score(numbered, replace(LOBBY, serial="SN-2"), 0) < MAYBE


def test_neighbouring_devices_of_one_building_are_not_one_device() -> None:
    second = replace(LOBBY, place_zh="图书馆大堂", floor=2)
    assert score(second, replace(second, floor=5), 10) < SURE
    assert score(replace(second, serial="1"), replace(second, floor=5, serial="1"), 10) >= MAYBE
    two, five = (ComparedEntry(place_zh=f"{number}号楼大堂电梯左侧") for number in (2, 5))
    assert score(two, five, 10) < SURE
    office, desk = (
        ComparedEntry(place_zh=f"市图书馆 中山路100号 {spot}") for spot in ("管理中心", "游客服务台")
    )
    assert score(office, desk, 0) < SURE


def test_every_score_has_its_reasons() -> None:
    found = likeness(replace(LOBBY, serial="1"), replace(LOBBY, serial="1", floor=3), metres=12)
    assert [sign.what for sign in found.signs] == ["distance", "words", "serial", "maker"]
    assert found.signs[0].reason == "12 m apart"


texts = st.none() | st.text(max_size=20)
entries = st.builds(
    ComparedEntry, texts, texts, st.none() | st.integers(-20, 200), texts, texts, texts, texts, texts
)


@given(entries, entries, st.floats(0, FAR_METRES))
def test_the_score_is_between_0_and_1_and_symmetric(
    one: ComparedEntry, other: ComparedEntry, metres: float
) -> None:
    there, back = score(one, other, metres), score(other, one, metres)
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(back, abs=1e-9)


LISTS = {
    "liechtenstein/liechtenstein_aeds.geojson": 1,  # one duplicate entry in the list itself
    "poland/aed_poland.csv": 0,
    "japan/ichikawa_cp932.csv": 0,
    "japan/takamatsu.xlsx": 2,  # community centres that the list contains twice
    "taiwan/twaed_sample.csv": 4,  # three are aeroplanes with the same address and description
}
"""Pairs of neighbours in the same list that would be taken for one device."""


def entries_of(path: str) -> list[dict[str, Any]]:
    rows = TypeAdapter(DeviceRow)
    found = []
    for record in read_devices(published(path)):
        if record.wrong is None and "lat" in record.fields:
            row = rows.validate_python(dict(record.fields))
            found.append(claims_of(row.model_dump(mode="json", exclude_unset=True)))
    return found


@pytest.mark.parametrize(("path", "most"), LISTS.items(), ids=LISTS)
def test_neighbouring_devices_in_a_published_list_are_not_merged(path: str, most: int) -> None:
    found = entries_of(path)
    taken = []
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            metres = metres_apart(one["position"], other["position"])
            if metres <= FAR_METRES and score(compared_entry(one), compared_entry(other), metres) >= SURE:
                taken.append((one, other))
    assert len(taken) <= most, taken


@pytest.mark.parametrize("path", LISTS)
def test_a_device_listed_again_is_matched_or_suggested(path: str) -> None:
    for labelled in entries_of(path):
        entry = compared_entry(labelled)
        assert score(entry, entry, 0) >= SURE
        assert score(entry, entry, 10) >= MAYBE
        assert score(entry, replace(entry, place_en=None, place_zh=None, serial=None), 10) >= MAYBE
