"""Arbitrary lists: the linter ends with findings or an error message, and it reports planted faults."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aed.errors import InvalidInput
from aed.imports.coordinates import interpret_degrees, interpret_pair, read_pair
from aed.imports.formats.marked import write_marked
from aed.imports.lint.linting import lint_list
from aed.imports.lint.report import finding_as_json
from aed.imports.lint.rows import hours_contradiction, town_of
from aed.imports.schemas import DeviceRow, columns
from tests.examples import examples
from tests.imports.lists import feature, text_of
from tests.imports.test_anything import FRAGMENTS, ODD_VALUES
from tests.imports.test_format_lists import TAIWAN
from tests.imports.test_lint import TODAY, lint

SAME_FOLDER = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(40)
)
DEGREES = st.one_of(
    st.floats(-400, 400),
    st.floats(allow_nan=True),
    st.integers(-(10**12), 10**12),
    st.sampled_from(
        ["", " ", "90", "0", "30,29", "30.29.1", "30°17'", "N30", "1_000", "١٢", "inf", "-0.0", None]
    ),
)
PLACES = st.tuples(DEGREES, DEGREES)


def assert_linted(path: Path) -> None:
    with suppress(InvalidInput), lint_list(path, on=TODAY) as linted:
        for finding in linted.findings():
            json.dumps(finding_as_json(finding))
            assert finding.wrong
        out = path.with_name("out.geojson" if path.suffix == ".geojson" else "out.csv")
        write_marked(path, out, linted.marks(), first=linted.first, encodings=linted.encodings)


@SAME_FOLDER
@given(rows=st.lists(st.dictionaries(st.sampled_from(columns(DeviceRow)), ODD_VALUES), max_size=6))
def test_any_rows_of_the_own_format_are_linted(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "list.csv"
    needed: dict[str, Any] = {"source": "x", "source_id": "1", "lat": 30, "lon": 120}
    path.write_text(text_of([needed, *rows]), encoding="utf-8", errors="replace")

    assert_linted(path)


@SAME_FOLDER
@given(rows=st.lists(st.dictionaries(st.sampled_from(TAIWAN), ODD_VALUES), min_size=1, max_size=6))
def test_any_rows_of_a_mapped_list_are_linted(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text_of([dict.fromkeys(TAIWAN, ""), *rows]), encoding="utf-8", errors="replace")

    assert_linted(path)


@SAME_FOLDER
@given(
    found=st.lists(
        st.builds(
            feature,
            st.dictionaries(st.sampled_from([*columns(DeviceRow), "emergency", "level"]), ODD_VALUES),
            st.one_of(st.none(), st.builds(lambda xy: {"type": "Point", "coordinates": [*xy]}, PLACES)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_features_are_linted(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    path = tmp_path / "list.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": found}))

    assert_linted(path)


@SAME_FOLDER
@given(pieces=st.lists(FRAGMENTS, max_size=30))
def test_any_bytes_are_linted_or_refused(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"".join(pieces))

    assert_linted(path)


@SAME_FOLDER
@given(places=st.lists(PLACES, min_size=1, max_size=40))
def test_any_positions_are_linted(tmp_path: Path, places: list[tuple[Any, Any]]) -> None:
    path = tmp_path / "list.csv"
    rows = [
        {"source": "x", "source_id": n, "lat": lat, "lon": lon, "place_en": f"House {n}"}
        for n, (lat, lon) in enumerate(places)
    ]
    path.write_text(text_of(rows), encoding="utf-8")

    findings = lint(path)

    bad = {f"line {n + 2}" for n, (lat, lon) in enumerate(places) if not is_on_earth(lat, lon)}
    assert bad <= {finding.where for finding in findings}


def is_on_earth(lat: object, lon: object) -> bool:
    try:
        return abs(float(str(lat))) <= 90 and abs(float(str(lon))) <= 180
    except ValueError:
        return False


@given(lat=DEGREES, lon=DEGREES)
def test_a_coordinate_pair_is_numeric_or_has_a_finding(lat: Any, lon: Any) -> None:
    found = read_pair(lat, lon, where="line 2", columns=("lat", "lon"))

    assert found.is_number or found.finding is not None


@given(text=st.text(max_size=80))
def test_any_text_is_linted(text: str) -> None:
    interpret_degrees(text)
    interpret_pair(text, text)
    town_of({"city": text, "district": text}, text)
    hours_contradiction("24/7", text, language=None, is_note=True, where="line 2", column=None)


@given(lat=st.floats(0, 89.9), north=st.booleans())
def test_degrees_and_minutes_are_read(lat: float, north: bool) -> None:
    minutes = math.modf(lat)[0] * 60
    written = f"{int(lat)}°{int(minutes)}'{math.modf(minutes)[0] * 60:.4f}\"{'N' if north else 'S'}"
    found = interpret_degrees(written)

    assert found is not None or written.count("60.0000")
    assert found is None or abs(found - (lat if north else -lat)) < 1e-6
