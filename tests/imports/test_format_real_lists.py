"""Published lists, where available: each is recognised and read to its last row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from aed.errors import InvalidInput
from aed.imports.findings import FindingKind
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.records import Record
from aed.imports.schemas import DeviceRow
from tests.imports.lists import SHARED

ROW = TypeAdapter(DeviceRow)


def published(path: str) -> Path:
    found = SHARED / path
    if not found.is_file():
        pytest.skip(f"the published list {found} is not here")
    return found


@pytest.mark.parametrize(
    ("path", "form", "country", "source", "devices"),
    [
        ("liechtenstein/liechtenstein_aeds.geojson", "osm-geojson", None, "osm", 148),
        ("liechtenstein/liechtenstein.osm.pbf", "osm-pbf", None, "osm", 148),
        ("poland/aed_poland.csv", "osm-csv", None, "osm", 575),
        ("poland/aed_poland.geojson", "osm-geojson", None, "osm", 575),
        ("japan/takamatsu.xlsx", "japan", "JP", "japan", 450),
        ("japan/ichikawa_cp932.csv", "japan", "JP", "japan", 191),
        ("taiwan/twaed_sample.csv", "taiwan", "TW", "twaed", 300),
    ],
)
def test_a_published_list_is_recognised_and_read(
    path: str, form: str, country: str | None, source: str, devices: int
) -> None:
    reading = read_devices(published(path))
    assert (reading.form, reading.country, reading.source) == (form, country, source)

    records = list(reading)

    assert len(records) == devices
    assert len({record.fields["source_id"] for record in records}) == devices
    rows = [ROW.validate_python(dict(record.fields)) for record in records]
    assert all(row.position() for row in rows)
    assert {row.source for row in rows} == {source}


def by_id(path: str) -> dict[str, dict[str, object]]:
    return {str(record.fields["source_id"]): dict(record.fields) for record in read_devices(published(path))}


def test_the_two_poland_files_are_one_register() -> None:
    table, features = by_id("poland/aed_poland.csv"), by_id("poland/aed_poland.geojson")
    assert table == features


def test_the_extract_and_the_features_of_liechtenstein_are_one_register() -> None:
    extract = by_id("liechtenstein/liechtenstein.osm.pbf")
    features = by_id("liechtenstein/liechtenstein_aeds.geojson")
    assert extract == features


@pytest.mark.parametrize(
    "path", ["japan/ichikawa_cp932.csv", "japan/takamatsu.xlsx", "taiwan/twaed_sample.csv"]
)
def test_ids_derived_from_content_are_stable(path: str) -> None:
    assert list(by_id(path)) == list(by_id(path))
    first = next(read_devices(published(path)))
    assert FindingKind.ID_FROM_CONTENT in {finding.kind for finding in first.findings}


def findings(records: list[Record]) -> Counter[FindingKind]:
    return Counter(finding.kind for record in records for finding in record.findings)


def test_hours_of_the_taiwanese_sample_are_parsed_or_kept_as_text() -> None:
    records = list(read_devices(published("taiwan/twaed_sample.csv")))
    understood = [record for record in records if "opening_hours" in record.fields]
    assert len(understood) >= 250
    found = findings(records)
    not_understood = [record for record in records if "opening_hours" not in record.fields]
    assert found[FindingKind.HOURS_NOT_UNDERSTOOD] == len(
        [record for record in not_understood if "opening_hours_raw" in record.fields]
    )
    assert all(record.raw["場所名稱"] for record in records)
    assert records[0].columns["lat"] == "地點LAT"


def test_lists_of_other_things_are_refused() -> None:
    for path in ("virginia_beach/ohca_2017_2019.csv", "coordinates/vectors.csv"):
        with pytest.raises(InvalidInput, match="none of the known formats"):
            list(read_devices(published(path)))
    with pytest.raises(InvalidInput, match="is a map layer, whose columns differ"):
        list(read_devices(published("virginia_beach/Bases.zip")))
