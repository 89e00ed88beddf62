"""The modules that a command imports at start, counted rather than timed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command

from aed.cli import COMMANDS, app

SERVER = {"fastapi", "starlette", "uvicorn", "apscheduler", "authlib", "webauthn", "httpx2"}
DATABASE = {"sqlalchemy", "geoalchemy2", "pydantic", "pydantic_settings"}
ARRAYS = {"numpy", "scipy", "shapely", "pyproj", "osmium"}
LATE = {"scipy", "osmium", "pyproj", "chinese_calendar", "typst", "PIL", "alembic"}


def imported_by(*words: str) -> set[str]:
    """Return the top-level packages imported when `aed` with these arguments has printed its help."""
    script = (
        f"import sys; sys.argv = {['aed', *words, '--help']!r}\n"
        "from aed.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "print('\\nMODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(shown.rpartition("\nMODULES ")[2].split())


def test_help_imports_neither_the_server_nor_the_database() -> None:
    imported = imported_by()

    assert not imported & (SERVER | DATABASE | ARRAYS | LATE | {"structlog", "cryptography", "psycopg"})


@pytest.mark.parametrize(
    "words",
    [
        "devices list",
        "estates list",
        "checks list",
        "holidays list",
        "roles list",
        "tokens list",
        "sessions list",
        "quarantines list",
    ],
)
def test_a_list_imports_neither_the_server_nor_what_it_does_not_show(words: str) -> None:
    imported = imported_by(*words.split())

    assert "sqlalchemy" in imported
    assert not imported & (SERVER | LATE)


def test_nearest_imports_no_server_and_nothing_that_builds_a_network() -> None:
    assert not imported_by("nearest") & (SERVER | {"osmium", "chinese_calendar", "typst", "PIL", "alembic"})


def test_every_command_of_the_table_can_be_imported() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # Typer's group has them

    for name, (_, line) in COMMANDS.items():
        assert commands[name].name == name
        assert commands[name].help
        assert line.endswith(".")
        assert len(line) <= 80, "a line of `aed --help`"


def test_the_table_says_what_a_single_command_says_of_itself() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # Typer's group has them

    said = {name: " ".join((commands[name].help or "").split("\n\n")[0].split()) for name in COMMANDS}
    assert {name: text for name, text in said.items() if not text.startswith(COMMANDS[name][1])} == {}
