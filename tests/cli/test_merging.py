"""aed import devices --dry-run, aed reviews, aed sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from aed.database.session import Database
from aed.imports.devices.models import Review, SourceRecord
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from tests import make
from tests.cli.conftest import Aed
from tests.imports.lists import DEVICE, table
from tests.make import PATIENT, north_of

OURS = DEVICE | {"source": "ours", "place_zh": "图书馆一楼大堂", "opening_hours": "24/7"}
THEIRS = OURS | {
    "source": "theirs",
    "source_id": "a",
    "opening_hours": "Mo-Fr 08:00-17:00",
    "maker": "Mindray",
}
PERHAPS = DEVICE | {"source": "theirs", "source_id": "b", "lat": north_of(PATIENT, metres=8).lat}


@pytest.fixture
def region(database: Database) -> None:
    with database.write_sessions.begin() as session:
        make.region(session)


def kept(database: Database) -> list[int | None]:
    with database.read_sessions() as session:
        return [
            session.scalar(select(func.count()).select_from(each))
            for each in (Device, SourceRecord, Review, RegistryChange)
        ]


def test_a_dry_run_shows_every_change_and_writes_nothing(
    aed: Aed, database: Database, region: None, tmp_path: Path
) -> None:
    gone = DEVICE | {"source": "theirs", "source_id": "gone", "lat": 31.0}
    aed("import", "devices", table(tmp_path, OURS))
    aed("import", "devices", table(tmp_path, gone))
    before = kept(database)
    new = DEVICE | {"source": "theirs", "source_id": "new", "lat": 32.0}

    output = aed("import", "devices", table(tmp_path, THEIRS, new), "--dry-run").out

    assert "list.csv: 1 new, 1 changed, 0 unchanged, 0 set aside.\n" in output
    assert "Merged with devices of another list: 1.\n" in output
    for words in ("Changed", "Mindray", "Two lists disagree", "opening_hours", "No longer listed", "gone"):
        assert words in output
    assert "1 device of theirs not listed now: marked as gone.\n" in output
    assert output.endswith("Nothing was written: this was a dry run.\n")
    assert kept(database) == before
    assert "1 new, 1 changed" in aed("import", "devices", table(tmp_path, THEIRS, new)).out


def test_a_conflict_is_shown_and_resolved(aed: Aed, region: None, tmp_path: Path) -> None:
    assert aed("reviews", "list").out == "There is nothing to decide.\n"
    aed("import", "devices", table(tmp_path, OURS))
    output = aed("import", "devices", table(tmp_path, THEIRS)).out
    assert "Different from another list: 1. `aed reviews list` shows the differences.\n" in output

    assert "conflict" in aed("reviews", "list").out
    shown = aed("reviews", "list", "--all").out
    number = next(line.split()[0] for line in shown.splitlines() if "conflict" in line)
    evidence = aed("reviews", "show", number).out
    assert "present, of ours: " in evidence
    assert "offered, of theirs: " in evidence
    assert evidence.endswith(f"aed reviews decide {number} take | keep\n")

    aed("reviews", "decide", number, "take")

    assert "opening_hours: Mo-Fr 08:00-17:00\n" in aed("devices", "show", 1).out
    assert "decided: take" in aed("reviews", "show", number).out


def test_a_possible_duplicate_of_a_known_device_is_decided(aed: Aed, region: None, tmp_path: Path) -> None:
    aed("import", "devices", table(tmp_path, OURS))
    output = aed("import", "devices", table(tmp_path, PERHAPS)).out
    assert "Possibly registered by another list: 1. `aed reviews list` shows them.\n" in output
    evidence = aed("reviews", "show", 1).out
    assert "8 m apart" in evidence
    refused = aed("reviews", "decide", 1, "accept", fails=True).err
    assert "must be same or different" in refused

    assert aed("reviews", "decide", 1, "different").out == "Review 1: different.\n"
    assert "source: theirs\n" in aed("devices", "show", 2).out


def test_a_list_that_shrank_a_lot_is_held_back_and_then_accepted(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    rows = [DEVICE | {"source_id": str(n), "lat": 20.0 + n / 10} for n in range(10)]
    aed("import", "devices", table(tmp_path, *rows))
    output = aed("import", "devices", table(tmp_path, rows[0])).out
    assert "9 devices of list missing from the list: too many" in output
    aed("import", "devices", table(tmp_path, rows[0]), "--partial")

    assert "9 of 10 are not in the last list" in aed("reviews", "show", 1).out
    aed("reviews", "decide", 1, "accept")
    assert "state: out_of_service\n" in aed("devices", "show", 10).out
    aed("import", "devices", table(tmp_path, *rows))
    output = aed("import", "devices", table(tmp_path, rows[0]), "--accept-shrink").out
    assert "9 devices of list not listed now: marked as gone.\n" in output


def test_the_ranks_of_sources_are_set_and_shown(aed: Aed, region: None, tmp_path: Path) -> None:
    aed("import", "devices", table(tmp_path, OURS))
    aed("import", "devices", table(tmp_path, THEIRS))

    assert aed("sources", "set", "theirs", "--rank", 60, "--title", "Theirs").out == "theirs has rank 60.\n"

    first, second = [line.split() for line in aed("sources", "list").out.splitlines() if "0" in line]
    assert (first[:3], second[:3]) == (["theirs", "60", "1"], ["ours", "50", "1"])
    assert "opening_hours: Mo-Fr 08:00-17:00\n" in aed("devices", "show", 1).out
    assert "highest rank" in aed("sources", "set", "registry", "--rank", 1, fails=True).err


def test_a_mapping_file_makes_an_unknown_list_readable(aed: Aed, region: None, tmp_path: Path) -> None:
    missing = aed("import", "devices", table(tmp_path, OURS), "--mapping", tmp_path / "no.yaml", fails=True)
    assert "There is no mapping file" in missing.err


def test_two_devices_are_merged_by_hand(aed: Aed, region: None, tmp_path: Path) -> None:
    far = OURS | {"source": "theirs", "lat": north_of(PATIENT, metres=300).lat, "maker": "Mindray"}
    aed("import", "devices", table(tmp_path, OURS))
    aed("import", "devices", table(tmp_path, far))

    assert aed("devices", "merge", 1, 2).out == "Device 2 is withdrawn and merged into device 1.\n"

    assert "maker: Mindray\n" in aed("devices", "show", 1).out
    assert "same_device_as: None → 1" in aed("devices", "history", 2).out
    assert "same" in aed("reviews", "list", "--all").out
    assert "a person merged them" in aed("reviews", "show", 1).out
    assert "is withdrawn" in aed("devices", "merge", 1, 2, fails=True).err
    assert "two different devices" in aed("devices", "merge", 1, 1, fails=True).err
