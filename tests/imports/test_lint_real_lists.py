"""The linter's findings in published lists, by kind: the README's table, changed only on purpose."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from aed.errors import InvalidInput
from aed.imports.lint.linting import lint_list
from tests.imports.lists import SHARED

ON = date(2026, 9, 22)

FOUND = {
    "japan/ichikawa_cp932.csv": {"id_from_content": 1},
    "japan/takamatsu.xlsx": {
        "hours_not_understood": 88,
        "hours_ambiguous": 69,
        "floor_not_understood": 6,
        "hours_contradict": 1,
        "id_from_content": 1,
    },
    "liechtenstein/liechtenstein.osm.pbf": {
        "floor_not_understood": 3,
        "hours_ambiguous": 1,
        "duplicate_in_file": 1,
    },
    "liechtenstein/liechtenstein_aeds.geojson": {
        "floor_not_understood": 3,
        "hours_ambiguous": 1,
        "duplicate_in_file": 1,
    },
    "poland/aed_poland.csv": {"hours_ambiguous": 5},
    "poland/aed_poland.geojson": {"hours_ambiguous": 5},
    "taiwan/twaed_sample.csv": {
        "hours_ambiguous": 113,
        "hours_not_understood": 37,
        "hours_contradict": 4,
        "duplicate_in_file": 2,
        "floor_not_understood": 1,
        "id_from_content": 1,
    },
}
NO_LISTS = {
    "README.md": "unknown column",
    "coordinates/vectors.csv": "none of the known formats",
    "virginia_beach/ohca_2017_2019.csv": "none of the known formats",
    "virginia_beach/Bases.zip": "is a map layer, whose columns differ",
}


def published(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"the published list {path} is not here")
    return path


@pytest.mark.parametrize("name", FOUND)
def test_a_published_list_has_its_recorded_findings(name: str) -> None:
    with lint_list(published(name), on=ON) as linted:
        found = Counter(finding.kind.value for finding in linted.findings())
        has_errors = linted.has_errors

    assert dict(found) == FOUND[name]
    assert not has_errors


def test_areas_are_not_devices() -> None:
    with lint_list(published("liechtenstein/liechtenstein_residential_areas.geojson"), on=ON) as linted:
        found = {kind.value for kind, _ in linted.counts}

    assert found == {"coordinates_missing", "value_invalid"}


@pytest.mark.parametrize("name", NO_LISTS)
def test_a_file_that_is_not_a_list_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=NO_LISTS[name]), lint_list(published(name), on=ON):
        pass
