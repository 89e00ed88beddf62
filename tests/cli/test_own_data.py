"""aed people export, correct, erase: requests of the people concerned, entered by the office."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.cli.conftest import Aed
from tests.personal_data.world import NAME, person_with_every_row


def test_an_administrator_exports_corrects_and_erases_the_data_of_a_person(
    aed: Aed, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, file = person_with_every_row(session).id, tmp_path / "own.json"
    session.commit()

    aed("people", "amend", person, "language=zh")
    aed("people", "export", person, "--output", file)
    assert json.loads(file.read_text())["person_id"] == person
    assert file.stat().st_mode & 0o077 == 0
    again = aed("people", "export", person, "--output", file, fails=True)
    assert "own.json" in again.err, "an existing file is not overwritten"
    assert NAME in aed("people", "export", person).out

    # Typed input.
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert "Nothing was erased" in aed("people", "erase", person, fails=True).err
    done = aed("people", "erase", person, "--yes").out
    assert "erased" in done
    assert "Backups" in done
    assert "had been erased already" in aed("people", "erase", person, "--yes").out
    assert NAME not in aed("people", "show", person).out
    aed("people", "erase", 999999, "--yes", fails=True)
