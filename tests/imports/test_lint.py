"""The linter's findings: for each kind a list with only that fault, and lists without faults."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyproj import Transformer

from aed.errors import InvalidInput
from aed.geo import Datum, Position, from_wgs84
from aed.imports.findings import CHINESE, Finding, FindingKind, Severity
from aed.imports.lint.linting import WHOLE_FILE, lint_list
from tests.imports import lists
from tests.imports.lists import DISTRICT
from tests.imports.test_format_lists import HONG_KONG, JAPAN_39, TAIWAN
from tests.make import PATIENT, east_of, north_of

TODAY = date(2026, 9, 22)
K = FindingKind
STREETS = ("Willow", "Bridge", "Harbour", "Orchard", "Temple", "Mill", "Garden", "Station", "Market", "Hill")


def clean_rows(count: int = 30, *, around: Position = PATIENT, **same: Any) -> list[dict[str, Any]]:
    """Return rows of devices in an invented town, some hundred metres apart, without faults."""
    rng = random.Random(7)
    rows = []
    for number in range(count):
        place = east_of(north_of(around, metres=300.0 * (number // 6)), metres=300.0 * (number % 6))
        place = east_of(place, metres=rng.uniform(-40, 40))
        rows.append(
            {
                "source": "list",
                "source_id": f"d{number}",
                "lat": f"{place.lat:.6f}",
                "lon": f"{place.lon:.6f}",
                "place_en": f"{STREETS[number % 10]} Street {number * 7 + 3}, main entrance",
                "opening_hours": "Mo-Fr 08:00-18:00",
                "serial": f"SN{number:05}",
                "pads_expire_on": "2028-03-31",
                "last_checked_on": "2026-08-30",
                **same,
            }
        )
    return rows


def lint(path: Path, **given: Any) -> list[Finding]:
    with lint_list(path, on=TODAY, **given) as linted:
        found = list(linted.findings())
        assert sum(linted.counts.values()) == len(found)
        return found


def found_in(folder: Path, rows: Iterable[Mapping[str, Any]], **given: Any) -> list[Finding]:
    return lint(lists.table(folder, *rows), **given)


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def kinds(findings: Iterable[Finding]) -> set[FindingKind]:
    return {finding.kind for finding in findings}


def changed(row: int, **fields: Any) -> list[dict[str, Any]]:
    rows = clean_rows()
    rows[row] |= fields
    return rows


# --- Lists without findings ---


def test_nothing_is_found_in_a_clean_list(tmp_path: Path) -> None:
    assert found_in(tmp_path, clean_rows()) == []
    assert found_in(tmp_path, clean_rows(), country="CN") == []


def test_nothing_is_found_in_a_list_of_two_rows(tmp_path: Path) -> None:
    assert found_in(tmp_path, clean_rows(2)) == []


def test_nothing_is_found_in_a_building_with_several_devices(tmp_path: Path) -> None:
    """Texts in one building are alike: a number, a door or a serial number distinguishes the devices."""
    rows = clean_rows(12)
    here = {"lat": rows[0]["lat"], "lon": rows[0]["lon"], "maker": "Maker", "model": "One", "serial": ""}
    words = [
        "Town hall, Willow Street 3, floor 1",
        "Town hall, Willow Street 3, floor 2",
        "Town hall, Willow Street 3, canteen",
        "Town hall, Willow Street 3, reception",
    ]
    eastern = [f"市政厅 柳树街3号 {door}" for door in ("1楼大厅", "2楼大厅", "食堂", "门卫室")]
    for row, place in zip(rows, words, strict=False):
        row |= {**here, "place_en": place}
    for row, place in zip(rows[4:8], eastern, strict=True):
        row |= {**here, "place_en": "", "place_zh": place}
    for row, serial in zip(rows[8:10], ("A1001", "A1002"), strict=True):
        row |= {**here, "place_en": "Gym, Hill Street 1", "serial": serial}

    assert found_in(tmp_path, rows) == []


def test_only_an_expired_date_is_found_in_the_demo_district() -> None:
    """The district has devices in three datums, gates that face each other, and pads expired on purpose."""
    assert kinds(lint(DISTRICT / "devices.csv")) == {K.DATE_EXPIRED}


def test_nothing_is_found_along_a_coast_on_islands_and_at_borders(tmp_path: Path) -> None:
    places = {
        "US": [(41.28, -70.10), (21.31, -157.86), (25.77, -80.13), (61.2, -149.9)],
        "LI": [(47.067, 9.50), (47.267, 9.53), (47.14, 9.47)],
        "FR": [(-20.88, 55.45), (14.6, -61.07), (-22.27, 166.44), (48.58, 7.8)],
        "JP": [(24.34, 124.16), (45.41, 141.67), (35.53, 139.79), (27.09, 142.19)],
        "CN": [(22.54, 114.06), (30.0, 122.1), (18.24, 109.5), (22.28, 114.16), (53.48, 122.36)],
        "TW": [(23.37, 119.5), (24.44, 118.32), (26.15, 119.93), (22.05, 121.55)],
        "KR": [(33.25, 126.41), (37.48, 130.9), (37.97, 124.7)],
        "NO": [(71.17, 25.78), (78.22, 15.65)],
        "MV": [(4.17, 73.51)],
    }
    for country, points in places.items():
        rows = [
            {**row, "lat": lat, "lon": lon}
            for row, (lat, lon) in zip(clean_rows(len(points)), points, strict=True)
        ]
        assert found_in(tmp_path, rows, country=country) == [], country


# --- Positions of a row ---


@pytest.mark.parametrize(
    ("lat", "lon", "column"), [("", "", "lat, lon"), ("30.1", "", "lon"), ("", "120.1", "lat")]
)
def test_missing_coordinates_are_found(tmp_path: Path, lat: str, lon: str, column: str) -> None:
    finding = only(found_in(tmp_path, changed(3, lat=lat, lon=lon)))

    assert (finding.kind, finding.severity) == (K.COORDINATES_MISSING, Severity.ERROR)
    assert (finding.where, finding.column) == ("line 5", column)


@pytest.mark.parametrize(
    ("lat", "lon", "right"),
    [
        ("30°17'28\"N", "120°05'59\"E", (30.29111, 120.09972)),
        ("30.2911N", "E120.0998", (30.2911, 120.0998)),
        ("30,2911", "120,0998", (30.2911, 120.0998)),
        ("30.291.123", "120.099.8", (30.291123, 120.0998)),
        ("30.2911, 120.0998", "30.2911, 120.0998", (30.2911, 120.0998)),
        ("north of the bridge", "120.1", None),
        ("nan", "120.1", None),
        ("1e400", "120.1", None),
    ],
)
def test_coordinates_that_are_not_numbers_are_found(
    tmp_path: Path, lat: str, lon: str, right: tuple[float, float] | None
) -> None:
    finding = only(found_in(tmp_path, changed(3, lat=lat, lon=lon)))

    assert finding.kind is K.COORDINATES_UNREADABLE
    assert finding.read in (lat, lon)
    if right is not None:
        assert finding.right is not None
        assert [float(part) for part in finding.right.split(",")] == pytest.approx(right, abs=1e-4)


def test_swapped_coordinates_are_found_and_corrected(tmp_path: Path) -> None:
    rows = clean_rows()
    lat, lon = rows[3]["lat"], rows[3]["lon"]
    rows[3] |= {"lat": lon, "lon": lat}

    finding = only(found_in(tmp_path, rows))

    assert (finding.kind, finding.severity, finding.where) == (
        K.COORDINATES_SWAPPED,
        Severity.ERROR,
        "line 5",
    )
    assert finding.right is not None
    assert [float(part) for part in finding.right.split(",")] == pytest.approx([float(lat), float(lon)])


def test_swapped_coordinates_that_are_possible_both_ways_are_found(tmp_path: Path) -> None:
    """In Poland, both numbers are possible latitudes: the positions of other rows decide."""
    rows = clean_rows(around=Position(52.23, 21.01))
    rows[3] |= {"lat": rows[3]["lon"], "lon": rows[3]["lat"]}

    assert only(found_in(tmp_path, rows)).kind is K.COORDINATES_SWAPPED
    assert only(found_in(tmp_path, rows, country="PL")).kind is K.COORDINATES_SWAPPED


@pytest.mark.parametrize(
    ("lat", "lon"),
    [("3029.11", "120.0998"), ("302911", "120.0998"), ("30.2911", "1200998"), ("30291123", "120099812")],
)
def test_a_lost_decimal_point_is_found_and_corrected(tmp_path: Path, lat: str, lon: str) -> None:
    finding = only(found_in(tmp_path, changed(3, lat=lat, lon=lon)))

    assert (finding.kind, finding.severity) == (K.DECIMAL_POINT_LOST, Severity.ERROR)
    assert finding.read == f"{lat}, {lon}"
    assert finding.right is not None
    assert [float(part) for part in finding.right.split(",")] == pytest.approx([30.2911, 120.0998], abs=1e-3)


def test_a_misplaced_decimal_point_in_a_possible_number_is_found(tmp_path: Path) -> None:
    finding = only(found_in(tmp_path, changed(3, lat="3.02911")))

    assert finding.kind is K.DECIMAL_POINT_LOST
    assert finding.right is not None
    assert finding.right.startswith("30.2911, ")


def test_a_lost_decimal_point_is_found_without_other_rows_to_compare(tmp_path: Path) -> None:
    rows = clean_rows(1)
    rows[0] |= {"lat": "34351234", "lon": "134051234"}

    finding = only(found_in(tmp_path, rows))

    assert (finding.kind, finding.right) == (K.DECIMAL_POINT_LOST, "34.351234, 134.051234")


def test_projected_coordinates_in_metres_are_found(tmp_path: Path) -> None:
    finding = only(found_in(tmp_path, changed(3, lat="95", lon="200")))

    assert finding.kind is K.COORDINATES_OUT_OF_RANGE


@pytest.mark.parametrize(("lat", "lon"), [("90", "120.1"), ("0", "0"), ("0.0001", "0"), ("-90", "0")])
def test_placeholder_positions_are_found(tmp_path: Path, lat: str, lon: str) -> None:
    finding = only(found_in(tmp_path, changed(3, lat=lat, lon=lon)))

    assert (finding.kind, finding.severity) == (K.AT_THE_POLE_OR_ZERO, Severity.ERROR)


# --- Positions in a list ---


def test_a_row_in_another_country_is_found(tmp_path: Path) -> None:
    rows = clean_rows(around=Position(47.14, 9.52))[:24]
    rows[3] |= {"lat": "48.2082", "lon": "16.3738"}

    finding = only(found_in(tmp_path, rows, country="LI"))
    seen = only(found_in(tmp_path, rows))

    assert (finding.kind, finding.severity) == (K.OUTSIDE_COUNTRY, Severity.ERROR)
    assert "Austria" in finding.wrong
    assert "Liechtenstein" in finding.wrong
    assert (seen.kind, seen.severity) == (K.OUTSIDE_COUNTRY, Severity.WARNING)


def test_a_lost_sign_is_reported_with_the_country(tmp_path: Path) -> None:
    rows = clean_rows(around=Position(36.85, -75.98))
    rows[3]["lon"] = rows[3]["lon"].removeprefix("-")

    finding = only(found_in(tmp_path, rows, country="US"))

    assert finding.kind is K.OUTSIDE_COUNTRY
    assert finding.right is not None
    assert finding.right.endswith(f"-{rows[3]['lon'].rstrip('0')}")


def test_a_row_in_the_sea_is_found(tmp_path: Path) -> None:
    rows = changed(3, lat="29.0", lon="125.5")

    assert only(found_in(tmp_path, rows)).kind is K.IN_THE_SEA
    assert only(found_in(tmp_path, rows, country="CN")).kind is K.IN_THE_SEA
    assert only(found_in(tmp_path, [*clean_rows(2), rows[3]])).kind is K.IN_THE_SEA


def test_islands_that_the_outlines_lack_are_not_in_the_sea(tmp_path: Path) -> None:
    rows = clean_rows()
    rows[3] |= {"lat": "30.7180", "lon": "122.7660"}  # Gouqi
    rows[4] |= {"lat": "39.0301", "lon": "122.7292"}  # Zhangzi

    assert K.IN_THE_SEA not in {each.kind for each in found_in(tmp_path, rows, country="CN")}


def test_rows_of_one_town_together_at_sea_are_an_island(tmp_path: Path) -> None:
    rows = clean_rows()
    for number, row in enumerate(rows[3:6]):
        row |= {"lat": f"29.0{number}", "lon": "125.5", "place_zh": f"海島縣遠海鄉碼頭{number}號"}
    together = found_in(tmp_path, rows, country="CN")
    rows[4]["lat"] = "27.0"
    apart = found_in(tmp_path, rows, country="CN")

    assert K.IN_THE_SEA not in {each.kind for each in together}
    assert [each.kind for each in apart].count(K.IN_THE_SEA) == 3


@pytest.mark.parametrize(
    ("lat", "lon", "says"),
    [
        ("30.29", "30.29", "The longitude column holds a latitude."),
        ("30.2911", "30.2901", "The longitude column holds a latitude."),
        ("120.09", "120.09", "The latitude column holds a longitude."),
    ],
)
def test_equal_latitude_and_longitude_are_reported(tmp_path: Path, lat: str, lon: str, says: str) -> None:
    rows = changed(3, lat=lat, lon=lon)

    for found in (found_in(tmp_path, rows), found_in(tmp_path, rows, country="CN")):
        finding = only(found)
        assert (finding.kind, finding.severity, finding.wrong) == (
            K.COORDINATE_REPEATED,
            Severity.ERROR,
            says,
        )


def test_a_row_far_from_its_town_is_found(tmp_path: Path) -> None:
    """By the town's column, and by the words of the address."""
    near, far = Position(25.05, 121.54), Position(24.15, 120.67)
    places = [north_of(near, metres=400.0 * number) for number in range(8)]
    places += [north_of(far, metres=400.0 * number) for number in range(8)]
    rows = [
        {
            **dict.fromkeys(TAIWAN, ""),
            "場所名稱": f"第{number + 20}中心",
            "場所縣市": "台北市" if number < 8 else "台中市",
            "場所區域": "松山區" if number < 8 else "西區",
            "場所地址": f"和平路{number + 1}號",
            "AEDID": f"{number}",
            "地點LAT": place.lat,
            "地點LNG": place.lon,
            "全年全天開放大眾使用": "Y",
        }
        for number, place in enumerate(places)
    ]
    assert found_in(tmp_path, rows) == []
    rows[2] |= {"地點LAT": far.lat, "地點LNG": far.lon + 0.01}
    by_column = only(found_in(tmp_path, rows))
    own = [
        {**row, "lat": place.lat, "lon": place.lon, "place_en": "", "place_zh": f"杭州市和平路{number * 3}号"}
        for number, (row, place) in enumerate(zip(clean_rows(8), places[:8], strict=True))
    ]
    own[2] |= {"lat": 24.6, "lon": 121.2}
    by_words = only(found_in(tmp_path, [row for row in own if row is not own[2]] + [own[2]]))

    for finding in (by_column, by_words):
        assert (finding.kind, finding.severity) == (K.FAR_FROM_ITS_TOWN, Severity.WARNING)
    assert "台北市 松山區" in by_column.wrong
    assert "杭州市" in by_words.wrong


def test_a_row_far_from_all_others_is_found(tmp_path: Path) -> None:
    finding = only(found_in(tmp_path, changed(3, lat="34.20", lon="108.90")))

    assert finding.kind is K.FAR_FROM_ITS_TOWN


# --- The datum ---


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_rows_of_the_same_places_in_two_datums_are_found(tmp_path: Path, datum: Datum) -> None:
    rows = clean_rows(12, serial="")
    again = []
    for number, row in enumerate(rows[:5]):
        lat, lon = from_wgs84(Position(float(row["lat"]), float(row["lon"])), datum)
        again.append({**row, "source_id": f"again{number}", "lat": f"{lat:.6f}", "lon": f"{lon:.6f}"})

    findings = found_in(tmp_path, rows + again)

    assert kinds(findings) == {K.DATUM_SLIP}
    whole = [finding for finding in findings if finding.where == WHOLE_FILE]
    assert [finding.where for finding in findings[1:]] == [f"line {number}" for number in range(14, 19)]
    assert only(whole).right is not None
    assert str(only(whole).right).startswith(datum.value)
    assert "5 of the" in only(whole).wrong
    for finding, row in zip(findings[1:], rows, strict=False):
        right = [float(part) for part in str(finding.right).split(" in ")[0].split(",")]
        assert right == pytest.approx([float(row["lat"]), float(row["lon"])], abs=2e-6)


def test_rows_of_the_same_places_in_the_old_japanese_datum_are_found(tmp_path: Path) -> None:
    rows = clean_rows(12, around=Position(35.68, 139.76), serial="")
    to_tokyo = Transformer.from_crs(4326, 4301)
    again = []
    for number, row in enumerate(rows[:4]):
        lat, lon = to_tokyo.transform(float(row["lat"]), float(row["lon"]))
        again.append({**row, "source_id": f"again{number}", "lat": f"{lat:.6f}", "lon": f"{lon:.6f}"})

    findings = found_in(tmp_path, rows + again)

    assert kinds(findings) == {K.DATUM_SLIP}
    assert str(findings[0].right).startswith("tokyo")


def test_branches_of_a_chain_are_not_taken_for_a_datum_shift(tmp_path: Path) -> None:
    """The same texts some hundred metres apart, in any direction."""
    rows = clean_rows(30, serial="")
    rng = random.Random(3)
    for row in rows:
        angle = rng.uniform(0, 2 * math.pi)
        row["place_en"] = f"Sunny Supermarket {rng.randrange(15)}"
        row["lat"] = float(row["lat"]) + 0.004 * math.sin(angle)
        row["lon"] = float(row["lon"]) + 0.004 * math.cos(angle)

    assert K.DATUM_SLIP not in kinds(found_in(tmp_path, rows))


# --- Duplicates ---


def test_a_repeated_id_is_found(tmp_path: Path) -> None:
    finding = only(found_in(tmp_path, changed(7, source_id="d3")))

    assert (finding.kind, finding.severity) == (K.DUPLICATE_ID, Severity.ERROR)
    assert finding.where == "line 9"
    assert "line 5" in finding.wrong


def test_one_device_in_two_rows_is_found_with_its_score(tmp_path: Path) -> None:
    rows = clean_rows(serial="")
    twin = {**rows[3], "source_id": "twin", "place_en": "WILLOW  Street 24 - main entrance"}
    twin["place_en"] = rows[3]["place_en"].upper()
    twin["lat"] = float(rows[3]["lat"]) + 0.00003

    finding = only(found_in(tmp_path, [*rows, twin]))

    assert (finding.kind, finding.severity) == (K.DUPLICATE_IN_FILE, Severity.WARNING)
    assert finding.where == "line 32"
    assert "line 5" in finding.wrong
    assert "threshold: 0.95" in finding.wrong


def test_a_repeated_serial_number_is_found(tmp_path: Path) -> None:
    finding = only(found_in(tmp_path, changed(7, serial="SN00003")))

    assert finding.kind is K.DUPLICATE_IN_FILE
    assert "the same serial number" in finding.wrong


def test_placeholders_for_a_missing_serial_number_are_ignored(tmp_path: Path) -> None:
    for nothing in ("0000", "unknown", "N/A", "12345"):
        assert found_in(tmp_path, clean_rows(serial=nothing)) == [], nothing


def test_one_device_from_two_sources_is_found(tmp_path: Path) -> None:
    rows = clean_rows(serial="")
    twin = {**rows[3], "source": "other", "source_id": "1"}

    assert only(found_in(tmp_path, [*rows, twin])).kind is K.DUPLICATE_ACROSS_SOURCES


# --- Dates, hours, values ---


@pytest.mark.parametrize(
    ("column", "value", "kind", "severity"),
    [
        ("pads_expire_on", "2026-06-30", K.DATE_EXPIRED, Severity.WARNING),
        ("battery_expires_on", "2026-09-21", K.DATE_EXPIRED, Severity.WARNING),
        ("child_pads_expire_on", "2026-01-01", K.DATE_EXPIRED, Severity.WARNING),
        ("pads_expire_on", "2072-06-30", K.DATE_IMPOSSIBLE, Severity.ERROR),
        ("pads_expire_on", "1995-06-30", K.DATE_IMPOSSIBLE, Severity.ERROR),
        ("last_checked_on", "2027-08-30", K.DATE_IMPOSSIBLE, Severity.ERROR),
        ("last_checked_on", "1926-08-30", K.DATE_IMPOSSIBLE, Severity.ERROR),
        ("last_checked_on", "2026-02-30", K.DATE_UNREADABLE, Severity.ERROR),
        ("pads_expire_on", "31/05/2027", K.DATE_UNREADABLE, Severity.ERROR),
        ("pads_expire_on", "2000-01-01", K.DATE_IS_A_PLACEHOLDER, Severity.WARNING),
        ("last_checked_on", "1990-01-01", K.DATE_IS_A_PLACEHOLDER, Severity.WARNING),
        ("opening_hours", "weekdays", K.HOURS_NOT_UNDERSTOOD, Severity.ERROR),
        ("floor", "B1", K.VALUE_INVALID, Severity.ERROR),
        ("datum", "wgs", K.VALUE_INVALID, Severity.ERROR),
        ("source", "my list", K.VALUE_INVALID, Severity.ERROR),
        ("keeper_phone", "+86 571 0555 0101", K.VALUE_INVALID, Severity.ERROR),
    ],
)
def test_an_invalid_value_is_found(
    tmp_path: Path, column: str, value: str, kind: FindingKind, severity: Severity
) -> None:
    findings = found_in(tmp_path, changed(3, **{column: value}))

    assert kinds(findings) == {kind}
    assert findings[0].severity is severity
    assert (findings[0].where, findings[0].column) == ("line 5", column)
    assert value in str(findings[0].read)


@pytest.mark.parametrize("pads", ["2026-09-22", "2030-01-01", ""])
def test_correct_dates_are_accepted(tmp_path: Path, pads: str) -> None:
    assert found_in(tmp_path, changed(3, pads_expire_on=pads, last_checked_on="2026-09-22")) == []


def test_a_date_in_another_notation_is_suggested_in_iso_notation(tmp_path: Path) -> None:
    assert only(found_in(tmp_path, changed(3, pads_expire_on="31/05/2027"))).right == "2027-05-31"


def test_hours_that_contradict_their_text_are_found(tmp_path: Path) -> None:
    other = changed(3, opening_hours="Mo-Fr 08:00-18:00", opening_hours_raw="Mo-Fr 20:00-23:00")
    finding = only(found_in(tmp_path, other))
    same = changed(3, opening_hours="Mo-Fr 08:00-18:00", opening_hours_raw="Monday to Friday 8:00 - 18:00")
    vague = changed(3, opening_hours="Mo-Fr 08:00-18:00", opening_hours_raw="ask the guard")

    assert (finding.kind, finding.severity) == (K.HOURS_CONTRADICT, Severity.WARNING)
    assert found_in(tmp_path, same) == []
    assert found_in(tmp_path, vague) == []


def taiwanese(**cells: str) -> dict[str, str]:
    return {
        **dict.fromkeys(TAIWAN, ""),
        "場所名稱": "中心",
        "場所縣市": "台北市",
        "場所區域": "松山區",
        "場所地址": "和平路1號",
        "AEDID": "1",
        "地點LAT": "25.05",
        "地點LNG": "121.54",
        "周一至周五起": "08:00",
        "周一至周五迄": "17:00",
        "周六起": "08:00",
        "周六迄": "17:00",
        "周日起": "08:00",
        "周日迄": "17:00",
        **cells,
    }


def test_structured_hours_that_contradict_their_note_are_found(tmp_path: Path) -> None:
    wider = found_in(tmp_path, [taiwanese(開放使用時間備註="24小時開放")])
    narrower = found_in(tmp_path, [taiwanese(開放使用時間備註="週六 08:00-12:00")])

    assert K.HOURS_CONTRADICT in kinds(wider)
    assert "24/7" in next(each for each in wider if each.kind is K.HOURS_CONTRADICT).wrong
    assert K.HOURS_CONTRADICT not in kinds(narrower)


def test_warnings_of_the_format_reader_are_findings_too(tmp_path: Path) -> None:
    japanese = {
        **dict.fromkeys(JAPAN_39, ""),
        "名称": "市役所",
        "緯度": "35.72",
        "経度": "139.93",
        "設置位置": "1階と2階",
        "利用可能曜日": "月火",
        "利用可能日時特記事項": "院長に聞いてください",
    }
    assert {K.FLOOR_NOT_UNDERSTOOD, K.HOURS_NOT_UNDERSTOOD, K.ID_FROM_CONTENT} == kinds(
        found_in(tmp_path, [japanese])
    )


def test_a_row_of_a_hong_kong_list_in_the_mainland_is_found(tmp_path: Path) -> None:
    row = dict.fromkeys(HONG_KONG, "") | {
        "AED Name": "Hall",
        "Location Google Map coordinate: latitude": "22.28",
        "Location Google Map coordinate: longitude": "114.16",
        "Whether the AED can be used by anyone": "Yes",
    }
    away = row | {"AED Name": "Far hall", "Location Google Map coordinate: latitude": "23.13"}

    findings = found_in(tmp_path, [row, away])

    assert [each.where for each in findings if each.kind is K.OUTSIDE_COUNTRY] == ["line 3"]


def test_an_unreadable_row_is_found(tmp_path: Path) -> None:
    path = lists.table(tmp_path, *clean_rows())
    path.write_text(path.read_text() + "list,d99,30.29\n")

    finding = only(lint(path))

    assert (finding.kind, finding.severity, finding.where) == (K.ROW_UNREADABLE, Severity.ERROR, "line 32")


# --- Files that are not lists ---


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("list.csv", "", "empty"),
        ("list.csv", "source,source_id,lat,lon\n", "no rows"),
        ("list.csv", "<!DOCTYPE html><html><body>502</body></html>", "web page"),
        ("list.json", '{"error": "over quota"}', "over quota"),
        ("list.geojson", '{"type": "FeatureCollection", "features": []}', "no features"),
        ("list.json", '{"version": 0.6, "remark": "timed out", "elements": []}', "interrupted"),
        ("list.csv", "a,b\n1,2\n", "none of the known formats"),
    ],
)
def test_a_file_that_is_not_a_list_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(InvalidInput, match=says):
        lint(path)


def test_every_kind_of_finding_has_a_name_in_both_languages() -> None:
    assert set(CHINESE) == set(FindingKind)
    assert len(set(CHINESE.values())) == len(CHINESE)
