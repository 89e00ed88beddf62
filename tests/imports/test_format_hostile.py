"""Malicious files and arbitrary bytes: an error message or records, within bounded memory and time."""

from __future__ import annotations

import csv
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from aed.errors import InvalidInput
from aed.imports.formats.mapping import built_in_mappings, mapping_from
from aed.imports.formats.recognise import DeviceFormat, read_devices
from aed.imports.formats.workbook import MAX_CELLS
from tests.examples import examples
from tests.imports.lists import DEVICE

HEADER = ",".join(DEVICE)
ROW = ",".join(str(value) for value in DEVICE.values())
MAX_MEGABYTES = 60
MAX_SECONDS = 20


def refused(path: Path, form: DeviceFormat | None = None) -> str:
    """Return the error message for the file; assert little memory and time."""
    began = process_time()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput) as caught:
            for _ in read_devices(path, form):
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_MEGABYTES * 1_000_000
    assert process_time() - began < MAX_SECONDS
    return caught.value.detail


# --- Any bytes ---

SEEDS = {
    "csv": f"{HEADER}\n{ROW}\n",
    "geojson": json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}]}),
    "overpass": '{"elements": [{"type": "node", "id": 1, "lat": 1, "lon": 2, "tags": '
    '{"emergency": "defibrillator"}}]}',
    "tags": "@id,@lat,@lon,emergency\n1,2,3,defibrillator\n",
    "japan": "名称,緯度,経度,設置位置,利用可能曜日,開始時間,終了時間\n市役所,35,139,2階,月,9:00,17:00\n",
    "taiwan": "場所名稱,地點LAT,地點LNG,AED放置地點,周一至周五起,周一至周五迄\n國小,25,121,1F,08:00,17:00\n",
    "france": 'c_gid,c_nom,c_lat_coor1,c_long_coor1,c_disp_j,c_disp_h\n1,A,48,2,"{7j/7}","{24h/24}"\n',
    "scrape": '館,台北市中正路1號,"(121.5,25.0)",1樓,"<p>08:00</p>"\n',
}
junk = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(
        [b"\0", b'"', b"\xff\xfe", b"{", b"]", b"\r", b";;;", b"PK\x03\x04", b"NaN", b"1e999", b"\\"]
    ),
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Return a valid file with bytes inserted, removed or cut off, in some encoding; or random bytes."""
    text = draw(st.sampled_from(sorted(SEEDS.values())))
    raw = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "cp932", "cp949", "utf-16"])), "replace")
    for _ in range(draw(st.integers(0, 3))):
        at, until = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, len(raw)))))
        raw = raw[:at] + draw(junk) + (raw[at:] if draw(st.booleans()) else raw[until:])
    return raw if draw(st.integers(0, 9)) else draw(st.binary(max_size=300))


@pytest.mark.parametrize("form", [None, *DeviceFormat])
@given(raw=spoilt())
@settings(max_examples=examples(40), deadline=None)
def test_reading_any_input_never_crashes(form: DeviceFormat | None, raw: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "list"
        path.write_bytes(raw)
        try:
            found = [record.where for record in read_devices(path, form)]
        except InvalidInput as error:
            found = [error.detail, error.field or ""]
    assert all(found)


@given(cells=st.lists(st.text(max_size=40), min_size=7, max_size=7))
@settings(max_examples=examples(150), deadline=None)
def test_any_cells_under_a_known_header_are_read_as_a_record(cells: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        with path.open("w", encoding="utf-8", newline="", errors="replace") as opened:
            writer = csv.writer(opened)
            writer.writerow(SEEDS["japan"].split("\n")[0].split(","))
            writer.writerow([cell.replace("\0", "") for cell in cells])
        try:
            found = list(read_devices(path, DeviceFormat.JAPAN))
        except InvalidInput:  # a stray line ending in an unquoted cell
            return
    assert all("source_id" in record.fields for record in found if record.wrong is None)


@given(text=st.one_of(st.text(max_size=200), st.lists(st.text(max_size=20)).map("\n- ".join)))
@settings(max_examples=examples(150), deadline=None)
def test_any_text_as_a_mapping_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        mapping_from(text, "map.yaml")


# --- Long files ---


def streamed(path: Path, pieces: Callable[[int], bytes], count: int) -> Path:
    with path.open("wb") as out:
        for number in range(count):
            out.write(pieces(number))
    return path


def test_a_long_table_and_long_features_are_read_in_little_memory(tmp_path: Path) -> None:
    table = streamed(
        tmp_path / "long.csv",
        lambda n: f"{HEADER}\n".encode() if n == 0 else f"list,{n},30,120,CN-33\n".encode(),
        20_001,
    )
    feature = '{"type":"Feature","properties":{"source":"s","source_id":"1"},"geometry":null}'
    features = streamed(
        tmp_path / "long.geojson",
        lambda n: (b'{"type":"FeatureCollection","features":[' if n == 0 else b",") + feature.encode(),
        20_000,
    )
    with features.open("ab") as out:
        out.write(b"]}")
    for path in (table, features):
        tracemalloc.start()
        count = sum(1 for _ in read_devices(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 20_000
        assert peak < 10_000_000


@pytest.mark.parametrize(
    ("content", "times", "says"),
    [
        (b"a,", 5_000_000, "characters"),
        (b"x", 60_000_000, "characters"),
        (b'"', 20_000_000, "characters"),
        (b'"a\n', 5_000_000, "quotation mark"),
        (b"\n", 20_000_000, "is empty"),
        (b"\0", 20_000_000, "NUL"),
        (b"[", 20_000_000, "nested too deeply"),
        (b'{"a":', 5_000_000, "nested too deeply"),
        (b'["', 1_000_000, "nested too deeply"),
        (b"{} ", 10_000_000, "GeoJSON"),
    ],
)
def test_long_files_of_one_repeated_item_are_refused(
    tmp_path: Path, content: bytes, times: int, says: str
) -> None:
    path = streamed(tmp_path / "list", lambda _: content * (times // 100), 100)
    assert says in refused(path)


def test_a_table_with_a_million_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(f"{HEADER}\n" + "," * 200_000 + "x\n", encoding="utf-8")
    assert "cells" in refused(path)
    path.write_text(",".join(f"c{n}" for n in range(1_000_000)), encoding="utf-8")
    assert "characters" in refused(path)


def test_a_table_with_three_delimiters_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("name;lat,lon\twhere\na;1,2\tb\nc;3,4\td\n", encoding="utf-8")
    assert "none of the known formats" in refused(path)
    assert "japan" in refused(path, DeviceFormat.JAPAN)


def test_one_object_as_long_as_the_file_is_refused(tmp_path: Path) -> None:
    begins = b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":'
    for filling in (b'"' + b"x" * 30_000_000, b"[" + b"1," * 15_000_000, b'{"b":' + b'"c","d":' * 4_000_000):
        path = tmp_path / "list.geojson"
        path.write_bytes(begins + filling)
        assert "in one object" in refused(path)


def test_an_encoding_error_far_down_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(f"{HEADER}\n".encode() + f"{ROW}\n".encode() * 20_000 + b"list,\xff\xfe,1,2,x\n")
    assert "is not UTF-8 (line 20002)" in refused(path)
    row = "市役所,35,139,2階,,,\n".encode("cp932")
    path.write_bytes(SEEDS["japan"].encode("cp932") + row * 5_000 + b"\x81")
    assert "is not text in the encodings" in refused(path)


# --- Workbooks ---


def archive(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in parts.items():
            out.writestr(name, content)
    return path


def sheet_of(cells: bytes) -> bytes:
    return b'<?xml version="1.0"?><worksheet><sheetData>' + cells + b"</sheetData></worksheet>"


@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        (b'<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "columns"),
        (
            b'<row r="1"><c r="A1"/></row><row r="1048576"><c r="Z1048576"><v>1</v></c></row>',
            "reaches to row",
        ),
        (b"<row r='1048576'><c r = 'Z1048576'><v>1</v></c></row>", "reaches to row"),
    ],
)
def test_a_cell_in_the_far_corner_of_a_sheet_is_refused(tmp_path: Path, sheet: bytes, says: str) -> None:
    for name in ("xl/worksheets/sheet1.xml", "xl/elsewhere"):
        parts = {"xl/workbook.xml": b"<workbook/>", name: sheet_of(sheet)}
        assert says in refused(archive(tmp_path / "list.xlsx", parts))


def test_too_many_cells_without_references_are_refused(tmp_path: Path) -> None:
    row = b"<row>" + b"<c><v>1</v></c>" * (MAX_CELLS + 2_000) + b"</row>"
    path = archive(tmp_path / "list.xlsx", {"xl/workbook.xml": b"<workbook/>", "xl/s": sheet_of(row)})
    with pytest.raises(InvalidInput, match="reaches to row"):
        read_devices(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    zeros = b"<v>0</v>" * 125_000
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("xl/workbook.xml", b"<workbook/>")
        with out.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            for _ in range(200):
                part.write(zeros)
    assert path.stat().st_size < 1_000_000
    assert "unpacked it is larger than 150 MB" in refused(path)

    # The same, with a header that declares a small size.
    raw = path.read_bytes()
    size = (200 * len(zeros)).to_bytes(4, "little")
    assert size in raw
    path.write_bytes(raw.replace(size, (1000).to_bytes(4, "little")))
    assert "unpacked it is larger than 150 MB" in refused(path)


def test_files_that_are_not_workbooks_are_refused(tmp_path: Path) -> None:
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><sst>&b;</sst>'
    path = tmp_path / "list.xlsx"
    for parts, says in [
        ({"xl/workbook.xml": b"<workbook/>", "xl/sharedStrings.xml": entities}, "XML entities"),
        ({"a.txt": b"x"}, "not an Excel workbook"),
        ({"xl/workbook.xml": b"nonsense"}, "Excel workbook"),
        ({"xl/workbook.xml": b"<workbook/>"} | {f"{n}": b"" for n in range(2_001)}, "2,002 parts"),
    ]:
        assert says in refused(archive(path, parts))
    whole = BytesIO()
    with xlsxwriter.Workbook(whole) as book:
        sheet = book.add_worksheet()
        for number in range(200):
            sheet.write_row(number, 0, [number, "text"])
    for cut in (30, 500, len(whole.getvalue()) - 30):
        path.write_bytes(whole.getvalue()[:cut])
        assert "damaged or truncated" in refused(path)
    path.write_bytes(whole.getvalue())
    assert "none of the known formats" in refused(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 1000)
    assert "old Excel workbook" in refused(path)


def test_files_that_are_not_extracts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "extract.osm.pbf"
    path.write_bytes(b"\0\0\0\x0d\x0a\x09OSMHeader\x18\xff\xff\xff\x7f" + b"\0" * 1000)
    assert "cannot be read as an extract" in refused(path)
    path.write_bytes(b"\xff" * 1000)
    assert "cannot be read as an extract" in refused(path, DeviceFormat.OSM_PBF)


def test_every_built_in_mapping_refuses_a_file_without_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    for mapping in built_in_mappings():
        assert mapping.title in refused(path, DeviceFormat(mapping.name))
