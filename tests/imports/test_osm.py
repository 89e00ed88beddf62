"""OpenStreetMap tags read as devices: both languages, hours, access, and unusual values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from aed.imports.formats.recognise import read_devices
from aed.imports.schemas import DeviceRow
from tests.imports.lists import feature, geojson, point


def row(tmp_path: Path, tags: dict[str, Any], **identity: Any) -> DeviceRow:
    """Return the device row read from a node with these tags."""
    path = geojson(
        tmp_path, feature({"emergency": "defibrillator"} | tags, point(), **(identity or {"id": "node/7"}))
    )
    (record,) = read_devices(path)
    return TypeAdapter(DeviceRow).validate_python({**record.fields, "region": "X"})


@pytest.mark.parametrize(
    ("tags", "en", "zh"),
    [
        ({"defibrillator:location": "Lobby"}, "Lobby", None),
        ({"defibrillator:location": "大堂"}, None, "大堂"),
        ({"defibrillator:location:en": "Lobby", "defibrillator:location:zh": "大堂"}, "Lobby", "大堂"),
        ({"defibrillator:location": "大堂", "defibrillator:location:en": "Lobby"}, "Lobby", "大堂"),
        ({"defibrillator:location": "Eingang", "defibrillator:location:zh": "入口"}, "Eingang", "入口"),
        ({"name": "体育馆", "name:en": "Sports hall"}, "Sports hall", "体育馆"),
        ({"defibrillator:location": "Lobby", "name": "体育馆"}, "Lobby", "体育馆"),
        ({"defibrillator:location": "Lobby", "name": "Sports hall"}, "Lobby", None),
        ({"name": "   "}, None, None),
        ({}, None, None),
    ],
)
def test_the_place_is_described_in_two_languages(
    tmp_path: Path, tags: dict[str, str], en: str | None, zh: str | None
) -> None:
    found = row(tmp_path, tags)
    assert (found.place_en, found.place_zh) == (en, zh)


def test_access_instructions_come_from_the_description(tmp_path: Path) -> None:
    found = row(tmp_path, {"description": "ring twice", "description:zh": "按铃两次"})
    assert (found.access_instructions_en, found.access_instructions_zh) == ("ring twice", "按铃两次")


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("24/7", "24/7"),
        ("Mo - Fr 7:00 - 17:00", "Mo-Fr 07:00-17:00"),
        ("office hours", None),
        ("Mo-Fr 25:99", None),
        ("x" * 5000, None),
        ("\x00\x07", None),
    ],
)
def test_hours_are_parsed_or_kept_as_text(tmp_path: Path, written: str, understood: str | None) -> None:
    found = row(tmp_path, {"opening_hours": written})
    assert found.opening_hours == understood
    assert (found.opening_hours_raw or "") == written.strip("\x00\x07 ")[:2000]


@pytest.mark.parametrize(
    ("access", "audience", "entry"),
    [
        (None, "public", "free"),
        ("yes", "public", "free"),
        ("customers", "public", "free"),
        ("private", "dispatch", "assisted"),
        ("no", "dispatch", "assisted"),
        ("Während Öffnungszeiten", "public", "unknown"),
    ],
)
def test_the_access_tag_determines_the_audience(
    tmp_path: Path, access: str | None, audience: str, entry: str
) -> None:
    found = row(tmp_path, {"access": access})
    assert (found.audience, found.entry) == (audience, entry)


@pytest.mark.parametrize(
    ("given", "source_id"),
    [
        ({"id": "node/12"}, "node/12"),
        ({"id": "n12"}, "node/12"),
        ({"id": "w12"}, "way/12"),
        ({"id": 12}, "node/12"),
    ],
)
def test_the_id_is_the_openstreetmap_id(tmp_path: Path, given: dict[str, Any], source_id: str) -> None:
    assert row(tmp_path, {}, **given).source_id == source_id


def test_the_id_can_come_from_a_tag(tmp_path: Path) -> None:
    assert row(tmp_path, {"@id": "relation/3"}, bbox=[]).source_id == "relation/3"
    assert row(tmp_path, {"osm_id": 4}, bbox=[]).source_id == "node/4"


@pytest.mark.parametrize(
    ("level", "floor"),
    [("0", 0), ("-1", -1), ("2;3", 2), ("1.5", 0), ("999", 200), ("EG", 0), ("٣", 0), ("", 0), (None, 0)],
)
def test_the_floor_is_the_first_whole_level(tmp_path: Path, level: str | None, floor: int) -> None:
    assert row(tmp_path, {"level": level}).floor == floor


def test_odd_characters_and_long_words_do_not_lose_a_device(tmp_path: Path) -> None:
    found = row(
        tmp_path,
        {"defibrillator:location": "a\x00b\ud800c" + "x" * 3000, "manufacturer": "m" * 300, "note": {}},
    )
    assert found.place_en is not None
    assert found.place_en.startswith("a b c")
    assert (len(found.place_en), len(found.maker or "")) == (2000, 100)
