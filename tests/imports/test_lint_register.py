"""Checking a list against the registry, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.errors import NotAllowed, NotSignedIn
from aed.geo import Datum, Position, from_wgs84
from aed.imports.findings import Finding, FindingKind
from aed.imports.lint.linting import WHOLE_FILE, lint_list
from aed.registry.changes import RegistryChange
from tests import make
from tests.cli.conftest import Aed, aed, run
from tests.imports import lists
from tests.imports.test_lint import TODAY, clean_rows, kinds, only
from tests.make import ADMINISTRATOR, PATIENT, east_of, north_of

__all__ = ["aed", "run"]
K = FindingKind


def against(session: Session, path: Path, viewer: Viewer = ADMINISTRATOR) -> list[Finding]:
    with lint_list(path, on=TODAY, register=(session, viewer)) as linted:
        return list(linted.findings())


def shifted(place: Position, datum: Datum = Datum.GCJ02) -> dict[str, Any]:
    lat, lon = from_wgs84(place, datum)
    return {"lat": f"{lat:.6f}", "lon": f"{lon:.6f}"}


def test_only_an_administrator_may_compare(session: Session, tmp_path: Path) -> None:
    path = lists.table(tmp_path, *clean_rows(3))

    with pytest.raises(NotSignedIn):
        against(session, path, ANYONE)
    with pytest.raises(NotAllowed):
        against(session, path, Viewer(role=TokenRole.DISPATCHER, name="dispatch"))


def test_nothing_is_found_with_an_empty_register(session: Session, tmp_path: Path) -> None:
    assert against(session, lists.table(tmp_path, *clean_rows())) == []


def test_a_device_that_is_registered_already_is_named(session: Session, tmp_path: Path) -> None:
    rows = clean_rows(6, serial="")
    here = Position(float(rows[2]["lat"]), float(rows[2]["lon"]))
    known = make.device(
        session, at=north_of(here, metres=8), source="city", source_id="17", place_en=rows[2]["place_en"]
    )
    make.device(session, at=here, source="list", source_id="d2", place_en=rows[2]["place_en"])
    make.device(session, at=here, source="city", source_id="18", place_en="Another house altogether, cellar")
    changes = session.query(RegistryChange).count()

    finding = only(against(session, lists.table(tmp_path, *rows)))

    assert finding.kind is K.DUPLICATE_ACROSS_SOURCES
    assert finding.where == "line 4"
    assert f"device {known.id} (city/17)" in finding.wrong
    assert session.query(RegistryChange).count() == changes


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_a_datum_shift_is_found_against_registered_devices(
    session: Session, tmp_path: Path, datum: Datum
) -> None:
    rows = clean_rows(10, serial="")
    places = [Position(float(row["lat"]), float(row["lon"])) for row in rows]
    for row, place in zip(rows[:6], places, strict=False):
        make.device(session, at=north_of(place, metres=12), place_en=row["place_en"])
    slipped = [row | shifted(place, datum) for row, place in zip(rows, places, strict=True)]

    right = against(session, lists.table(tmp_path, *rows))
    wrong = against(session, lists.table(tmp_path, *slipped))

    assert K.DATUM_SLIP not in kinds(right)
    whole = only([each for each in wrong if each.where == WHOLE_FILE])
    assert whole.kind is K.DATUM_SLIP
    assert str(whole.right).startswith(datum.value)
    assert "6 of the 6 comparable places" in whole.wrong


def test_a_datum_shift_is_found_against_the_estates_of_the_rows(session: Session, tmp_path: Path) -> None:
    """Matched by the estate's id, and by its name in the text."""
    rows = clean_rows(6, serial="", place_en="", region="CN-33")
    for number, row in enumerate(rows):
        centre = east_of(PATIENT, metres=1500.0 * number)
        make.estate(
            session, around=centre, source="list", source_id=f"e{number}", name_zh=f"春晓花园{number}区"
        )
        row |= shifted(centre) | {"place_zh": f"春晓花园{number}区 南门岗亭"}
        if number % 2:
            row["estate"] = f"e{number}"
    labelled_gcj02 = [row | {"datum": "gcj02"} for row in rows]

    wrong = against(session, lists.table(tmp_path, *rows))
    right = against(session, lists.table(tmp_path, *labelled_gcj02))

    assert right == []
    assert kinds(wrong) == {K.DATUM_SLIP}
    assert len(wrong) == 7


def test_a_list_is_compared_on_the_command_line(aed: Aed, session: Session, tmp_path: Path) -> None:
    rows = clean_rows(6, serial="")
    make.device(
        session,
        at=Position(float(rows[2]["lat"]), float(rows[2]["lon"])),
        source="city",
        place_en=rows[2]["place_en"],
    )
    session.commit()

    output = aed("lint", lists.table(tmp_path, *rows), "--register").out

    assert "duplicate across sources 与其他来源重复" in output
    assert "registered already" in output
