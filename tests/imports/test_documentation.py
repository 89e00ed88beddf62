"""docs/connect/import-formats.md lists the columns of each import format that the program reads."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import get_args

import pytest

from aed.accounts.permissions import Audience
from aed.geo import Datum
from aed.imports.schemas import (
    PERSON_COLUMNS,
    BuildingRow,
    DeviceRow,
    EstateRow,
    FileRow,
    GateRow,
    RegionRow,
    ResponderRow,
    columns,
)
from aed.registry.devices.rules import Cabinet, DeviceState, EntryMode
from aed.registry.estates.rules import Passage
from aed.responders.rules import CertificateKind, CertificateTrust, PlaceKind
from tests.imports.lists import ROOT

README = (ROOT / "docs" / "connect" / "import-formats.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    _, _, after = README.partition(f"## {title}\n")
    assert after, f"the README has no section '{title}'"
    return re.split(r"^#{2,3} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def names(text: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", text)


def documented_columns(title: str) -> list[str]:
    """Return the names in the first column of that section's table."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return [name for row in rows for name in names(row)]


@pytest.mark.parametrize(("title", "row"), [("Devices", DeviceRow), ("Responders", ResponderRow)])
def test_exactly_the_existing_columns_are_documented(title: str, row: type[FileRow]) -> None:
    assert sorted(documented_columns(title)) == sorted(columns(row))


@pytest.mark.parametrize(
    ("kind", "row"),
    [("region", RegionRow), ("estate", EstateRow), ("gate", GateRow), ("building", BuildingRow)],
)
def test_exactly_the_existing_properties_of_each_kind_are_documented(kind: str, row: type[FileRow]) -> None:
    line = next(
        line for line in section("Estates, gates and regions").splitlines() if line.startswith(f"| `{kind}`")
    )
    properties = line.split("|")[3]
    outside_brackets = re.sub(r"\([^)]*\)", "", properties)
    geometry = {"kind", "lat", "lon", "datum", "boundary"}
    assert set(names(outside_brackets)) == set(columns(row)) - geometry


@pytest.mark.parametrize(
    ("title", "column", "values"),
    [
        ("Devices", "entry", EntryMode),
        ("Devices", "cabinet", Cabinet),
        ("Devices", "audience", Audience),
        ("Devices", "state", DeviceState),
        ("Responders", "certificate_kind", CertificateKind),
        ("Responders", "certificate_trust", CertificateTrust),
        ("Responders", "place", PlaceKind),
    ],
)
def test_every_value_is_documented(title: str, column: str, values: type[StrEnum]) -> None:
    rows = [line for line in section(title).splitlines() if line.startswith("| `")]
    line = next(row for row in rows if f"`{column}`" in row.split("|")[1])
    assert {value.value for value in values} <= set(names(line.split("|")[2]))


def test_values_documented_on_other_pages_are_complete() -> None:
    assert set(re.findall(r"`(wgs84|gcj02|bd09)`", README)) == {datum.value for datum in Datum}
    estates = section("Estates, gates and regions")
    assert {value.value for value in Passage} <= set(names(estates))
    language = ResponderRow.model_fields["language"].annotation
    assert set(get_args(language)) <= set(names(section("Responders")))


def test_columns_that_must_agree_in_all_rows_of_a_person_are_documented_before_place() -> None:
    documented = documented_columns("Responders")
    before = documented[: documented.index("place")]
    assert set(before) == {"source", "source_id", *PERSON_COLUMNS}
    assert set(PERSON_COLUMNS) < set(ResponderRow.model_fields)
