"""The table of cells: all that is wrong with one is said at once, and a wrong one is never used."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from aed.cells.rules import lower_bound_metres
from aed.cells.table import cell_table, checked, with_signature
from aed.cli.cells import cells
from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE, Position, distance_metres
from aed.settings import Settings
from aed.settings.cells import Cells
from aed.signatures import public_key_texts
from tests.cells.tables import cell, keys_in, table, write_table

WEST, EAST = (119.0, 29.0, 120.0, 31.0), (120.0, 29.0, 121.0, 31.0)
METRE = 1 / 96_000
"""Degrees of longitude at these latitudes, about."""


@pytest.fixture
def public(tmp_path: Path) -> str:
    return public_key_texts(keys_in(tmp_path, "any"))[0]


def problems(content: bytes, expected: Cells | None = None) -> list[str]:
    return [each.detail for each in checked(content, expected or Cells())[1]]


def test_two_provinces_beside_each_other_are_a_table(public: str) -> None:
    far_enough = (120.0 - 150 * METRE, *EAST[1:])
    assert problems(table(cell("33", WEST, keys=[public]), cell("34", far_enough, keys=[public]))) == []


def test_everything_that_is_wrong_is_said_at_once(public: str) -> None:
    too_far = (120.0 - 300 * METRE, *EAST[1:])
    said = problems(
        table(
            cell("33", WEST, keys=[public], regions=["3301", "3302"]),
            cell("34", too_far, keys=[public], regions=["3302"]),
            cell("35", (110.0, 29.0, 111.0, 31.0), keys=["short"], address="http://aed.example.org"),
            cell("34", (100.0, 29.0, 101.0, 31.0), keys=[public], regions=["3401"]),
            cell("36", (130.0, 29.0, 130.0, 31.0), keys=[public]),
        )
    )
    assert len(said) == 6
    for each in (
        "Region 3302 stands in two cells: 33 and 34",
        "outlines of cells 33 and 34 overlap near 30.0",
        "Cell 35: the address must be https://",
        "Cell 35: each public key must have 43 characters",
        "The code 34 stands in the table twice",
        "Cell 36: the outline must be a valid Polygon",
    ):
        assert any(each in sentence for sentence in said), (each, said)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"version": 2}, "version"),
        ({"features": []}, "features"),
        ({"issued_on": "soon"}, "issued_on"),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_named(change: dict[str, Any], named: str, public: str) -> None:
    content = json.loads(table(cell("33", WEST, keys=[public]))) | change
    with pytest.raises(InvalidInput, match=named):
        checked(json.dumps(content).encode(), Cells())


@pytest.mark.parametrize("name", ["name_en", "name_zh"])
def test_a_cell_has_names_of_1_to_100_characters(name: str, public: str) -> None:
    content = json.loads(table(cell("33", WEST, keys=[public])))
    for length in (1, 100):
        content["features"][0]["properties"][name] = "京" * length
        assert problems(json.dumps(content).encode()) == []
    for length in (0, 101):
        content["features"][0]["properties"][name] = "京" * length
        with pytest.raises(InvalidInput, match=name):
            checked(json.dumps(content).encode(), Cells())


@pytest.mark.parametrize(
    "address", ["https://aed.example.org:1", "https://aed.example.org/", "http://10.0.0.1:8000"]
)
def test_an_address_is_a_scheme_a_host_and_a_port(address: str, public: str) -> None:
    assert problems(table(cell("33", WEST, keys=[public], address=address))) == []


@pytest.mark.parametrize(
    "address",
    [
        "https://aed.example.org:0",
        "https://:443",
        "https://aed.example.org/path",
        "https://aed.example.org?x=1",
        "https://aed.example.org#x",
        "https://a@aed.example.org",
        "http://192.0.2.1.example.org",
        "http://8.8.8.8",
        "ftp://10.0.0.1",
        "aed.example.org",
    ],
)
def test_another_address_is_refused(address: str, public: str) -> None:
    said = problems(table(cell("33", WEST, keys=[public], address=address)))

    assert [each.partition(":")[0] for each in said] == ["Cell 33"]


def test_an_outline_may_touch_the_end_of_the_world(public: str) -> None:
    assert problems(table(cell("33", (-180.0, -90.0, 180.0, 90.0), keys=[public]))) == []


@pytest.mark.parametrize(("metres", "is_refused"), [(195, False), (205, True)])
def test_outlines_may_overlap_by_200_metres(metres: float, is_refused: bool, public: str) -> None:
    degrees = metres / (METRES_PER_DEGREE * math.cos(math.radians(30.0)))
    east = (120.0 - degrees, *EAST[1:])

    said = problems(table(cell("33", WEST, keys=[public]), cell("34", east, keys=[public])))

    assert bool(said) is is_refused


@pytest.mark.parametrize(
    "coordinates",
    [
        "x",
        [[[119, 29], [120, 29]]],
        [[[119, 29], [120, 30], [120, 29], [119, 30], [119, 29]]],
        [[[500, 29], [501, 29], [501, 30], [500, 29]]],
        [[[119, 29], [120, 29], [None, 30], [119, 29]]],
    ],
)
def test_an_outline_that_is_none_is_refused(coordinates: Any, public: str) -> None:
    wrong = cell("33", WEST, keys=[public])
    wrong["geometry"]["coordinates"] = coordinates
    assert "Cell 33: the outline" in problems(table(wrong))[0]


def test_a_table_is_used_only_with_the_signature_the_own_cell_and_its_key(tmp_path: Path) -> None:
    signer, own, other = (keys_in(tmp_path, name) for name in ("signer", "33", "34"))
    path = tmp_path / "cells.json"
    features = [
        cell("33", WEST, keys=public_key_texts(own)),
        cell("34", EAST, keys=public_key_texts(other)),
    ]
    signed_by = write_table(path, signer, *features)

    def settings(code: str = "33", by: str = signed_by, keys: str = "33") -> Settings:
        place = tmp_path / f"{keys}-keys.json"
        return Settings(cells=Cells(file=path, code=code, signed_by=by), signing_keys=place)

    found = cell_table(settings())
    assert found is not None
    assert (found.own.code, [each.code for each in found.others]) == ("33", ["34"])

    with pytest.raises(InvalidInput, match="signature is missing or wrong"):
        cell_table(settings(by=public_key_texts(own)[0]))
    with pytest.raises(InvalidInput, match="no cell 35"):
        cell_table(settings(code="35"))
    with pytest.raises(InvalidInput, match="other public keys"):
        cell_table(settings(keys="34"))
    changed = json.loads(path.read_bytes())
    changed["features"][1]["properties"]["address"] = "https://elsewhere.example.org"
    path.write_text(json.dumps(changed))
    with pytest.raises(InvalidInput, match="signature is missing or wrong"):
        cell_table(settings())
    path.write_text(json.dumps(changed | {"signature": "x.y.z"}))
    with pytest.raises(InvalidInput, match="signature is missing or wrong"):
        cell_table(settings())
    assert cell_table(Settings(signing_keys=tmp_path / "unused")) is None
    assert not (tmp_path / "unused").exists(), "without a table nothing of this runs"


def test_the_signature_covers_the_content_and_not_its_spacing(tmp_path: Path, public: str) -> None:
    signer = keys_in(tmp_path, "signer")
    signed = with_signature(table(cell("33", WEST, keys=[public])), signer)
    expected = Cells(signed_by=public_key_texts(signer)[0])
    assert problems(json.dumps(json.loads(signed), indent=7).encode(), expected) == []
    assert with_signature(signed, signer) == signed


degrees = st.floats(-2.0, 2.0)


@given(lat=st.floats(-60.0, 60.0), east=degrees, north=degrees, turned=st.floats(0.0, 1.5))
def test_the_distance_to_an_outline_is_never_overestimated(
    lat: float, east: float, north: float, turned: float
) -> None:
    """Otherwise a neighbour that matters would not be asked."""
    here = Position(lat, 119.0)
    corners = [
        (119.0 + east + 0.4 * math.cos(turned + quarter), lat + north + 0.4 * math.sin(turned + quarter))
        for quarter in (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)
    ]
    outline = shapely.Polygon(corners)
    bound = lower_bound_metres(outline, here, up_to=50_000.0)
    along = [outline.exterior.interpolate(each / 200, normalized=True) for each in range(200)]
    nearest = min(distance_metres(here, Position(each.y, each.x)) for each in along)
    if bound == math.inf:
        assert nearest > 50_000.0
    else:
        assert bound <= nearest
        is_inside = outline.contains(shapely.Point(here.lon, here.lat))
        assert is_inside or bound >= 0.9 * nearest - 600.0, "nor much too short: 0.4 degrees in 200 steps"


def test_the_commands_check_sign_and_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, path = CliRunner(), tmp_path / "cells.json"
    monkeypatch.setenv("AED_SIGNING_KEYS", str(tmp_path / "signer-keys.json"))
    public = run.invoke(cells, ["key"]).output.strip()
    path.write_bytes(table(cell("33", WEST, keys=[public]), cell("34", EAST, keys=[public])))
    assert "2 cells" in run.invoke(cells, ["check", str(path)]).output
    assert f"AED_CELLS__SIGNED_BY={public}" in run.invoke(cells, ["sign", str(path)]).output

    monkeypatch.setenv("AED_CELLS__FILE", str(path))
    monkeypatch.setenv("AED_CELLS__CODE", "34")
    monkeypatch.setenv("AED_CELLS__SIGNED_BY", public)
    listed = run.invoke(cells, ["list"]).output
    assert "Province 33" in listed
    assert "this one" in next(line for line in listed.splitlines() if "34" in line)
    path.write_bytes(table(cell("33", WEST, keys=[public])))
    wrong = run.invoke(cells, ["check", str(path)])
    assert wrong.exit_code == 1
    assert "signature is missing" in wrong.output
    assert "no cell 34" in wrong.output
