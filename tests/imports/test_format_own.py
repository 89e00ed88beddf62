"""The project's own tables: templates, and files that are written and read back."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from python_calamine import CalamineWorkbook

from aed.accounts.permissions import Audience
from aed.files.spreadsheets import escape_formula
from aed.geo import Datum
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.table import CHOICES, EXPLANATIONS, SHEET, template_csv, template_xlsx
from aed.imports.schemas import DeviceRow, columns
from aed.registry.devices.rules import Cabinet, DeviceState, EntryMode
from tests.examples import examples

ROW = TypeAdapter(DeviceRow)


def filled_in(template: bytes, row: dict[str, Any]) -> bytes:
    """Return the template with one row of values appended."""
    header = next(csv.reader(io.StringIO(template.decode("utf-8-sig"))))
    out = io.StringIO()
    csv.writer(out).writerow([row.get(name, "") for name in header])
    return template + out.getvalue().encode()


DEVICE = {"source": "list", "source_id": "1", "lat": 30.29, "lon": 120.1, "region": "CN-33"}


def test_the_template_has_every_column_and_its_explanations_are_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "template.csv"
    path.write_bytes(filled_in(template_csv(), DEVICE))
    (record,) = read_devices(path)
    assert list(record.fields) == columns(DeviceRow)
    assert record.fields["source_id"] == "1"
    assert record.where == "line 3"


def test_every_column_is_explained_in_both_languages() -> None:
    assert set(EXPLANATIONS) == set(columns(DeviceRow))
    assert all(any("\u4e00" <= each <= "\u9fff" for each in zh) for _, zh in EXPLANATIONS.values())
    enumerations = {Datum, EntryMode, Cabinet, Audience, DeviceState}
    assert set(CHOICES.values()) == enumerations


def test_the_template_workbook_has_lists_to_choose_from(tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    path.write_bytes(template_xlsx())
    with CalamineWorkbook.from_path(path) as book:
        sheet, explanation = book.sheet_names
        assert sheet == SHEET
        assert book.get_sheet_by_name(SHEET).to_python() == [columns(DeviceRow)]
        rows = book.get_sheet_by_name(explanation).to_python()
    assert [row[0] for row in rows[1:]] == columns(DeviceRow)
    reading = read_devices(path)
    assert (reading.form, list(reading)) == ("xlsx", [])


# --- Written and read back ---

words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60
).filter(lambda text: text.strip() == text)
labels = words.filter(lambda text: len(text) <= 60)
days = st.dates(date(1990, 1, 1), date(2100, 12, 31)).map(date.isoformat)
devices = st.fixed_dictionaries(
    {
        "source": st.from_regex(r"[A-Za-z0-9._:-]{1,20}", fullmatch=True),
        "source_id": words.filter(lambda text: "\x7f" not in text),
        "lat": st.floats(-90, 90),
        "lon": st.floats(-180, 180),
    },
    optional={
        "datum": st.sampled_from(Datum),
        "place_zh": words,
        "place_en": words,
        "floor": st.integers(-20, 200),
        "opening_hours": st.sampled_from(["24/7", "Mo-Fr 08:30-17:30; PH off"]),
        "opening_hours_raw": words,
        "entry": st.sampled_from(EntryMode),
        "cabinet": st.sampled_from(Cabinet),
        "maker": labels,
        "serial": st.from_regex(r"0[0-9]{1,20}", fullmatch=True),
        "keeper_name": labels,
        "audience": st.sampled_from(Audience),
        "pads_expire_on": days,
        "last_checked_on": days,
    },
)


def as_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns(DeviceRow))
        for row in rows:
            cells = [row.get(name, "") for name in columns(DeviceRow)]
            writer.writerow([escape_formula(cell) if isinstance(cell, str) else repr(cell) for cell in cells])


def as_xlsx(path: Path, rows: list[dict[str, Any]]) -> None:
    with xlsxwriter.Workbook(path, {"strings_to_urls": False}) as book:
        sheet = book.add_worksheet("devices")
        for place, name in enumerate(columns(DeviceRow)):
            sheet.write_string(0, place, name)
            for line, row in enumerate(rows, start=1):
                sheet.write_string(line, place, str(row.get(name, "")))


def as_geojson(path: Path, rows: list[dict[str, Any]]) -> None:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
            "properties": {name: value for name, value in row.items() if name not in ("lat", "lon")},
        }
        for row in rows
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


@pytest.mark.parametrize(
    ("write", "name"), [(as_csv, "l.csv"), (as_xlsx, "l.xlsx"), (as_geojson, "l.geojson")]
)
@given(rows=st.lists(devices, min_size=1, max_size=3))
@settings(max_examples=examples(60), deadline=None)
def test_an_exported_row_is_read_back_unchanged(write: Any, name: str, rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, rows)
        found = [ROW.validate_python(dict(record.fields)) for record in read_devices(path)]
    assert found == [ROW.validate_python(row) for row in rows]


def test_escaped_formulas_are_read_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    as_csv(path, [DEVICE | {"place_en": "=1+1", "place_zh": "'-x", "maker": "-5"}])
    (record,) = read_devices(path)
    assert (record.fields["place_en"], record.fields["place_zh"], record.fields["maker"]) == (
        "=1+1",
        "'-x",
        "-5",
    )
