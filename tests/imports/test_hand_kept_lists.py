"""Ugly lists as they are sent: what people write into cells, headings, descriptions and remarks."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy.orm import Session

from aed.geo import Datum
from aed.imports.coordinates import is_swapped, usual_place
from aed.imports.devices.boundaries import DatumCounts
from aed.imports.devices.preview import preview_devices
from aed.imports.formats.descriptions import described_values
from aed.imports.formats.floors import floor_of
from aed.imports.formats.guess import Guess, guess_mapping
from aed.imports.formats.headings import roles_of
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.values import (
    date_of,
    degrees_by_hand,
    month_of,
    name_of,
    pair,
    phone_of,
    phones_of,
    spreadsheet_date,
    understood,
)
from tests.make import ADMINISTRATOR


def table(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "list.csv"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


def fields_of(path: Path) -> tuple[Guess, list[dict[str, object]]]:
    guess = guess_mapping(path)
    return guess, [dict(record.fields) for record in read_devices(path, mapping=guess.mapping)]


# --- Dates ---


@pytest.mark.parametrize(
    ("written", "last_day"),
    [
        ("2027年05月", date(2027, 5, 31)),
        ("2027年5月底", date(2027, 5, 31)),
        ("有效期至2027年5月", date(2027, 5, 31)),
        ("二〇二七年五月", date(2027, 5, 31)),
        ("Mai 2028", date(2028, 5, 31)),
        ("enero de 2028", date(2028, 1, 31)),
        ("giugno 2027", date(2027, 6, 30)),
        ("okt 2027", date(2027, 10, 31)),
        ("déc. 2027", date(2027, 12, 31)),
        ("May-27", date(2027, 5, 31)),
        ("27.5", date(2027, 5, 31)),
        ("05/27", date(2027, 5, 31)),
        ("12/27", date(2027, 12, 31)),
    ],
)
def test_a_month_ends_on_its_last_day(written: str, last_day: date) -> None:
    found = month_of(written)

    assert found is not None
    assert found[1] == last_day


@pytest.mark.parametrize("written", ["2027", "长期", "2027年13月", "20/30", "5.6", "45000"])
def test_what_is_no_certain_month_is_none(written: str) -> None:
    assert month_of(written) is None


@pytest.mark.parametrize(
    ("written", "day_first", "day"),
    [
        ("2027年05月31日前", True, date(2027, 5, 31)),
        ("2027-05-31到期", True, date(2027, 5, 31)),
        ("15 mars 2026", True, date(2026, 3, 15)),
        ("15. März 2026", True, date(2026, 3, 15)),
        ("March 15, 2026", False, date(2026, 3, 15)),
        ("1.4.26", True, date(2026, 4, 1)),
        ("4/1/26", False, date(2026, 4, 1)),
        ("26/5/3", True, date(2026, 5, 3)),
        ("27.05.28", True, None),  # 2027 or 2028
        ("1 de marzo de 2028", True, date(2028, 3, 1)),
    ],
)
def test_a_day_is_read_only_if_it_is_certain(written: str, day_first: bool, day: date | None) -> None:
    assert date_of(written, day_first=day_first) == day


def test_the_number_of_a_lost_date_format_is_shown_as_the_date_and_not_taken(tmp_path: Path) -> None:
    path = table(tmp_path, "安装位置,经度,纬度,电池有效期", "大堂,120.1,30.2,45000", "会所,120.1,30.3,2027-5")
    guess = guess_mapping(path)

    record = next(iter(read_devices(path, mapping=guess.mapping)))

    assert spreadsheet_date("45000") == date(2023, 3, 15)
    assert "battery_expires_on" not in record.fields
    assert next(each.right for each in record.findings if each.column == "电池有效期") == "2023-03-15"


def test_a_cell_that_shows_a_month_lasts_the_month(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["安装位置", "经度", "纬度", "电池有效期", "电极片有效期"])
    for row, day in enumerate((date(2027, 5, 1), date(2027, 5, 15)), start=2):
        sheet.append([f"{row}号楼", 120.1, 30.2, day, date(2027, 5, 1)])
        sheet.cell(row, 4).number_format = 'yyyy"年"m"月"'
        sheet.cell(row, 5).number_format = "yyyy/m/d"
    sheet.append(["4号楼", 120.1, 30.2, 2027.1, "12/2026"])
    book.save(path)

    _, rows = fields_of(path)

    assert [row.get("battery_expires_on") for row in rows] == ["2027-05-31", "2027-05-15", None]
    assert [row["pads_expire_on"] for row in rows] == ["2027-05-01", "2027-05-01", "2026-12-31"]


# --- Positions ---


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("经度120.11 纬度30.29", ("120.11", "30.29")),
        ("120度6分5.2秒，30度17分30.1秒", ("120.1014444", "30.2916944")),
        ("N 47° 39.870', E 9° 10.520'", ("47.6645", "9.1753333")),
        ("30.29N 120.1E", ("30.29", "120.1")),
        ("120.1234°E 30.1234°N", ("120.1234", "30.1234")),
        ("30.2911° 120.0998°", ("30.2911", "120.0998")),
        ("30°17.5′", None),
        ("45,4397", None),
        ("2027.5 12345", None),
    ],
)
def test_two_coordinates_in_one_cell(written: str, numbers: tuple[str, str] | None) -> None:
    assert pair(written) == numbers


def test_degrees_and_minutes_with_words_and_letters() -> None:
    assert degrees_by_hand("东经120°05′59.4″") == "120.0998333"
    assert degrees_by_hand("45°26'25.1\"N") == "45.4403056"
    assert degrees_by_hand("120.105E") == "120.105"
    assert degrees_by_hand("47,6630") == "47.663"


def test_a_letter_says_which_coordinate_it_is(tmp_path: Path) -> None:
    _, rows = fields_of(
        table(
            tmp_path,
            "Standort;Koordinaten;Batterie",
            "Bad;E 9° 10.520' N 47° 39.870';05/2027",
            "Rathaus;47.6630, 9.1750;05/2027",
        )
    )

    assert [(row["lat"], row["lon"]) for row in rows] == [("47.6645", "9.1753333"), ("47.6630", "9.1750")]


def test_a_pair_in_the_other_order_than_its_column_is_put_right(tmp_path: Path) -> None:
    _, rows = fields_of(
        table(tmp_path, "安装位置;坐标", "大堂;120.1,30.2", "会所;120.2,30.2", "南门;30.3,120.1")
    )

    assert [row["lat"] for row in rows] == ["30.2", "30.2", "30.3"]


def test_a_row_with_swapped_coordinates_is_set_aside_with_the_reason(
    session: Session, tmp_path: Path
) -> None:
    rows = [f"Platz {place};47.66{place};9.17{place}" for place in range(4)]
    path = table(tmp_path, "Standort;Breite;Länge", *rows, "Bad;9.1772;47.6655")

    found = preview_devices(session, ADMINISTRATOR, path)

    assert [each.reason for each in found.bad] == [
        "lat, lon: 9.1772, 47.6655 is far from the other rows, and among them if swapped. Swap them"
    ]


def test_a_list_of_two_areas_has_no_usual_place() -> None:
    usual = usual_place([(47.0, 9.0), (47.1, 9.1), (47.2, 9.0)])

    assert usual is not None
    assert is_swapped(9.0, 47.1, usual)
    assert not is_swapped(47.1, 9.0, usual)
    assert not is_swapped(12.0, 13.0, usual)
    assert usual_place([(47.0, 9.0), (9.0, 47.0), (30.0, 120.0), (31.0, 121.0)]) is None


def test_a_datum_is_not_known_where_the_estates_hold_the_points_in_two() -> None:
    clear = DatumCounts(6, {Datum.WGS84: 1, Datum.GCJ02: 6, Datum.BD09: 0})
    unclear = DatumCounts(6, {Datum.WGS84: 6, Datum.GCJ02: 5, Datum.BD09: 0})
    none = DatumCounts(6, {Datum.WGS84: 0, Datum.GCJ02: 0, Datum.BD09: 0})

    assert (clear.best, unclear.best, none.best) == (Datum.GCJ02, None, None)


def test_a_remark_names_the_datum(tmp_path: Path) -> None:
    path = table(
        tmp_path, "安装位置,经度,纬度,备注", "大堂,120.1,30.2,高德大厦旁", "注：坐标用高德地图拾取,,,"
    )

    guess = guess_mapping(path)

    assert (guess.mapping.datum, guess.datum_is_named) == (Datum.GCJ02, True)


# --- Headings, words and remarks ---


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("Coordonnées GPS (lat)", "lat"),
        ("Coordonnées GPS (long)", "lon"),
        ("坐标（经度）", "lon"),
        ("经纬度（百度地图拾取）", "text"),
        ("Localisation précise", "spot"),
        ("Péremption électrodes pédiatriques", "child_pads_expire_on"),
        ("Péremption électrodes adultes", "pads_expire_on"),
        ("Référent", "keeper_name"),
        ("Tel.", "keeper_phone"),
        ("Gerätenummer", "id"),
        ("Jours d'ouverture", "days"),
        ("Horaires d'ouverture", "hours"),
        ("Paed Pads Expiry", "child_pads_expire_on"),
        ("AED型号", "model"),
        ("管理单位", "keeper_name"),
        ("Latitude/Longitude", "text"),
        ("設置場所", "spot"),
        ("利用可能時間", "hours"),
        ("경도", "lon"),
        ("패드 유효기간", "pads_expire_on"),
        ("Caducidad parches", "pads_expire_on"),
        ("Orari di accesso", "hours"),
        ("Openingstijden", "hours"),
    ],
)
def test_headings_of_towns_and_companies(heading: str, role: str) -> None:
    assert roles_of([heading, "x"])[0] == role


def test_a_cell_with_name_and_phone_is_split() -> None:
    assert [name_of(cell) for cell in ("周伟 13800000011", "吴芳（13800000012）", "郑爽/0571-87000001")] == [
        "周伟",
        "吴芳",
        "郑爽",
    ]
    assert name_of("13800000011") is None
    assert name_of("M. Dupont") == "M. Dupont"
    assert phone_of("1.38E+10") is None
    assert phone_of("0571-8700 0002转8001") == "0571-8700 0002"
    assert name_of("陈工：0571-85550001转801") == "陈工"


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("13800001111/13800002222", ["13800001111", "13800002222"]),
        ("13800001111 13800002222", ["13800001111", "13800002222"]),
        ("夜间：周13900005555；白天：吴13900006666", ["13900005555", "13900006666"]),
        ("0170/0000002", ["0170/0000002"]),
        ("+86 571 0555 0101", ["+86 571 0555 0101"]),
        ("110", ["110"]),
    ],
)
def test_the_numbers_of_two_people_in_one_cell_are_two(written: str, numbers: list[str]) -> None:
    assert phones_of(written) == numbers


def test_a_phone_that_a_spreadsheet_has_shortened_is_reported(tmp_path: Path) -> None:
    path = table(
        tmp_path, "安装位置,经度,纬度,联系人,电话", "大堂,120.1,30.2,张,1.38E+10", "会所,120.1,30.3,李,110"
    )
    guess = guess_mapping(path)

    record = next(iter(read_devices(path, mapping=guess.mapping)))

    assert "keeper_phone" not in record.fields
    assert record.fields["keeper_name"] == "张"
    assert [each.wrong for each in record.findings if each.column == "电话"] == [
        "This is not a telephone number. It is left empty."
    ]


@pytest.mark.parametrize(
    ("written", "ground", "floor"),
    [
        ("负一层健身房门口", 1, -1),
        ("负2楼", 1, -2),
        ("-1F 停车场", 1, -1),
        ("Ground", 0, 0),
        ("First floor", 0, 1),
        ("2ª planta", 0, 2),
        ("Sótano 1", 0, -1),
        ("Piano terra", 0, 0),
        ("begane grond", 0, 0),
    ],
)
def test_storeys_in_words(written: str, ground: int, floor: int) -> None:
    assert floor_of(written, ground=ground) == floor


def test_a_list_that_has_a_ground_floor_counts_from_it(tmp_path: Path) -> None:
    rows = ["Hall,51.5072,-0.1276,Ground", "Library,51.5082,-0.1276,1st Floor"]

    _, british = fields_of(table(tmp_path, "Location,Latitude,Longitude,Floor", *rows))
    _, american = fields_of(table(tmp_path, "Location,Latitude,Longitude,Floor", rows[1]))

    assert [row["floor"] for row in british] == [0, 1]
    assert [row["floor"] for row in american] == [0]


def test_a_device_that_its_list_says_is_stopped_is_out_of_service(tmp_path: Path) -> None:
    rows = ["大堂,120.1,30.2,正常", "会所,120.1,30.3,维修中", "南门,120.1,30.4,待定"]
    guess = guess_mapping(table(tmp_path, "安装位置,经度,纬度,设备状态", *rows))

    records = list(read_devices(tmp_path / "list.csv", mapping=guess.mapping))

    assert [record.fields.get("state") for record in records] == ["in_service", "out_of_service", None]
    assert [record.fields.get("out_of_service_reason") for record in records] == [None, "维修中", None]
    assert any("not one of the known words" in finding.wrong for finding in records[2].findings)


def test_the_day_and_the_month_are_in_the_same_order_in_the_whole_list(tmp_path: Path) -> None:
    header = "Location,Latitude,Longitude,Battery Expiry,Pad Expiry"

    _, american = fields_of(table(tmp_path, header, "Hall,29.7,-95.3,12/31/2027,6/5/2027"))
    _, german = fields_of(
        table(tmp_path, header, "Hall,48.1,11.5,31.12.2027,6.5.2027", "B,48.2,11.5,15.11.26,")
    )

    assert american[0]["pads_expire_on"] == "2027-06-05"
    assert [german[0]["pads_expire_on"], german[0]["battery_expires_on"]] == ["2027-05-06", "2027-12-31"]


def test_an_o_beside_degrees_is_the_east_in_german_and_the_west_in_french(tmp_path: Path) -> None:
    german = ["Standort;Breitengrad;Längengrad;Straße", "Rathaus;48,1351° N;11,5820° O;Markt 1"]
    french = ["Emplacement;Latitude;Longitude;Adresse", "Mairie;48,1351° N;1,5820° O;Place 1"]

    _, (east,) = fields_of(table(tmp_path, *german))
    _, (west,) = fields_of(table(tmp_path, *french))

    assert (east["lat"], east["lon"], west["lon"]) == ("48.1351", "11.582", "-1.582")


@pytest.mark.parametrize(
    ("header", "row", "encoding"),
    [
        (
            "施設名,設置場所,緯度,経度,利用可能時間,備考",
            "市役所,1階案内,35.6895,139.6917,平日9:00～17:00,休館日あり",
            "cp932",
        ),
        (
            "시설 기관명,설치위치,위도,경도,이용시간",
            "시청,1층 민원실,37.5665,126.9780,평일 09:00~17:00",
            "cp949",
        ),
        (
            "場所名稱,AED放置地點,緯度,經度,開放時間",
            "圖書館,1樓服務台旁,25.0330,121.5650,平日09:00~17:00",
            "big5",
        ),
    ],
)
def test_the_encoding_is_the_one_whose_headings_are_understood(
    tmp_path: Path, header: str, row: str, encoding: str
) -> None:
    guess, (found,) = fields_of(table(tmp_path, header, row, encoding=encoding))

    assert guess.mapping.encodings[0].startswith(encoding)
    assert {found.get("place_zh"), found.get("place_en")} - {None} == {" · ".join(row.split(",")[:2])}
    assert found["opening_hours"] == "Mo-Fr 09:00-17:00; PH off"


def test_hours_in_words_that_are_not_understood_are_no_place(tmp_path: Path) -> None:
    guess, _ = fields_of(
        table(tmp_path, "Nom x,Latitude,Longitude,Zugang", "A,48.1,11.5,nach Absprache 8-18 Uhr")
    )

    assert {each.heading: each.field for each in guess.columns}["Zugang"] is None


def test_german_storeys() -> None:
    assert [floor_of(cell, ground=0) for cell in ("EG, Foyer", "1. OG links", "2. UG", "Kasse")] == [
        0,
        1,
        -2,
        None,
    ]


@pytest.mark.parametrize(
    "written", ["全年全天開放", "24小時全天開放", "全日開放", "不限", "00:00-00:00 全年無休"]
)
def test_hours_that_mean_always(written: str) -> None:
    assert understood(written, "zh").expression == "24/7"


def test_words_for_nothing_and_lines_of_who_made_the_list_are_no_devices(tmp_path: Path) -> None:
    _, rows = fields_of(
        table(
            tmp_path,
            "序号,安装位置,经度,纬度,开放时间,电极片有效期,备注",
            "1,大堂,120.1,30.2,無,暂无,/",
            "2,会所,120.1,30.3,全天,2027年5月,—",
            "合计：2台,,,,,,",
            ",制表人：王,,,,审核：,",
        )
    )

    assert [set(row) & {"opening_hours_raw", "pads_expire_on", "access_instructions_zh"} for row in rows] == [
        set(),
        {"opening_hours_raw", "pads_expire_on"},
    ]


def test_opening_days_and_hours_in_two_columns_are_read_together(tmp_path: Path) -> None:
    _, rows = fields_of(
        table(
            tmp_path,
            "Ville de Saint-Étienne;;;;",
            "Emplacement;Coordonnées GPS (lat);Coordonnées GPS (long);Jours d'ouverture;Horaires d'ouverture",
            "Hall;45,4401;4,3880;lun-ven;8h00 - 12h00 / 13h30 - 18h00",
            "Préau;45,4403;4,3884;7j/7;24h/24",
            encoding="cp1252",
        )
    )

    assert [row["opening_hours"] for row in rows] == ["Mo-Fr 08:00-12:00,13:30-18:00", "24/7"]


def test_a_table_in_the_description_of_a_point_is_read_as_columns() -> None:
    html = (
        "<html><table><tr><td><table><tr><td>具体位置</td><td>1号楼<br>大堂</td></tr>"
        "<tr><th>开放时间：</th><td>24&nbsp;小时</td></tr></table></td></tr></table>门卫有钥匙</html>"
    )

    assert described_values(html) == ({"具体位置": "1号楼 大堂", "开放时间": "24 小时"}, "门卫有钥匙")
    assert described_values("开放时间: 24小时<br>电话：13800000001<br>see http://example.org") == (
        {"开放时间": "24小时", "电话": "13800000001"},
        "see http://example.org",
    )
    assert described_values("At the gate: ask the guard") == ({}, "At the gate: ask the guard")


def test_a_table_in_a_publishers_format_is_read_by_that_format(tmp_path: Path) -> None:
    headings = "名称,所在地_連結表記,緯度,経度,設置位置,利用可能曜日,開始時間,終了時間"
    path = table(tmp_path, headings, "市役所,北町1-1,35.7,139.9,1階,月火水木金,9:00,17:00", encoding="cp932")

    guess, rows = fields_of(path)

    assert (guess.mapping.name, guess.mapping.kept_by_hand) == ("japan", True)
    assert rows[0]["opening_hours"] == "Mo-Fr 09:00-17:00"
