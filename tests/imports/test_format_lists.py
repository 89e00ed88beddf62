"""Lists of several countries: invented rows under their real headers, in their encodings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from pydantic import TypeAdapter

from aed.errors import InvalidInput
from aed.imports.findings import FindingKind
from aed.imports.formats.recognise import DeviceFormat, read_devices
from aed.imports.formats.records import Record, RecordReader
from aed.imports.schemas import DeviceRow

ROW = TypeAdapter(DeviceRow)


def names_of(text: str) -> list[str]:
    return text.split(" | ")


JAPAN_22 = names_of(
    "都道府県コード又は市区町村コード | NO | 都道府県名 | 市区町村名 | 名称 | 名称_カナ | 住所 | 方書 | "
    "緯度 | 経度 | 設置位置 | 電話番号 | 内線番号 | 法人番号 | 団体名 | 利用可能曜日 | 開始時間 | "
    "終了時間 | 利用可能日時特記事項 | 小児対応設備の有無 | URL | 備考"
)
JAPAN_39 = names_of(
    "全国地方公共団体コード | ID | 地方公共団体名 | 名称 | 名称_カナ | 名称_英字 | "
    "所在地_全国地方公共団体コード | 町字ID | 所在地_連結表記 | 所在地_都道府県 | 所在地_市区町村 | "
    "所在地_町字 | 所在地_番地以下 | 建物名等(方書) | 緯度 | 経度 | 高度の種別 | 高度の値 | 設置位置 | "
    "電話番号 | 内線番号 | 連絡先メールアドレス | 連絡先FormURL | 連絡先備考（その他、SNSなど） | "
    "郵便番号 | 法人番号 | 団体名 | 利用可能曜日 | 開始時間 | 終了時間 | 利用可能日時特記事項 | "
    "小児対応設備の有無 | URL | 画像1 | 画像1_ライセンス | 画像2 | 画像2_ライセンス | 外部利用不可 | 備考"
)
TAIWAN = names_of(
    "場所ID | 場所名稱 | 場所縣市 | 場所區域 | 場所地址 | 場所分類 | 場所類型 | 場所描述 | AEDID | "
    "AED放置地點 | AED地點描述 | 地點LAT | 地點LNG | 全年全天開放大眾使用 | 周一至周五起 | "
    "周一至周五迄 | 周六起 | 周六迄 | 周日起 | 周日迄 | 開放使用時間備註 | 開放時間緊急連絡電話"
)
HONG_KONG = [
    "AED Name",
    "AED Address",
    "Detailed location of the AED installed",
    "Location Google Map coordinate: latitude",
    "Location Google Map coordinate: longitude",
    "Whether the AED can be used by anyone",
    "Person allowed to operate the AED",
    "Person who has access to the AED",
    "Ground level categories",
    "Service Hour Remark",
    "AED brand",
    "AED model",
    "AED remark",
]
KOREA = names_of(
    "연번 | 설치기관명 | 설치기관주소 | 설치위치 | 경도 | 위도 | 제조사 | 모델명 | 관리책임자 | "
    "관리책임자 연락처"
)
FRANCE = names_of(
    "c_gid | c_nom | c_lat_coor1 | c_long_coor1 | c_adr_num | c_adr_voie | c_com_cp | c_com_nom | "
    "c_acc | c_acc_lib | c_acc_etg | c_acc_complt | c_disp_j | c_disp_h | c_disp_complt | "
    "c_date_instal | c_etat_fonct | c_etat_valid | c_lc_ped | c_dtpr_lcped | c_dtpr_lcad | c_dtpr_bat | "
    "c_freq_mnt | c_dermnt | c_doublon | c_id_euro"
)

type Given = Mapping[str, str]


def text_of(header: Sequence[str], rows: Sequence[Given], *, before: str = "", delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows([row.get(name, "") for name in header] for row in rows)
    return before + out.getvalue()


def written(folder: Path, text: str, encoding: str = "utf-8", name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def workbook(folder: Path, header: Sequence[str], rows: Sequence[Given], *, before: int = 0) -> Path:
    path = folder / "list.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("表紙")
        sheet = book.add_worksheet("一覧")
        for line in range(before):
            sheet.write_string(line, 0, f"note {line}")
        for place, name in enumerate(header):
            sheet.write_string(before, place, name)
            for line, row in enumerate(rows, start=before + 1):
                sheet.write_string(line, place, row.get(name, ""))
    return path


def only(path: Path, form: DeviceFormat | None = None) -> tuple[RecordReader, Record, DeviceRow]:
    """Return the reading, its only record, and the device row it means."""
    reading = read_devices(path, form)
    (record,) = reading
    assert record.wrong is None
    return reading, record, ROW.validate_python(dict(record.fields))


def kinds(record: Record) -> set[FindingKind]:
    return {finding.kind for finding in record.findings}


# --- Japan ---

TOWN_HALL_22 = {
    "都道府県コード又は市区町村コード": "122033",
    "NO": "7",
    "名称": "市役所",
    "住所": "千葉県市川市1-1",
    "緯度": "35.7",
    "経度": "139.9",
    "設置位置": "2階ロビー",
    "電話番号": "047-000-0000",
    "利用可能曜日": "月火水木金",
    "開始時間": "8:30",
    "終了時間": "17:15",
    "小児対応設備の有無": "有",
}
TOWN_HALL_39 = {
    "全国地方公共団体コード": "122033",
    "ID": "7",
    "名称": "市役所",
    "名称_英字": "Town hall",
    "所在地_連結表記": "千葉県市川市1-1",
    "緯度": "35.7",
    "経度": "139.9",
    "設置位置": "2階ロビー",
    "利用可能曜日": "月火水木金",
    "開始時間": "8:30",
    "終了時間": "17:15",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize(("header", "row"), [(JAPAN_22, TOWN_HALL_22), (JAPAN_39, TOWN_HALL_39)])
def test_the_japanese_schema_is_read_in_its_encodings(
    tmp_path: Path, encoding: str, header: list[str], row: Given
) -> None:
    reading, record, device = only(written(tmp_path, text_of(header, [row]), encoding))
    assert (reading.form, reading.country) == ("japan", "JP")
    assert (device.source_id, device.floor, device.lat, device.lon) == ("122033-7", 1, 35.7, 139.9)
    assert device.opening_hours == "Mo-Fr 08:30-17:15"
    assert device.place_zh == "市役所 · 千葉県市川市1-1 · 2階ロビー"
    assert device.audience == "public"
    assert record.columns["lat"] == "緯度"
    assert record.raw["名称"] == "市役所"


@pytest.mark.parametrize("before", [0, 3])
def test_the_japanese_schema_is_read_from_a_workbook_with_a_preamble(tmp_path: Path, before: int) -> None:
    path = workbook(tmp_path, JAPAN_39, [TOWN_HALL_39], before=before)
    _, record, device = only(path)
    assert (device.source_id, record.where) == ("122033-7", f"row {before + 2}")
    assert device.place_en == "Town hall"


def test_a_preamble_before_the_header_is_skipped(tmp_path: Path) -> None:
    text = text_of(JAPAN_22, [TOWN_HALL_22], before="AED設置箇所一覧,,\n令和6年4月1日現在\n\n")
    _, record, device = only(written(tmp_path, text, "cp932"))
    assert (device.source_id, record.where) == ("122033-7", "line 5")


@pytest.mark.parametrize(
    "address", ["http://imi.go.jp/ns/core/rdf#{}", "https://schema.example/terms/{}", "http://x.example/{}/"]
)
def test_headers_that_are_term_uris_are_recognised(tmp_path: Path, address: str) -> None:
    header = [address.format(name) for name in JAPAN_22]
    row = {address.format(name): cell for name, cell in TOWN_HALL_22.items()}
    assert only(written(tmp_path, text_of(header, [row])))[2].source_id == "122033-7"


def test_english_headers_are_recognised(tmp_path: Path) -> None:
    header = "#property,latitude,longitude,name,address,installationPosition,availableDate,startTime,endTime"
    text = f"{header}\n1,34.3,134.0,健康施設,高松市1-1,地下1階,日,9:00,17:00\n"
    _, record, device = only(written(tmp_path, text))
    assert (device.floor, device.opening_hours) == (-1, "Su 09:00-17:00")
    assert device.source_id.startswith("content-")
    assert FindingKind.ID_FROM_CONTENT in kinds(record)


def test_an_id_from_content_does_not_depend_on_the_rows_around_it(tmp_path: Path) -> None:
    first, second = dict(TOWN_HALL_22, NO=""), dict(TOWN_HALL_22, NO="", 名称="図書館")

    def ids(*rows: Given) -> list[str]:
        path = written(tmp_path, text_of(JAPAN_22, rows))
        return [str(record.fields["source_id"]) for record in read_devices(path)]

    one, other = ids(first, second)
    assert ids(second, first) == [other, one]
    assert ids(second) == [other]
    assert ids(dict(first, 緯度="35.8", 備考="moved")) == [one]
    assert ids(first, first) == [one, f"{one}-2"]
    assert ids(dict(first, 名称="　市役所 ")) == [one]


def test_a_device_closed_to_outsiders_is_for_dispatch_only(tmp_path: Path) -> None:
    row = dict(TOWN_HALL_39, 外部利用不可="1")
    assert only(written(tmp_path, text_of(JAPAN_39, [row])))[2].audience == "dispatch"


def test_several_floors_are_read_as_no_floor(tmp_path: Path) -> None:
    _, record, device = only(
        written(tmp_path, text_of(JAPAN_22, [dict(TOWN_HALL_22, 設置位置="1・2・3階各入口")]))
    )
    assert device.floor == 0
    assert "floor" not in record.fields
    assert FindingKind.FLOOR_NOT_UNDERSTOOD in kinds(record)


# --- Taiwan ---

SCHOOL = {
    "場所名稱": "國小",
    "場所縣市": "台北市",
    "場所地址": "中正路1號",
    "AEDID": "281",
    "AED放置地點": "一樓健康中心",
    "AED地點描述": "門口\n右側",
    "地點LAT": "25.1",
    "地點LNG": "121.5",
    "全年全天開放大眾使用": "X",
    "開放時間緊急連絡電話": "02-12345678",
}


def taiwanese(tmp_path: Path, **cells: str) -> tuple[Record, DeviceRow]:
    path = written(tmp_path, text_of(TAIWAN, [SCHOOL | cells]), "utf-8-sig")
    reading, record, device = only(path)
    assert reading.form == "taiwan"
    return record, device


def every_day(start: str, end: str) -> dict[str, str]:
    return {
        f"{days}{edge}": time
        for days in ("周一至周五", "周六", "周日")
        for edge, time in (("起", start), ("迄", end))
    }


@pytest.mark.parametrize(
    ("cells", "hours"),
    [
        (every_day("00:00", "23:59"), "24/7"),
        (every_day("00:00", "00:00"), None),
        (every_day("00:00", "00:00") | {"開放使用時間備註": "全年無休"}, "24/7"),
        (every_day("00:00", "00:00") | {"開放使用時間備註": "24小時全天開放"}, "24/7"),
        (every_day("08:00", "17:00") | {"開放使用時間備註": "無"}, "Mo-Su 08:00-17:00"),
        (every_day("08:00", "17:00") | {"開放使用時間備註": "僅供成人使用"}, "Mo-Su 08:00-17:00"),
        (every_day("08:00", "17:00") | {"開放使用時間備註": "全年無休"}, "Mo-Su 08:00-17:00"),
        (every_day("06:00", "00:30"), "Mo-Su 06:00-00:30"),
        (every_day("", "") | {"全年全天開放大眾使用": "Y"}, "24/7"),
        (every_day("00:00", "23:59") | {"開放使用時間備註": "24小時開放"}, "24/7"),
    ],
)
def test_structured_hours_of_taiwan_are_read(tmp_path: Path, cells: Given, hours: str | None) -> None:
    record, device = taiwanese(tmp_path, **cells)
    assert device.opening_hours == hours
    assert device.opening_hours_raw
    if hours is None:
        assert FindingKind.HOURS_NOT_UNDERSTOOD in kinds(record)


def test_line_breaks_and_floors_of_the_taiwanese_list_are_read(tmp_path: Path) -> None:
    record, device = taiwanese(tmp_path)
    assert (device.source_id, device.floor, device.access_instructions_zh) == ("281", 0, "門口\n右側")
    assert device.keeper_phone == "02-12345678"
    assert record.where == "line 2"


def test_the_older_taiwanese_list_without_a_header_is_read(tmp_path: Path) -> None:
    rows = [
        f'{place}號館,台北市中正區中正路{place}號,"(121.5{place},25.0{place})",{place}樓大廳,'
        '"<p>周一至周五</p><br/>08:00-17:00<br>"'
        for place in range(1, 6)
    ]
    path = written(tmp_path, "\n".join(rows) + "\n")

    reading = read_devices(path)
    records = list(reading)

    assert (reading.form, reading.country) == ("taiwan-scrape", "TW")
    device = ROW.validate_python(dict(records[1].fields))
    assert (device.lat, device.lon, device.floor) == (25.02, 121.52, 1)
    assert device.opening_hours == "Mo-Fr 08:00-17:00"
    assert device.opening_hours_raw == "周一至周五\n08:00-17:00"
    assert device.place_zh is not None
    assert "2號館" in device.place_zh
    assert [record.number for record in records] == [1, 2, 3, 4, 5]


def test_the_columns_of_the_older_taiwanese_list_are_found_by_what_they_hold(tmp_path: Path) -> None:
    rows = [
        f'{number},<a href="http://192.0.2.1:8080/detail?id={number}">link</a>,{number}號館,'
        f'"(121.5{number},25.0{number})",<p>全年全天開放</p>,台北市中正區中正路{number}號,1樓大廳,'
        f"02-1234567{number}"
        for number in range(1, 6)
    ]

    reading = read_devices(written(tmp_path, "\n".join(rows) + "\n"))
    device = ROW.validate_python(dict(list(reading)[1].fields))

    assert reading.form == "taiwan-scrape"
    assert (device.lat, device.lon, device.floor) == (25.02, 121.52, 0)
    assert (device.opening_hours, device.opening_hours_raw) == ("24/7", "全年全天開放")
    assert device.place_zh == "2號館 · 台北市中正區中正路2號 · 1樓大廳"


# --- Korea ---


@pytest.mark.parametrize("heading", ["모델명", "모델", "장비모델명", "AED 모델명", "기종"])
def test_the_model_of_a_korean_list_is_read(tmp_path: Path, heading: str) -> None:
    row = {"설치기관명": "시청", "설치위치": "1층", "위도": "37.56", "경도": "126.97", heading: "NF1200"}

    _, _, device = only(written(tmp_path, text_of(list(row), [row])))

    assert device.model == "NF1200"


def test_a_korean_list_is_read_in_its_encoding_with_longitude_first(tmp_path: Path) -> None:
    cells = [
        "1",
        "시청",
        "서울 중구 1",
        "지하1층 로비",
        "126.97",
        "37.56",
        "씨유메디칼",
        "NF1200",
        "김",
        "02-1-2",
    ]
    text = text_of(KOREA, [dict(zip(KOREA, cells, strict=True))])
    reading, _, device = only(written(tmp_path, text, "cp949"))
    assert (reading.form, reading.country) == ("korea", "KR")
    assert (device.lat, device.lon, device.floor) == (37.56, 126.97, -1)
    assert (device.keeper_name, device.keeper_phone, device.model) == ("김", "02-1-2", "NF1200")
    assert device.source_id.startswith("content-")


def test_the_answer_of_the_korean_service_is_read(tmp_path: Path) -> None:
    items = [{"org": "시청", "buildPlace": "1층", "wgs84Lon": 126.97, "wgs84Lat": 37.56, "model": "NF1200"}]
    answer = {"response": {"header": {"resultCode": "00"}, "body": {"items": {"item": items}}}}
    reading, record, device = only(written(tmp_path, json.dumps(answer), name="answer.json"))
    assert (reading.form, record.where, device.lat) == ("korea", "row 1", 37.56)


# --- France ---

MAIRIE = {
    "c_gid": "42",
    "c_nom": "Mairie",
    "c_lat_coor1": "48.85",
    "c_long_coor1": "2.35",
    "c_acc": "Intérieur",
    "c_acc_lib": "t",
    "c_acc_etg": "RDC",
    "c_disp_j": "{7j/7}",
    "c_disp_h": "{24h/24}",
    "c_etat_fonct": "En fonctionnement",
    "c_etat_valid": "validées",
    "c_dtpr_lcad": "2027-05-31",
    "c_dtpr_bat": "2000-01-01",
    "c_dermnt": "2026-01-15",
    "c_doublon": "f",
}


def french(tmp_path: Path, **cells: str) -> tuple[Record, DeviceRow]:
    reading, record, device = only(written(tmp_path, text_of(FRANCE, [MAIRIE | cells])))
    assert (reading.form, reading.country) == ("geodae", "FR")
    return record, device


def test_a_french_row_is_read(tmp_path: Path) -> None:
    record, device = french(tmp_path)
    assert (device.source_id, device.floor, device.opening_hours) == ("42", 0, "24/7")
    assert (device.entry, device.state) == ("free", "in_service")
    assert str(device.pads_expire_on) == "2027-05-31"
    assert device.battery_expires_on is None
    (placeholder,) = [each for each in record.findings if each.kind is FindingKind.DATE_IS_A_PLACEHOLDER]
    assert (placeholder.column, placeholder.read) == ("c_dtpr_bat", "2000-01-01")


@pytest.mark.parametrize(
    ("days", "hours", "expression"),
    [
        ("{7j/7}", "{24h/24}", "24/7"),
        ("{non renseigné}", "{non renseigné}", None),
        ("", "", None),
        ('{lundi,mardi,mercredi,"jours fériés"}', "{24h/24}", "Mo-We 00:00-24:00; PH 00:00-24:00"),
    ],
)
def test_french_arrays_of_days_and_hours_are_read(
    tmp_path: Path, days: str, hours: str, expression: str | None
) -> None:
    assert french(tmp_path, c_disp_j=days, c_disp_h=hours)[1].opening_hours == expression


def test_unspecified_working_hours_are_read_as_unknown(tmp_path: Path) -> None:
    _, device = french(tmp_path, c_disp_j="{lundi}", c_disp_h="{heures ouvrables}")
    assert device.opening_hours_raw == "lundi · heures ouvrables"
    assert device.opening_hours is None or "unknown" in device.opening_hours


@pytest.mark.parametrize(
    ("written_state", "state"),
    [
        ("Hors service", "out_of_service"),
        ("Absent momentanément", "out_of_service"),
        ("Supprimé définitivement", "withdrawn"),
    ],
)
def test_french_states_are_read(tmp_path: Path, written_state: str, state: str) -> None:
    assert french(tmp_path, c_etat_fonct=written_state)[1].state == state


def test_a_french_list_with_the_column_names_of_the_schema_is_read(tmp_path: Path) -> None:
    names = [name.removeprefix("c_") for name in FRANCE]
    row = {name.removeprefix("c_"): cell for name, cell in MAIRIE.items()}
    reading, record, device = only(written(tmp_path, text_of(names, [row], delimiter=";")))
    assert reading.form == "geodae"
    assert device == french(tmp_path)[1]
    assert dict(record.fields) == dict(french(tmp_path)[0].fields)


@pytest.mark.parametrize(
    ("written_access", "entry"),
    [("t", "free"), ("Vrai", "free"), ("Faux", "unknown"), ("", "unknown"), ("sur demande", "unknown")],
)
def test_french_access_is_free_only_where_stated(tmp_path: Path, written_access: str, entry: str) -> None:
    assert french(tmp_path, c_acc_lib=written_access)[1].entry == entry


def test_french_paediatric_pads_are_read(tmp_path: Path) -> None:
    assert str(french(tmp_path, c_dtpr_lcped="2027-08-31")[1].child_pads_expire_on) == "2027-08-31"


@pytest.mark.parametrize("written_udi", ["06901234567892", "6901234567892", "(01)06901234567892(21)A1"])
def test_the_french_udi_is_read_whole_or_in_part(tmp_path: Path, written_udi: str) -> None:
    assert french(tmp_path, c_id_euro=written_udi)[1].udi_di == "06901234567892"


def test_a_french_udi_that_is_none_is_left_empty_with_a_warning(tmp_path: Path) -> None:
    record, device = french(tmp_path, c_id_euro="1234567890")  # the example of the schema
    assert device.udi_di is None
    (finding,) = [each for each in record.findings if each.column == "c_id_euro"]
    assert (finding.kind, finding.wrong) == (
        FindingKind.VALUE_NOT_UNDERSTOOD,
        "A UDI-DI of digits alone has 8, 12, 13 or 14 of them, such as 06901234567892. It is left empty.",
    )


def test_doubtful_french_rows_have_warnings(tmp_path: Path) -> None:
    record, _ = french(tmp_path, c_doublon="t", c_etat_valid="en attente de validation", c_etat_fonct="?")
    assert {
        FindingKind.MARKED_AS_DUPLICATE,
        FindingKind.NOT_YET_VALIDATED,
        FindingKind.VALUE_NOT_UNDERSTOOD,
    } <= kinds(record)


@pytest.mark.parametrize(
    ("storey", "floor"),
    [("RDC", 0), ("rez-de-chaussée", 0), ("1er étage", 1), ("R+2", 2), ("0", 0), ("-1", -1), ("sous-sol", 0)],
)
def test_french_floors_are_read(tmp_path: Path, storey: str, floor: int) -> None:
    assert french(tmp_path, c_acc_etg=storey)[1].floor == floor


def test_the_french_list_is_read_as_geojson(tmp_path: Path) -> None:
    feature: dict[str, Any] = {"type": "Feature", "geometry": None, "properties": dict(MAIRIE, c_gid=42)}
    document = {"type": "FeatureCollection", "features": [feature]}
    reading, record, device = only(written(tmp_path, json.dumps(document), name="dae.json"))
    assert (reading.form, record.where, device.source_id) == ("geodae", "feature 1", "42")


def test_a_line_with_too_few_cells_is_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path, text_of(FRANCE, [MAIRIE]) + "43,École,48.8\n" + text_of(FRANCE, [MAIRIE]).split("\n", 1)[1]
    )
    found = list(read_devices(path))
    assert [record.wrong is None for record in found] == [True, False, True]
    assert found[1].wrong == f"has 3 cells where the header has {len(FRANCE)}"


# --- Hong Kong ---


def test_hong_kong_is_read_without_ids_and_with_doubly_encoded_entities(tmp_path: Path) -> None:
    cells = [
        "Tom &amp;amp; Co",
        "1 Queen&#039;s Road",
        "2/F lift lobby",
        "22.28",
        "114.15",
        "No",
        "Trained staff",
        "Guard",
        "x",
        "24 hours daily",
        "Brand",
        "M1",
        "",
    ]
    text = text_of(HONG_KONG, [dict(zip(HONG_KONG, cells, strict=True))])
    reading, _, device = only(written(tmp_path, text, "utf-8-sig"))
    assert (reading.form, reading.country) == ("hongkong", "HK")
    assert device.place_en == "Tom & Co · 1 Queen's Road · 2/F lift lobby"
    assert (device.floor, device.entry, device.opening_hours) == (2, "assisted", "24/7")
    assert device.access_instructions_en == "Guard\nTrained staff"


# --- OpenStreetMap ---


def overpass(tmp_path: Path, elements: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    answer = {"version": 0.6, "generator": "Overpass API", "elements": elements, **more}
    return written(tmp_path, json.dumps(answer), name="answer.json")


AED_TAGS = {"emergency": "defibrillator", "opening_hours": "24/7"}


def test_an_answer_of_overpass_is_read(tmp_path: Path) -> None:
    path = overpass(
        tmp_path,
        [
            {"type": "node", "id": 1, "lat": 47.1, "lon": 9.5, "tags": AED_TAGS},
            {"type": "way", "id": 2, "center": {"lat": 47.2, "lon": 9.6}, "tags": AED_TAGS},
            {"type": "node", "id": 3, "lat": 47.1, "lon": 9.5},
            {"type": "way", "id": 4, "nodes": [1, 3], "tags": AED_TAGS},
        ],
    )
    reading = read_devices(path)
    one, two, four = reading
    assert (reading.form, reading.source) == ("overpass", "osm")
    assert one.fields["source_id"] == "node/1"
    assert (two.fields["source_id"], two.fields["lat"]) == ("way/2", 47.2)
    assert four.wrong is not None
    assert "out center" in four.wrong


def test_invalid_answers_of_overpass_are_refused(tmp_path: Path) -> None:
    aed = {"type": "node", "id": 1, "lat": 47.1, "lon": 9.5, "tags": AED_TAGS}
    count = {"type": "count", "id": 0, "tags": {"nodes": "9"}}

    def refused(path: Path) -> str:
        with pytest.raises(InvalidInput) as caught:
            list(read_devices(path))
        return caught.value.detail

    assert "Query timed out" in refused(overpass(tmp_path, [], remark="runtime error: Query timed out"))
    assert "interrupted" in refused(overpass(tmp_path, [aed], remark="runtime error: out of memory"))
    assert "none of its 0 elements" in refused(overpass(tmp_path, []))
    assert "none of its 1 elements" in refused(overpass(tmp_path, [count]))
    error = written(tmp_path, '{"error": "rate limited"}', name="error.json")
    assert "Its message is: rate limited" in refused(error)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_openstreetmap_tags_are_read_from_a_table(tmp_path: Path, delimiter: str) -> None:
    header = ["@type", "@id", "@lat", "@lon", "emergency", "level", "opening_hours"]
    rows = [
        ["way", "5", "47.1", "9.5", "defibrillator", "1", "24/7"],
        ["node", "6", "47", "9", "hydrant", "", ""],
    ]
    text = "\n".join(delimiter.join(row) for row in [header, *rows]) + "\n"
    reading, _, device = only(written(tmp_path, text))
    assert (reading.form, device.source_id, device.floor) == ("osm-csv", "way/5", 1)


def test_concatenated_json_documents_are_read(tmp_path: Path) -> None:
    def collection(number: int) -> str:
        feature = {
            "type": "Feature",
            "id": f"node/{number}",
            "geometry": {"type": "Point", "coordinates": [9.5, 47.1]},
            "properties": AED_TAGS,
        }
        return json.dumps({"type": "FeatureCollection", "features": [feature]})

    expected = ["node/1", "node/2", "node/3"]
    collections = [collection(number) for number in (1, 2, 3)]
    features = [json.dumps(json.loads(each)["features"][0]) for each in collections]
    for text in (
        "".join(collections),
        "\n".join(collections),
        "\n".join(features),
        "\x1e" + "\n\x1e".join(features),
    ):
        found = list(read_devices(written(tmp_path, text, name="many.geojson")))
        assert [record.fields["source_id"] for record in found] == expected
