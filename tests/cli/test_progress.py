"""Progress of long commands appears on a terminal only and never in the output."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from aed.database.session import Database
from tests import make
from tests.commands import ROOT, environment
from tests.imports.lists import DEVICE, table


def watched(*words: str, settings: Mapping[str, str], status: int = 0) -> tuple[str, str]:
    """Run `aed` with output to a file and errors to a terminal; return both."""
    terminal, theirs = pty.openpty()
    shown: list[bytes] = []

    def watch() -> None:
        while True:
            try:
                shown.append(os.read(terminal, 65_536))
            except OSError:  # the other end is closed
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "aed", *words],
            cwd=ROOT,
            env=environment(**settings, TERM="xterm-256color"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=120,
            check=False,
        )
    finally:
        os.close(theirs)
        watching.join(timeout=300)
        os.close(terminal)
    assert done.returncode == status, shown
    return done.stdout.decode(), b"".join(shown).decode()


@pytest.fixture
def region(database: Database) -> None:
    with database.write_sessions.begin() as session:
        make.region(session)
    database.close()  # a restore needs exclusive access


@pytest.mark.one_engine("a screen")
def test_progress_is_shown_on_a_terminal(region: None, database_url: str, tmp_path: Path) -> None:
    here = {"AED_DATABASE_URL": database_url, "AED_BACKUPS": str(tmp_path / "backups")}
    rows = [DEVICE | {"source_id": str(number)} for number in range(3)]
    list_of_three = str(table(tmp_path, *rows))

    for words, counted, output in (
        (["import", "devices", list_of_three], "devices", "3 new"),
        (["lint", list_of_three], "rows read and compared", "3 rows"),
        (["export", "estates", "--as", "administrator"], "estates and gates", "CN-33"),
        (["backup"], "backing up", "3 devices"),
    ):
        answer, shown = watched(*words, settings=here)
        assert output in answer, words
        assert counted in shown, words
        assert output not in shown, words
    (backup,) = (tmp_path / "backups").glob("*.zip")
    answer, shown = watched("restore", "--replace", str(backup), settings=here)
    assert "3 devices" in answer
    assert "restoring" in shown


@pytest.mark.one_engine("a screen and a file")
def test_json_output_goes_to_its_file_while_the_terminal_shows_progress(
    region: None, database_url: str, tmp_path: Path
) -> None:
    path = table(tmp_path, DEVICE, DEVICE)

    answer, _ = watched("lint", str(path), "--json", status=1, settings={"AED_DATABASE_URL": database_url})

    assert json.loads(answer)["rows"] == 2
