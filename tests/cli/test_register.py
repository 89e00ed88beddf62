"""The registry by hand: add, update, withdraw, show and list, with the author of each change."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path

import pytest

from aed.cli import main
from tests.cases import each_case
from tests.cli.conftest import Aed
from tests.make import PATIENT, square

REGION = [
    *("code=CN-33", "name_en=Zhejiang", "country=CN", "time_zone=Asia/Shanghai"),
    *("emergency_number=120", "holiday_calendar=CN"),
]


@pytest.fixture
def estate(aed: Aed, tmp_path: Path) -> str:
    """Add an estate in a region; return its id."""
    boundary = tmp_path / "boundary.json"
    boundary.write_text(json.dumps(square(PATIENT)), encoding="utf-8")
    aed("regions", "put", *REGION, "name_zh=浙江")
    fields = ["name_en=Lake", "name_zh=湖", "region=CN-33", "guard_phone=+86 571", f"boundary=@{boundary}"]
    result = aed("estates", "add", *fields)
    assert result.out.startswith("Estate ")
    return result.out.split()[1]


@pytest.fixture
def device(aed: Aed, estate: str) -> str:
    result = aed(
        "devices", "add", f"lat={PATIENT.lat}", f"lon={PATIENT.lon}", f"estate_id={estate}", "place_zh=大堂"
    )
    return result.out.split()[1]


def test_a_region_is_created_amended_listed_and_shown(aed: Aed) -> None:
    assert aed("regions", "put", *REGION, "name_zh=浙江").out == "Region CN-33 is Zhejiang 浙江.\n"
    aed("regions", "put", *REGION, "name_zh=浙江省")
    assert "浙江省" in aed("regions", "list").out
    shown = aed("regions", "show", "CN-33").out
    assert "name_zh: 浙江省\n" in shown
    assert "holiday_calendar: CN\n" in shown
    assert "There is no region 'XX'. Known: CN-33." in aed("regions", "show", "XX", fails=True).err


def test_an_estate_and_its_gate_are_added_amended_and_withdrawn(aed: Aed, estate: str) -> None:
    aed("estates", "amend", estate, "neighbourhood=north")
    gate = ["name_en=North", "name_zh=北门", f"lat={PATIENT.lat}", f"lon={PATIENT.lon}", "passage=guarded"]
    gate_id = aed("gates", "add", estate, *gate).out.split()[1]
    aed("gates", "amend", gate_id, "opening_hours=06:00-22:00")

    assert "neighbourhood: north\n" in aed("estates", "show", estate).out
    assert "湖" in aed("estates", "list").out
    assert "opening_hours: 06:00-22:00\n" in aed("gates", "show", gate_id).out
    assert "北门" in aed("gates", "list", estate).out

    aed("gates", "withdraw", gate_id)
    aed("estates", "withdraw", estate)
    who = f"cli:{getpass.getuser()}"
    history = aed("gates", "history", gate_id).out
    assert history.count(who) == 3
    assert "state: active → withdrawn" in history
    assert aed("estates", "history", estate).out.count(who) == 3


def test_a_device_is_added_amended_and_withdrawn(aed: Aed, device: str) -> None:
    aed("devices", "amend", device, "place_en=Lobby", "keeper_name=Wu", "keeper_phone=+86 100")
    fitted = aed("consumables", "fit", device, "kind=pads", "expires_on=2028-05-31").out.split()[1]
    aed("consumables", "amend", fitted, "expires_on=2029-05-31")

    shown = aed("devices", "show", device).out
    assert "place_zh: 大堂\n" in shown
    assert "first_expiry: 2029-05-31\n" in shown
    assert "大堂" in aed("devices", "list").out
    assert "expires_on: 2029-05-31\n" in aed("consumables", "show", fitted).out
    assert "expires_on: 2028-05-31 → 2029-05-31" in aed("consumables", "history", fitted).out

    aed("consumables", "withdraw", fitted)
    aed("devices", "withdraw", device)
    history = aed("devices", "history", device).out
    assert history.count(f"cli:{getpass.getuser()}") == 3
    assert "state: in_service → withdrawn" in history
    assert "place_en: None → Lobby" in history
    assert "withdrawn" in aed("devices", "list").out


def test_null_clears_a_field(aed: Aed, device: str) -> None:
    aed("devices", "amend", device, "place_zh=null")
    assert "place_zh: \n" in aed("devices", "show", device).out
    assert "floor cannot be null" in aed("devices", "amend", device, "floor=null", fails=True).err


def test_an_older_version_is_refused(aed: Aed, device: str) -> None:
    aed("devices", "amend", device, "place_en=Lobby", "--version", "1")
    result = aed("devices", "amend", device, "place_en=Attic", "--version", "1", fails=True)
    assert "version is now 2" in result.err


def test_an_estate_with_devices_is_not_withdrawn(aed: Aed, estate: str, device: str) -> None:
    assert "still has devices" in aed("estates", "withdraw", estate, fails=True).err


@each_case(
    ("words", "says"),
    [
        ("devices show 999", "Device 999 does not exist"),
        ("devices amend 999 floor=1", "Device 999 does not exist"),
        ("devices withdraw 999", "Device 999 does not exist"),
        ("devices history 999", "Device 999 does not exist"),
        ("estates show 999", "Estate 999 does not exist"),
        ("gates show 999", "Gate 999 does not exist"),
        ("gates list 999", "Estate 999 does not exist"),
        ("consumables show 999", "Consumable 999 does not exist"),
        ("consumables fit 999 kind=pads expires_on=2028-05-31", "Device 999 does not exist"),
        ("devices add lat=30 lon=120", "region"),
        ("devices add lat=120 lon=30 region=XX", "swapped"),
        ("devices add lat=nan lon=30 region=XX", "lat: must be a finite number"),
        ("devices add lat=30 lon=120 region=XX", "no region 'XX'"),
        ("devices add floor", "'floor' is not NAME=VALUE"),
        ("devices add colour=red", "Available fields: "),
        ("devices add opening_hours=whenever lat=30 lon=120 region=XX", "opening_hours: "),
        ("estates add boundary=@/nowhere.json", "cannot be read as JSON"),
        ("estates add boundary=@/etc", "cannot be read as JSON"),
        ("regions put code=X", "name_en: is required"),
        ("holidays show XX 2026", "XX"),
        ("holidays show CN 1999", "1999"),
        ("holidays put CN 2027 --holiday tomorrow", "Write a day as 2027-10-01"),
        ("holidays put CN 2027 --holiday 2026-10-01", "2027"),
        ("holidays remove CN 1999", "1999"),
        ("devices list --region XX", "XX"),
    ],
)
def test_an_invalid_command_is_refused_in_a_sentence(aed: Aed, words: str, says: str) -> None:
    assert says in aed(*words.split(), fails=True).err


def test_holidays_are_listed_shown_set_and_deleted(aed: Aed) -> None:
    assert "2026" in aed("holidays", "list").out
    assert "2026-10-01" in aed("holidays", "show", "CN", 2026).out
    aed("holidays", "put", "CN", 2027, "--holiday", "2027-10-01", "--workday", "2027-10-09")
    shown = aed("holidays", "show", "CN", 2027).out
    assert "2027-10-01" in shown
    assert "2027-10-09" in shown
    aed("holidays", "remove", "CN", 2027)
    assert "2027" not in aed("holidays", "list").out


@pytest.mark.parametrize("number", ["0", "-1", "abc", str(2**63), "9" * 40])
def test_an_invalid_id_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["aed", "devices", "show", "--", number])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
