"""Lists that people keep by hand: the mapping is guessed from headings and values."""

from __future__ import annotations

import json
import time
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole
from aed.errors import InvalidInput, NotSignedIn
from aed.geo import Datum, from_wgs84
from aed.imports.devices.actions import import_devices
from aed.imports.devices.preview import preview_devices
from aed.imports.formats.guess import guess_mapping, mapping_text
from aed.imports.formats.mapping import mapping_from
from aed.imports.formats.recognise import read_devices
from aed.imports.schemas import DeviceRow
from aed.registry.devices.models import Device
from tests import make
from tests.imports import lists
from tests.imports.lists import counts, reasons
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

ROW = TypeAdapter(DeviceRow)
HEADINGS = [
    "序号",
    "项目名称",
    "安装位置",
    "经度",
    "纬度",
    "负责人",
    "电话",
    "电池有效期",
    "电极片有效期",
    "开放时间",
]
ROWS = [
    ["1", "湖畔花园", "1号楼一楼大堂", "120.0998", "30.2911", "张伟", "13800000001", "2027年5月", "2027/5/1",
     "24小时"],
    ["2", "湖畔花园", "会所地下一层", "120.1001", "30.2915", "李娜", "13800000002", "2026.5.3", "12/2026",
     "周一至周五 8:00-18:00"],
    ["3", "湖畔花园", "南门岗亭", "120.1005，30.2907", "", "王芳", "0571-87000000", "2027-06",
     "2027年5月31日", "全天"],
]  # fmt: skip


def csv_file(folder: Path, *rows: list[str], encoding: str = "gbk", between: str = ",") -> Path:
    path = folder / "台账.csv"
    text = "\n".join(between.join(f'"{cell}"' if between in cell else cell for cell in row) for row in rows)
    path.write_bytes((text + "\n").encode(encoding))
    return path


def devices_of(path: Path, **given: Any) -> list[DeviceRow]:
    records = list(read_devices(path, mapping=guess_mapping(path, **given).mapping))
    assert [record.wrong for record in records] == [None] * len(records)
    return [ROW.validate_python(dict(record.fields)) for record in records]


def check_devices(found: list[DeviceRow]) -> None:
    assert [(each.lat, each.lon) for each in found] == [
        (30.2911, 120.0998),
        (30.2915, 120.1001),
        (30.2907, 120.1005),
    ]
    assert [each.battery_expires_on for each in found] == [
        date(2027, 5, 31),
        date(2026, 5, 3),
        date(2027, 6, 30),
    ]
    assert [each.pads_expire_on for each in found] == [
        date(2027, 5, 1),
        date(2026, 12, 31),
        date(2027, 5, 31),
    ]
    assert [each.floor for each in found] == [0, -1, 0]
    assert [each.opening_hours for each in found] == ["24/7", "Mo-Fr 08:00-18:00", "24/7"]
    assert [each.keeper_name for each in found] == ["张伟", "李娜", "王芳"]
    assert found[2].keeper_phone == "0571-87000000"
    assert found[0].place_zh == "湖畔花园 · 1号楼一楼大堂"


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "utf-8-sig", "utf-16"])
def test_a_property_companys_csv_is_understood(tmp_path: Path, encoding: str) -> None:
    check_devices(devices_of(csv_file(tmp_path, HEADINGS, *ROWS, encoding=encoding)))


def test_a_workbook_with_title_rows_merged_cells_and_a_total_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "台账.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("封面").write_string(0, 0, "物业公司")
        sheet = book.add_worksheet("AED台账")
        sheet.merge_range(0, 0, 0, 14, "湖畔花园物业服务中心AED设备管理台账（2026年度，请勿外传）")
        sheet.write_string(1, 0, "制表：物业部")
        for place, heading in enumerate(HEADINGS):
            if heading in ("经度", "纬度"):
                sheet.write_string(3, place, heading)
            else:
                sheet.merge_range(2, place, 3, place, heading)
        sheet.merge_range(2, 3, 2, 4, "坐标")
        for line, row in enumerate(ROWS, start=4):
            for place, cell in enumerate(row):
                if place in (3, 4) and "，" not in cell and cell:
                    sheet.write_number(line, place, float(cell))
                elif place != 1:
                    sheet.write_string(line, place, cell)
        sheet.merge_range(4, 1, 6, 1, "湖畔花园")
        sheet.write_string(7, 0, "合计")
        sheet.write_string(7, 1, "3台")
        sheet.write_string(8, 0, "备注：有效期以标签为准")

    guess = guess_mapping(path)

    assert (guess.sheet, guess.header_row) == ("AED台账", 4)
    check_devices(devices_of(path))


def test_a_guessed_mapping_can_be_saved_and_read_again(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEADINGS, *ROWS)
    guess = guess_mapping(path, source="lakeside")

    again = mapping_from(mapping_text(guess.mapping), "saved.yaml")

    assert again == guess.mapping
    assert again.source == "lakeside"
    assert {each.heading: each.field for each in guess.columns}["电极片有效期"] == "pads_expire_on"
    assert {each.heading: each.field for each in guess.columns}["序号"] is None


@pytest.mark.parametrize(
    ("headings", "row", "floor"),
    [
        (
            ["Nom", "Adresse", "Emplacement", "Latitude", "Longitude", "Étage", "Horaires", "Téléphone",
             "Batterie"],
            ["Mairie", "1 rue de l’Église", "accueil", "48,8566", "2,3522", "1er étage", "lun-ven 8h-18h",
             "01 44 00 00 00", "31/12/2027"],
            1,
        ),
        (
            ["Bezeichnung", "Straße", "Standort", "Breite", "Länge", "Stockwerk", "Öffnungszeiten",
             "Telefon", "Batterie"],
            ["Rathaus", "Hauptstraße 1", "Eingang", "48,8566", "2,3522", "EG", "Mo-Fr 8-18 Uhr", "+43 1 4000",
             "31.12.2027"],
            0,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_european_csv_with_semicolons_and_decimal_commas_is_understood(
    tmp_path: Path, headings: list[str], row: list[str], floor: int, encoding: str
) -> None:
    (found,) = devices_of(csv_file(tmp_path, headings, row, encoding=encoding, between=";"))

    assert (found.lat, found.lon, found.floor) == (48.8566, 2.3522, floor)
    assert found.opening_hours == "Mo-Fr 08:00-18:00"
    assert found.battery_expires_on == date(2027, 12, 31)
    assert found.keeper_phone
    assert row[0] in (found.place_en or "")


def test_columns_without_known_headings_are_found_by_their_values(tmp_path: Path) -> None:
    headings = ["品名", "甲", "乙", "丙", "电话"]
    rows = [["AED", "120.0998", "30.2911", "1号楼大堂", "13800000001"]]

    guess = guess_mapping(csv_file(tmp_path, ["物业台账"], ["型号", *headings[1:]], *rows))

    assert guess.mapping.position.lat == ["乙"]
    assert guess.mapping.position.lon == ["甲"]
    assert any("By their values" in str(note) for note in guess.notes)


@pytest.mark.parametrize(
    ("heading", "cell", "field"),
    [
        ("点位名称", "大堂", "place"),
        ("详细地址（门牌）", "文一路1号", "place"),
        ("責任人及电话", "张伟 13800000001", "keeper_phone"),
        ("电池到期日", "2027年5月", "battery_expires_on"),
        ("电池更换日期", "2024-05-01", None),
        ("电极片下次更换日期", "2027-05-01", "pads_expire_on"),
        ("儿童电极片有效期至", "2027.5", "child_pads_expire_on"),
        ("最近一次巡检时间", "2026-11-01", "last_checked_on"),
        ("下次巡检日期", "2026-12-01", None),
        ("电池型号", "M5070A", None),
        ("设备编号", "A-1", "source_id"),
        ("生产厂家", "迈瑞", "maker"),
        ("规格型号", "C2", "model"),
        ("可使用时间段", "24小时", "opening_hours"),
        ("所在楼层", "3楼", "floor"),
        ("备注信息", "找保安", "access_instructions"),
    ],
)
def test_headings_of_practice_are_understood(
    tmp_path: Path, heading: str, cell: str, field: str | None
) -> None:
    path = csv_file(tmp_path, [heading, "地點LNG", "地點LAT"], [cell, "120.0998", "30.2911"])

    columns = {each.heading: each.field for each in guess_mapping(path).columns}

    assert columns == {heading: field, "地點LNG": "lon", "地點LAT": "lat"}


def test_a_published_list_is_guessed(tmp_path: Path) -> None:
    path = lists.SHARED / "taiwan" / "twaed_sample.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")

    guess = guess_mapping(path)
    columns = {each.heading: each.field for each in guess.columns}

    assert guess.header_row == 1
    assert (columns["地點LAT"], columns["地點LNG"], columns["場所名稱"]) == ("lat", "lon", "place")
    assert len(list(read_devices(path, mapping=guess.mapping))) == 300


def test_exchanged_headings_of_coordinates_are_noticed(tmp_path: Path) -> None:
    guess = guess_mapping(csv_file(tmp_path, ["位置", "纬度", "经度"], ["大堂", "120.0998", "30.2911"]))

    assert (guess.mapping.position.lat, guess.mapping.position.lon) == (["经度"], ["纬度"])
    assert any("holds the latitudes" in str(note) for note in guess.notes)


# --- Bad input ---


def test_a_list_without_coordinates_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no coordinates"):
        guess_mapping(
            csv_file(tmp_path, ["项目名称", "安装位置", "电话"], ["湖畔花园", "大堂", "13800000001"])
        )


def test_a_file_without_headings_is_refused_with_its_first_row(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"No row of 台账\.csv names columns.* a, b"):
        guess_mapping(csv_file(tmp_path, ["a", "b"], ["1", "2"]))


def test_an_empty_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet()

    with pytest.raises(InvalidInput, match="no sheet with rows"):
        guess_mapping(path)


def test_formulas_macros_and_hundreds_of_hidden_columns_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsm"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for place, heading in enumerate(HEADINGS):
            sheet.write_string(0, place, heading)
        for place, cell in enumerate(ROWS[0]):
            sheet.write_string(1, place, cell)
        for place, cell in enumerate(ROWS[1]):
            sheet.write_string(2, place, cell)
        sheet.write_formula(1, 4, "=30+0.2911", value=30.2911)
        sheet.write_formula(2, 4, "=30+0.2915", value="")
        sheet.set_column(20, 220, None, None, {"hidden": True})
        for place in range(20, 220):
            sheet.write_string(0, place, f"hidden {place}")
            sheet.write_string(1, place, "x")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"\0")

    guess = guess_mapping(path)
    records = list(read_devices(path, mapping=guess.mapping))

    assert "Hidden columns that are not read: 200." in map(str, guess.notes)
    assert len(guess.columns) == len(HEADINGS)
    assert "The workbook contains macros; they were not run." in map(str, guess.notes)
    assert records[0].wrong is None
    assert records[0].fields["lat"] == "30.2911"
    assert "never calculated" in (records[1].wrong or "")


# --- Maps ---

KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder>
<Placemark><name>1号楼大堂</name><description><![CDATA[<p>前台旁</p>]]></description>
<ExtendedData><Data name="电池有效期"><value>2027年5月</value></Data></ExtendedData>
<Point><coordinates>120.0998,30.2911,0</coordinates></Point></Placemark>
<Placemark><name>road</name><LineString><coordinates>1,2 3,4</coordinates></LineString></Placemark>
</Folder></Document></kml>"""


@pytest.mark.parametrize("name", ["map.kml", "map.kmz"])
def test_the_points_of_a_map_service_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".kmz"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.kml", KML)
    else:
        path.write_text(KML, encoding="utf-8")

    (found,) = devices_of(path)

    assert (found.lat, found.lon, found.place_zh) == (30.2911, 120.0998, "1号楼大堂")
    assert found.access_instructions_zh == "前台旁"
    assert found.battery_expires_on == date(2027, 5, 31)
    with pytest.raises(InvalidInput, match="is KML"):
        read_devices(path)


def test_the_geojson_of_a_map_service_is_guessed_with_the_tables_in_its_descriptions(tmp_path: Path) -> None:
    cells = {"开放时间": "24小时", "电池有效期": "2027年5月"}
    rows = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in cells.items())
    points = [
        (120.0998, {"Name": "1号楼大堂", "description": f"<table>{rows}</table>"}),
        (120.1005, {"Name": "会所一楼"}),
    ]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, 30.2911]},
            "properties": properties,
        }
        for lon, properties in points
    ]
    path = tmp_path / "map.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")

    first, second = devices_of(path)

    assert (first.lat, first.lon, first.place_zh) == (30.2911, 120.0998, "1号楼大堂")
    assert (first.opening_hours, first.battery_expires_on) == ("24/7", date(2027, 5, 31))
    assert (second.lon, second.place_zh, second.opening_hours) == (120.1005, "会所一楼", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<kml><Document/></kml>", "no placemark with a point"),
        ("<kml><Document>", "not complete KML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><kml>&a;</kml>', "XML entities"),
    ],
)
def test_a_map_without_points_or_damaged_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "map.kml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidInput, match=says):
        guess_mapping(path)


# --- In the register ---


def workbook_in(folder: Path, datum: Datum, *, count: int = 6) -> Path:
    rows = []
    for number in range(count):
        lat, lon = from_wgs84(north_of(PATIENT, metres=20.0 * number), datum)
        rows.append(
            [
                str(number + 1),
                "湖畔花园",
                f"{number + 1}号楼大堂",
                f"{lon:.6f}",
                f"{lat:.6f}",
                "张伟",
                "13800000001",
            ]
        )
    return csv_file(folder, HEADINGS[:7], *rows)


def test_a_stranger_may_not_preview(session: Session, tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn):
        preview_devices(session, ANYONE, csv_file(tmp_path, HEADINGS, *ROWS))


@pytest.mark.parametrize("datum", list(Datum))
def test_the_datum_is_guessed_from_the_boundaries_and_reported(
    session: Session, tmp_path: Path, datum: Datum
) -> None:
    make.estate(session, source="own", source_id="lake", boundary=make.square(PATIENT))

    found = preview_devices(session, ADMINISTRATOR, workbook_in(tmp_path, datum))

    assert found.mapping.datum is datum
    assert any(f"The datum is {datum}, by the boundaries of the estates" in str(note) for note in found.notes)
    assert (found.rows, found.good, found.outside, list(found.estates.values())) == (6, 6, 0, [6])
    assert len(found.samples) == 5
    assert found.samples[0].fields["place_zh"] == "湖畔花园 · 1号楼大堂"


def test_an_unknown_datum_is_reported(session: Session, tmp_path: Path) -> None:
    found = preview_devices(session, ADMINISTRATOR, workbook_in(tmp_path, Datum.GCJ02))

    assert found.mapping.datum is Datum.WGS84
    assert any("The datum is not known" in str(note) for note in found.notes)


def test_the_estate_is_inferred_from_the_boundary(session: Session, tmp_path: Path) -> None:
    estate = make.estate(session, source="own", source_id="lake", boundary=make.square(PATIENT))
    path = workbook_in(tmp_path, Datum.BD09)
    mapping = preview_devices(session, ADMINISTRATOR, path).mapping

    report = import_devices(session, ADMINISTRATOR, path, at=NOW, mapping=mapping)

    assert counts(report) == (6, 0, 0, 0)
    assert set(session.scalars(select(Device.estate_id))) == {estate.id}
    assert counts(import_devices(session, ADMINISTRATOR, path, at=NOW, mapping=mapping)) == (0, 0, 6, 0)


def test_devices_outside_all_estates_need_a_region(session: Session, tmp_path: Path) -> None:
    make.estate(session, source="own", source_id="lake", boundary=make.square(PATIENT))
    inside = ["1", "湖畔花园", "大堂", f"{PATIENT.lon}", f"{PATIENT.lat}"]
    outside = ["2", "湖畔花园", "门外", f"{PATIENT.lon + 0.1}", f"{PATIENT.lat}"]
    path = csv_file(tmp_path, HEADINGS[:5], inside, outside)
    mapping = guess_mapping(path).mapping

    report = lists.devices(session, path, mapping=mapping)

    assert counts(report) == (1, 0, 0, 1)
    assert "no registered estate" in reasons(report)["line 3"]
    with pytest.raises(InvalidInput, match="Give the region"):
        lists.devices(
            session,
            csv_file(tmp_path, HEADINGS[:5], outside, [*outside[:2], "后门", *outside[3:]]),
            mapping=mapping,
        )


def test_rows_at_one_point_or_with_the_same_words_are_asked_about(session: Session, tmp_path: Path) -> None:
    rows = [
        ["1", "湖畔花园", "大堂", "120.0998", "30.2911"],
        ["2", "湖畔花园", "大堂", "120.0990", "30.2912"],
        ["3", "湖畔花园", "会所", "120.0998", "30.2911"],
    ]

    found = preview_devices(session, ADMINISTRATOR, csv_file(tmp_path, HEADINGS[:5], *rows))

    assert list(map(str, found.questions)) == [
        "Is line 3 the same device as line 2? Their words are the same: 湖畔花园 · 大堂.",
        "Is line 4 the same device as line 2? They are at the same point.",
    ]


# --- The command and the API ---


def test_a_list_is_previewed_over_http_and_imported_with_the_mapping_of_the_preview(
    client: TestClient, session: Session, tmp_path: Path
) -> None:
    estate = make.estate(session, source="own", source_id="lake", boundary=make.square(PATIENT))
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    content = workbook_in(tmp_path, Datum.BD09).read_bytes()

    answer = client.post(
        "/v1/imports/devices/preview",
        params={"name": "台账.csv", "source": "lakeside"},
        content=content,
        headers=office | {"Content-Type": "application/octet-stream"},
    )
    found = answer.json()

    assert answer.status_code == 200, answer.text
    assert (found["rows"], found["good"], found["outside"]) == (6, 6, 0)
    assert found["samples"][0]["estate"] == "own:lake"
    assert "datum: bd09" in found["mapping"]
    assert session.scalar(select(Device.id)) is None
    session.rollback()
    imported = client.post(
        "/v1/imports/devices",
        files={"file": ("台账.csv", content), "mapping": ("m.yaml", found["mapping"].encode())},
        headers=office,
    )
    assert imported.status_code == 200, imported.text
    assert imported.json()["new"] == 6
    session.expire_all()
    assert set(session.scalars(select(Device.estate_id))) == {estate.id}


@pytest.mark.slow
def test_the_work_of_a_preview_grows_with_the_rows_and_no_faster(session: Session, tmp_path: Path) -> None:
    """`tests.bench imports` measures how long 10,000 rows take."""
    make.estate(session, source="own", source_id="lake", boundary=make.square(PATIENT))

    def seconds_for(count: int) -> float:
        path = workbook_in(tmp_path, Datum.GCJ02, count=count)
        begun = time.process_time()
        assert preview_devices(session, ADMINISTRATOR, path).rows == count
        return time.process_time() - begun

    seconds_for(100)  # imports and compiled statements
    assert seconds_for(10_000) < 3 * 5 * seconds_for(2_000), (
        "five times the rows, and what a busy machine adds"
    )
