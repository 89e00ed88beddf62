"""aed nearest, aed walking: valid and invalid arguments."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

from aed.cli import screen
from aed.database.session import Database
from tests import make
from tests.cases import each_case
from tests.cli.conftest import Aed
from tests.imports.lists import DISTRICT
from tests.make import PATIENT, north_of

HERE = (PATIENT.lat, PATIENT.lon, "--at", "2026-09-22T10:00:00+08:00")


@pytest.fixture
def devices(database: Database) -> None:
    """Add a public device, one of an estate, one deep underground, and a responder."""
    with database.write_sessions.begin() as session:
        estate = make.estate(session, source="list", source_id="e")
        make.device(session, at=north_of(PATIENT, metres=100), place_zh="大堂", place_en="Lobby", maker="M")
        private = north_of(PATIENT, metres=50)
        make.device(session, at=private, of=estate, audience="estate", entry="assisted", place_en="Private")
        make.device(session, at=north_of(PATIENT, metres=300), opening_hours="Mo-Fr 20:00-22:00", floor=-1)
        make.responder(session)


def asked(aed: Aed, *more: object, warns: bool = True) -> dict[str, object]:
    """Run the command and return its JSON; assert the warning about a missing network."""
    found = json.loads(aed("nearest", *HERE, "--json", *more, warns=warns).out)
    assert isinstance(found, dict)
    return found


def places(answer: dict[str, object]) -> list[str]:
    found = answer["devices"]
    assert isinstance(found, list)
    return [device["place"]["en"] for device in found]


def test_a_stranger_finds_the_nearest_devices(aed: Aed, devices: None) -> None:
    result = aed("nearest", *HERE, warns=True)
    assert "Call 120 first" in result.out
    assert "Lobby" in result.out
    assert "Private" not in result.out
    assert "急救员" not in result.out


def test_each_viewer_finds_the_devices_visible_to_them(aed: Aed, devices: None) -> None:
    anonymous = asked(aed)
    assert (places(anonymous), anonymous["responders"]) == (["Lobby"], None)
    for viewer in ("estate:1", "estate:list/e"):
        member = asked(aed, "--as", viewer)
        assert (sorted(places(member)), member["responders"]) == (["Lobby", "Private"], None)
    for viewer in ("dispatcher:CN-33", "administrator"):
        dispatcher = asked(aed, "--as", viewer)
        assert sorted(places(dispatcher)) == ["Lobby", "Private"]
        assert isinstance(dispatcher["responders"], list)
        assert len(dispatcher["responders"]) == 1


@each_case(
    "viewer",
    [
        *("nobody", "", "estate", "estate:", "estate:x", "estate:²", "estate:99", f"estate:{10**30}"),
        *("estate:list/x", "dispatcher:", "dispatcher:XX", "anonymous:1", "administrator:x", "\x00"),
    ],
)
def test_an_unknown_viewer_is_refused(aed: Aed, viewer: str) -> None:
    aed("nearest", *HERE, "--as", viewer, fails=True)


def test_json_output_is_valid_on_a_narrow_screen(
    aed: Aed, devices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert asked(aed, "--route", "--limit", "1", "--floor", "3")["basis"] == "straight_line"


def test_a_datum_converts_the_position(aed: Aed, devices: None) -> None:
    def metres(*more: object) -> int:
        result = aed("nearest", 30.2876, 120.1047, *HERE[2:], "--json", *more, warns=True)
        answer = json.loads(result.out)
        return int((answer["devices"] + answer["too_far"])[0]["straight_metres"])

    assert metres("--datum", "gcj02") < 120
    assert metres() > 400


@pytest.mark.one_engine("a refusal before any statement")
@each_case(
    "words",
    [
        (95, 120),
        (120.1, 30.29),
        ("nan", 120),
        (PATIENT.lat, PATIENT.lon, "--at", "yesterday"),
        (PATIENT.lat, PATIENT.lon, "--at", "2026-09-22T10:00:00"),
        (PATIENT.lat, PATIENT.lon, "--at", "0001-01-01T00:00:00Z"),
    ],
)
def test_an_invalid_lookup_is_refused(aed: Aed, words: tuple[object, ...]) -> None:
    aed("nearest", *words, fails=True)


def test_negative_latitudes_and_longitudes_are_accepted(aed: Aed) -> None:
    for lat, lon in ((-33.8, 151.2), (40.7, -74.0), (-22.9, -43.2)):
        result = aed("nearest", lat, lon, warns=True)
        assert "Call 112 first" in result.out
        assert "No device can be used now" in result.out


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_the_table_fits_the_screen(aed: Aed, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("estates.geojson", "devices.csv", "responders.csv"):
        aed("import", name.partition(".")[0], DISTRICT / name)
    monkeypatch.setattr(screen.console, "width", columns)
    result = aed("nearest", 30.290005, 120.10156, *HERE[2:], "--as", "dispatcher:CN-33", warns=True)

    lines = result.out.splitlines()
    assert max(cell_len(line) for line in lines) <= max(columns, 100)
    assert "\x1b" not in result.out
    first = next(line for line in lines if line.startswith("1 "))
    assert "someone must let you in, until 22:00" in first
    assert any("日晷庭22幢会所二楼" in line for line in lines)


def test_a_walking_network_is_built_shown_and_used(aed: Aed, devices: None, tmp_path: Path) -> None:
    result = aed("walking", "build", DISTRICT / "streets.osm.pbf")
    assert "nodes" in result.out
    assert "nodes" in aed("walking", "show").out
    assert asked(aed, warns=False)["basis"] == "walking_network"
    aed("walking", "build", DISTRICT / "streets.osm.pbf", "--output", tmp_path / "new" / "folder.npz")


@pytest.mark.one_engine("a refusal before any statement")
@pytest.mark.parametrize("content", [b"", b"no extract", None])
def test_a_file_that_is_not_an_extract_is_refused(aed: Aed, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "streets.osm.pbf"
    if content is not None:
        path.write_bytes(content)
    aed("walking", "build", path, fails=True)
    aed("walking", "build", tmp_path, fails=True)
    aed("walking", "show", path, fails=True)


def test_a_truncated_extract_and_network_are_refused(aed: Aed, devices: None, tmp_path: Path) -> None:
    whole = (DISTRICT / "streets.osm.pbf").read_bytes()
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(whole[: len(whole) // 2])
    aed("walking", "build", cut, fails=True)

    aed("walking", "build", DISTRICT / "streets.osm.pbf")
    network = tmp_path / "walking.npz"
    shutil.copyfile(network, tmp_path / "whole.npz")
    network.write_bytes(network.read_bytes()[:5_000])
    aed("walking", "show", fails=True)
    aed("walking", "show", tmp_path / "whole.npz")


def test_a_damaged_network_does_not_stop_the_lookup(aed: Aed, devices: None, tmp_path: Path) -> None:
    (tmp_path / "walking.npz").write_bytes(b"damaged")
    assert "Lobby" in aed("nearest", *HERE, warns=True).out
    assert asked(aed)["basis"] == "straight_line"
