"""aed import: the report, rejected rows, --strict, and unreadable files."""

from __future__ import annotations

import csv
import getpass
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from aed.database.session import Database
from tests import make
from tests.cases import each_case
from tests.cli.conftest import Aed
from tests.imports.lists import DEVICE, DISTRICT, ESTATE, feature, geojson, table
from tests.make import PATIENT, square


@pytest.fixture
def region(database: Database) -> None:
    with database.write_sessions.begin() as session:
        make.region(session)


def test_the_demo_district_is_imported_and_imported_again(aed: Aed) -> None:
    expected = {
        "estates": ("estates.geojson", 50),
        "devices": ("devices.csv", 42),
        "responders": ("responders.csv", 60),
    }
    for kind, (name, rows) in expected.items():
        result = aed("import", kind, DISTRICT / name)
        assert result.out == f"{name}: {rows} new, 0 changed, 0 unchanged, 0 set aside.\n"
    for kind, (name, rows) in expected.items():
        result = aed("import", kind, DISTRICT / name)
        assert result.out == f"{name}: 0 new, 0 changed, {rows} unchanged, 0 set aside.\n"


def test_a_change_is_kept_with_who_imported_it(aed: Aed, region: None, tmp_path: Path) -> None:
    aed("import", "devices", table(tmp_path, DEVICE))
    aed("import", "devices", table(tmp_path, DEVICE | {"place_zh": "大堂"}))

    newest, *_ = aed("devices", "history", 1).out.splitlines()
    assert newest.endswith(f"cli:{getpass.getuser()}")
    assert "place_zh: None → 大堂" in aed("devices", "history", 1).out


def test_bad_rows_are_reported_and_written_to_a_file_and_can_be_corrected(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    good, bad = DEVICE, DEVICE | {"source_id": "2", "lat": "30,29", "place_zh": "大堂"}
    path = table(tmp_path, good, bad)
    aside = tmp_path / "aside.csv"

    result = aed("import", "devices", path, "--bad-rows", aside)

    assert "1 new, 0 changed, 0 unchanged, 1 set aside." in result.out
    assert "line 3" in result.out
    assert "lat: must be a number (it is '30,29')" in result.out
    with aside.open(encoding="utf-8-sig", newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert row["set_aside_at"] == "line 3"
    assert row["set_aside_why"].startswith("lat: must be a number")
    assert (row["source_id"], row["place_zh"]) == ("2", "大堂")
    aside.write_text(aside.read_text("utf-8").replace('"30,29"', "30.29"), "utf-8")
    assert "1 new" in aed("import", "devices", aside).out


def test_a_cell_set_aside_is_escaped_as_a_formula_and_read_back_unchanged(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    aside = tmp_path / "aside.csv"
    path = table(tmp_path, DEVICE, DEVICE | {"source_id": "2", "lat": "x", "place_en": "=1+1"})
    aed("import", "devices", path, "--bad-rows", aside)
    assert ",'=1+1" in aside.read_text("utf-8")

    aside.write_text(aside.read_text("utf-8").replace(",x,", ",30.29,"), "utf-8")
    aed("import", "devices", aside)
    assert "place_en: =1+1\n" in aed("devices", "show", 2).out


def test_estates_set_aside_can_be_corrected(aed: Aed, region: None, tmp_path: Path) -> None:
    estate = feature(ESTATE | {"region": "XX"}, square(PATIENT))
    other = feature(ESTATE | {"source_id": "f"}, square(PATIENT))
    aside = tmp_path / "aside.csv"
    aed("import", "estates", geojson(tmp_path, other, estate), "--bad-rows", aside)

    aside.write_text(aside.read_text("utf-8").replace(",XX", ",CN-33"), "utf-8")
    assert "1 new, 0 changed" in aed("import", "estates", aside).out


def test_a_strict_import_with_a_bad_row_imports_nothing(aed: Aed, region: None, tmp_path: Path) -> None:
    path = table(tmp_path, DEVICE, DEVICE | {"source_id": "2", "lat": "x"})
    aside = tmp_path / "aside.csv"

    result = aed("import", "devices", path, "--strict", "--bad-rows", aside, fails=True)

    assert result.err.startswith("aed: Nothing was imported: 1 bad rows, first line 3: lat: ")
    assert aside.is_file()
    assert "1 new" in aed("import", "devices", table(tmp_path, DEVICE), "--strict").out


def test_a_list_with_only_bad_rows_fails(aed: Aed, region: None, tmp_path: Path) -> None:
    result = aed("import", "devices", table(tmp_path, DEVICE | {"lat": "x"}), fails=True)
    assert "has no row that can be imported" in result.err


def test_nothing_is_imported_when_the_bad_rows_cannot_be_written(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    path = table(tmp_path, DEVICE)
    result = aed("import", "devices", path, "--bad-rows", tmp_path / "no" / "folder.csv", fails=True)
    assert "cannot be written" in result.err
    assert "1 new" in aed("import", "devices", path).out


def test_bad_rows_beyond_the_display_limit_are_counted(aed: Aed, region: None, tmp_path: Path) -> None:
    rows = [DEVICE | {"source_id": str(number), "lat": "x"} for number in range(30)]
    result = aed("import", "devices", table(tmp_path, DEVICE, *rows))
    assert "… and 10 more" in result.out


@pytest.mark.one_engine("a refusal before any statement")
@pytest.mark.parametrize("kind", ["devices", "estates", "responders"])
def test_an_unreadable_file_is_refused_in_a_sentence(aed: Aed, kind: str, tmp_path: Path) -> None:
    contents = {
        "empty.csv": b"",
        "gbk.csv": "kind,名称\n".encode("gbk"),
        "page.geojson": b"<html></html>",
        "cut.geojson": b'{"type": "FeatureCollection", "features": [',
        "header.csv": b"source,source_id\n",
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        aed("import", kind, path, fails=True)
    aed("import", kind, tmp_path, fails=True)
    aed("import", kind, tmp_path / "nothing", fails=True)


def test_an_unknown_region_is_refused(aed: Aed, tmp_path: Path) -> None:
    result = aed("import", "devices", table(tmp_path, DEVICE | {"region": ""}), "--region", "XX", fails=True)
    assert "no region 'XX'" in result.err


def test_lists_of_one_format_are_filed_under_the_publisher_of_each(
    aed: Aed, database: Database, tmp_path: Path
) -> None:
    with database.write_sessions.begin() as session:
        make.region(session, "JP-27", country="JP", time_zone="Asia/Tokyo", holiday_calendar=None)
    for city, lat in (("north", 34.70), ("south", 34.60)):
        row = {"名称": f"{city}庁舎", "設置位置": "1階", "緯度": lat, "経度": 135.50}
        path = table(tmp_path, row, name=f"{city}.csv")

        output = aed("import", "devices", path, "--region", "JP-27", "--source", f"jp.{city}").out

        assert output == f"{city}.csv: 1 new, 0 changed, 0 unchanged, 0 set aside.\n"
    assert "source: jp.south\n" in aed("devices", "show", 2).out


@each_case(
    ("source", "says"),
    [
        ("theirs", "for the project's own CSV: each row names it in its column 'source'"),
        ("our list", "letters, digits"),
        ("registry", "highest rank"),
    ],
)
def test_an_invalid_source_is_refused(aed: Aed, region: None, tmp_path: Path, source: str, says: str) -> None:
    assert says in aed("import", "devices", table(tmp_path, DEVICE), "--source", source, fails=True).err


def test_a_list_kept_by_hand_is_guessed_saved_and_imported(
    aed: Aed, region: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ledger.csv"
    path.write_bytes(
        "湖畔花园AED台账,,,,\n项目名称,安装位置,经度,纬度,电池有效期\n"
        f"湖畔花园,一楼大堂,{PATIENT.lon},{PATIENT.lat},2027年5月\n合计,1台,,,\n".encode("gbk")
    )

    shown = aed("import", "devices", path, "--guess", "--save-mapping", "lakeside")

    assert "安装位置" in shown.out
    assert "battery_expires_on=2027-05-31" in shown.out
    assert "1 row: 1 can be imported, 0 cannot." in shown.out
    assert "Nothing was imported." in shown.out
    assert "Give the region" in aed("import", "devices", path, "--mapping", "lakeside", fails=True).err
    assert "1 new" in aed("import", "devices", path, "--mapping", "lakeside", "--region", "CN-33").out
    assert (
        "already" in aed("import", "devices", path, "--guess", "--save-mapping", "lakeside", fails=True).err
    )
    again = aed("import", "devices", path, "--guess", "--yes", "--region", "CN-33")
    assert "0 new, 0 changed, 1 unchanged" in again.out


def test_rows_that_may_be_the_same_device_are_asked_about_and_answered(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.csv"
    path.write_text(
        f"安装位置,经度,纬度\n大堂,{PATIENT.lon},{PATIENT.lat}\n会所,{PATIENT.lon},{PATIENT.lat}\n",
        encoding="utf-8",
    )
    guessed = ("import", "devices", path, "--guess", "--region", "CN-33")

    shown = aed(*guessed)
    assert "Is line 3 the same device as line 2? They are at the same point." in shown.out
    assert "--same 3=row:2 or --different 3" in shown.out
    assert "no question about row 9" in aed(*guessed, "--different", "9", fails=True).err
    assert "requires" not in aed(*guessed, "--different", "3").err
    joined = aed(*guessed, "--yes", "--same", "3=row:2")
    assert "1 new" in joined.out
    assert "--guess" in aed("import", "devices", path, "--same", "3=row:2", fails=True).err
    assert "Is line 3" not in aed(*guessed).out


def test_what_the_linter_can_mend_is_mended_by_kind_and_shown(aed: Aed, region: None, tmp_path: Path) -> None:
    rows = [
        DEVICE | {"source_id": "1", "lat": PATIENT.lon, "lon": PATIENT.lat},
        DEVICE | {"source_id": "2", "pads_expire_on": "2027年5月"},
        DEVICE | {"source_id": "3", "opening_hours": "周一至周五 8:00-18:00"},
        DEVICE | {"source_id": "4", "lat": f"{PATIENT.lat}".replace(".", ",")},
    ]
    path = table(tmp_path, *rows)

    swapped = aed("import", "devices", path, "--fix", "coordinates_swapped", "--dry-run")
    everything = aed("import", "devices", path, "--fix", "all")

    assert "1 value mended in 1 row." in swapped.out
    assert "1 new, 0 changed, 0 unchanged, 3 set aside." in swapped.out
    assert "4 values mended in 4 rows." in everything.out
    assert "2027-05-31" in everything.out
    assert "4 new, 0 changed, 0 unchanged, 0 set aside." in everything.out
    assert "--fix cannot mend 'floors'" in aed("import", "devices", path, "--fix", "floors", fails=True).err


def test_degrees_and_minutes_of_a_list_kept_by_hand_are_understood(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.csv"
    path.write_text("安装位置,经度,纬度\n大堂,120°05′59″E,30°17′28″N\n", encoding="utf-8")

    result = aed("import", "devices", path, "--guess", "--yes", "--region", "CN-33")

    assert "1 new, 0 changed, 0 unchanged, 0 set aside." in result.out
    assert "30.2911111,120.0997222" in aed("export", "csv", "--as", "administrator").out


def test_rows_set_aside_come_back_as_the_same_workbook_with_reasons(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    path, aside = tmp_path / "台账.xlsx", tmp_path / "aside.xlsx"
    header = ["序号", "项目名称", "安装位置", "经度", "纬度"]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AED台账")
        sheet.merge_range(0, 0, 0, 4, "湖畔花园AED台账")
        good = ["1", "湖畔花园", "大堂", f"{PATIENT.lon}", f"{PATIENT.lat}"]
        bad = ["2", "湖畔花园", "会所", "", f"{PATIENT.lat}"]
        for line, row in enumerate([header, good, bad], start=1):
            for place, cell in enumerate(row):
                sheet.write_string(line, place, cell)

    saved = tmp_path / "lakeside.yaml"
    aed("import", "devices", path, "--guess", "--save-mapping", saved)
    result = aed("import", "devices", path, "--mapping", saved, "--region", "CN-33", "--bad-rows", aside)

    assert "1 new, 0 changed, 0 unchanged, 1 set aside." in result.out
    book = openpyxl.load_workbook(aside)
    assert book.sheetnames == ["AED台账"]
    rows = [[cell.value or "" for cell in row] for row in book["AED台账"].iter_rows()]
    assert rows[1:] == [[*header, "set_aside_why"], [*bad, "lon: is required"]]
    book["AED台账"]["D3"] = f"{PATIENT.lon}"
    book.save(aside)
    again = aed("import", "devices", aside, "--mapping", saved, "--region", "CN-33")
    assert "1 new, 0 changed, 0 unchanged, 0 set aside." in again.out
    assert "gone" not in again.out
    others = aed("import", "devices", path, "--guess", "--yes", "--region", "CN-33", "--source", "other")
    assert "Merged with devices of another list: 1." in others.out


def test_a_mapping_is_saved_by_name_listed_renamed_used_and_removed(
    aed: Aed, region: None, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"安装位置,经度,纬度\n大堂,{PATIENT.lon},{PATIENT.lat}\n", encoding="utf-8")
    saved = tmp_path / "lake.yaml"
    aed("import", "devices", file, "--guess", "--source", "lake", "--save-mapping", saved)

    aed("mappings", "save", saved, "--name", "lake list")
    assert "lake list" in aed("mappings", "list").out
    aed("mappings", "rename", "lake list", "湖畔")
    refused = aed("import", "devices", file, "--mapping", "lake list", fails=True)
    assert "Saved mappings: 湖畔." in refused.err
    assert "1 new" in aed("import", "devices", file, "--mapping", "湖畔", "--region", "CN-33").out
    aed("mappings", "remove", "湖畔")
    assert aed("mappings", "list").out == "No mapping is saved.\n"
