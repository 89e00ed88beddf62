"""aed template: an empty list, filled in and imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from aed.database.session import Database
from tests import make
from tests.cli.conftest import Aed
from tests.imports.lists import fill_in


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_template_is_written_filled_in_and_imported(
    aed: Aed, database: Database, tmp_path: Path, ending: str
) -> None:
    with database.write_sessions.begin() as session:
        make.region(session)
    path = tmp_path / f"list.{ending}"
    aed("template", "devices", "-o", path)
    assert "has no row" in aed("import", "devices", path, fails=True).err
    fill_in(path)

    assert "1 new, 0 changed, 0 unchanged, 0 set aside" in aed("import", "devices", path).out
    shown = aed("devices", "show", 1).out
    for line in ("source_id: 0012\n", "place_zh: 图书馆一楼\n", "floor: -1\n", "first_expiry: 2028-05-31\n"):
        assert line in shown
    assert "0 new, 0 changed, 1 unchanged" in aed("import", "devices", path).out


def test_a_file_that_is_not_a_table_is_refused(run: Aed, tmp_path: Path) -> None:
    assert ".csv or .xlsx" in run("template", "devices", "-o", tmp_path / "list.pdf", fails=True).err
    nowhere = tmp_path / "no" / "list.csv"
    assert "cannot be written" in run("template", "devices", "-o", nowhere, fails=True).err


def test_an_existing_file_is_not_overwritten(run: Aed, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("mine", "utf-8")
    assert "already exists" in run("template", "devices", "-o", path, fails=True).err
    assert path.read_text("utf-8") == "mine"
