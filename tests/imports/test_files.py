"""Unreadable files: each is rejected with a message that says what the file is and what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from aed.errors import InvalidInput
from aed.imports.formats.recognise import DeviceFormat, is_json, read_devices, read_table_or_own
from aed.imports.formats.table import SET_ASIDE_COLUMNS
from aed.imports.schemas import EstateRow, columns
from tests.imports.lists import DEVICE, feature, geojson, point, table, text_of

HEADER = ",".join(DEVICE)
ROW = ",".join(str(value) for value in DEVICE.values())


def refused(path: Path) -> str:
    """Return the error message for the file."""
    with pytest.raises(InvalidInput) as caught:
        list(read_devices(path))
    assert caught.value.field is not None
    return caught.value.detail


def written(tmp_path: Path, content: bytes | str, name: str = "list.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing.csv") == f"There is no file {tmp_path / 'nothing.csv'}."
    assert "is a folder" in refused(tmp_path)
    assert "There is no file" in refused(Path("a\x00b"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b" \r\n\r\n", "is empty"),
        (b"\x00\x01\x02", "NUL"),
        (f"{HEADER}\n{ROW}\nlist,2\x00,30,120,CN-33\n", "NUL character (line 3)"),
        (f"{HEADER},place_zh\n{ROW},大堂\n".encode("gbk"), "looks like GBK"),
        (f"{HEADER},place_en\n{ROW},Caf\xe9\n".encode("latin-1"), "not UTF-8 (line 2)"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04 a workbook", "Excel workbook"),
        (gzip.compress(HEADER.encode(), mtime=0), "compressed with gzip"),
        (f"{HEADER}\n{ROW}\n".replace(",", ";"), "semicolons between its cells. Save it with commas"),
        (f"{HEADER}\n{ROW}\n".replace(",", "\t"), "tabs between its cells"),
        (f"{ROW}\n{ROW}\n", "Its first line must name the columns"),
        (f"{HEADER.replace('source_id', 'source_idd')}\n{ROW}\n", "Did you mean source_id?"),
        (f"{HEADER.replace('region', 'Region')}\n{ROW}\n", "Did you mean region?"),
        (f"{HEADER},lat\n{ROW},1\n", "has the column lat twice"),
        ("\ufeff<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "is XML"),
        (f"{HEADER}\n{ROW}\n".encode("utf-32"), "is UTF-32"),
        (f"{HEADER},\n{ROW},\n", "column 6 has no name"),
        ("source,source_id,lat\na,b,1\n", "lacks the column lon"),
        (f"{HEADER},place_en\n{ROW},{'x' * 1_000_000}\n", "begins in line 2"),
        (f'{HEADER},place_en\n{ROW},"never closed\n{ROW},\n', "quotation mark"),
        (f'{HEADER},place_en\n{ROW},"half" quoted\n', "begins in line 2"),
    ],
)
def test_an_unreadable_table_is_refused(tmp_path: Path, content: bytes | str, says: str) -> None:
    assert says in refused(written(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "is a web page"),
        ("\n  <html><h1>Error</h1></html>", "is a web page"),
        (HEADER, "is not JSON"),
        ('{"type": "FeatureCollection", "features": [{"type": "Fea', "is truncated (line 1)"),
        ('{"type": "FeatureCollection"}', "not a GeoJSON FeatureCollection"),
        ('{"type": "Feature", "geometry": null, "properties": {}}', "not a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": {}}', "not a GeoJSON FeatureCollection"),
        ('{"version": 0.6, "elements": []}', "is a response of Overpass"),
        ("[]", "not a GeoJSON FeatureCollection"),
        ("null", "not a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', "contains no features"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"type": "FeatureCollection", "features": [' + "1" * 5000 + "]}", "thousands of digits"),
        ('{"type": "FeatureCollection", "features": [\x00]}', "NUL"),
    ],
)
def test_unreadable_json_is_refused(tmp_path: Path, content: str, says: str) -> None:
    assert says in refused(written(tmp_path, content, "list.geojson"))


@pytest.mark.parametrize(
    ("crs", "is_read"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", True),
        ("EPSG:4326", True),
        ("http://www.opengis.net/def/crs/EPSG/0/4258", True),
        ("urn:ogc:def:crs:EPSG::2056", False),
        ("urn:ogc:def:crs:EPSG::4301", False),
    ],
)
def test_geojson_in_other_coordinates_than_degrees_of_wgs84_is_refused(
    tmp_path: Path, crs: str, is_read: bool
) -> None:
    document = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": crs}},
        "features": [feature({"source": "list", "source_id": "1"}, point())],
    }
    path = written(tmp_path, json.dumps(document), "list.geojson")

    if is_read:
        assert len(list(read_devices(path))) == 1
    else:
        assert f"has coordinates in {crs} instead of WGS-84" in refused(path)


def test_an_extract_without_devices_is_refused(tmp_path: Path) -> None:
    path = geojson(tmp_path, feature({"emergency": "fire_hydrant"}, point()))
    assert "no feature with emergency=defibrillator among 1" in refused(path)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("beginning", [b"", b"\xef\xbb\xbf"])
def test_any_line_endings_and_a_byte_order_mark_are_read(
    tmp_path: Path, newline: str, beginning: bytes
) -> None:
    rows = [DEVICE | {"place_zh": "大堂"}, DEVICE | {"source_id": "2", "place_zh": 'a "b", c'}]
    path = written(tmp_path, beginning + text_of(rows, newline=newline).encode())

    records = list(read_devices(path))

    assert [record.where for record in records] == ["line 2", "line 3"]
    assert [record.fields["place_zh"] for record in records] == ["大堂", 'a "b", c']
    assert records[0].fields["source"] == "list"


def test_the_format_of_a_file_is_detected_from_its_content(tmp_path: Path) -> None:
    own = feature({"source": "s", "source_id": "1", "emergency": "x"}, point())
    other, aed = feature({"highway": "x"}, point()), feature({"emergency": "defibrillator"}, point(), id="n1")
    cases = [
        (geojson(tmp_path, own, name="a.txt"), "s"),
        (geojson(tmp_path, other, aed, name="b.csv"), "osm"),
        (table(tmp_path, DEVICE, name="c.txt"), "list"),
    ]
    for path, source in cases:
        assert next(read_devices(path)).fields["source"] == source
    assert is_json(tmp_path / "b.csv")


def test_a_given_format_is_used(tmp_path: Path) -> None:
    aed = geojson(tmp_path, feature({"emergency": "defibrillator"}, point(), id="n1"))
    assert next(read_devices(aed, DeviceFormat.GEOJSON)).fields.get("source") is None
    with pytest.raises(InvalidInput, match="column"):
        list(read_devices(aed, DeviceFormat.CSV))


def test_rows_set_aside_can_be_corrected_and_imported(tmp_path: Path) -> None:
    where, reason = SET_ASIDE_COLUMNS
    path = table(tmp_path, {where: "line 7", reason: "lat: is needed"} | DEVICE)
    assert set(next(read_devices(path)).fields) == set(DEVICE)


def test_a_list_of_estates_names_its_columns_too(tmp_path: Path) -> None:
    path = written(tmp_path, "kind,boundry\nestate,x\n")
    with pytest.raises(InvalidInput, match=r"Did you mean boundary\?"):
        list(read_table_or_own(path, known=columns(EstateRow), needed=["kind"]))


@pytest.mark.parametrize(
    "document", ["NaN", "Infinity", "-Infinity", "1e400", '"\\ud800"', "[[[]]]", "{}", "true"]
)
def test_odd_json_values_in_a_position_affect_only_their_row(tmp_path: Path, document: str) -> None:
    position = f'{{"type": "Point", "coordinates": [{document}, {document}]}}'
    path = written(
        tmp_path,
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": '
        f'{json.dumps({"source": "s", "source_id": "1"})}, "geometry": {position}}}]}}',
        "list.geojson",
    )
    assert len(list(read_devices(path))) == 1
