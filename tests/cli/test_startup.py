"""The modules that a command imports, counted rather than timed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from aed.cli import COMMANDS, app
from tests.commands import environment

SERVER = {"fastapi", "starlette", "uvicorn", "authlib", "webauthn", "httpx2"}
SCHEDULER = {"apscheduler"}
DATABASE = {"sqlalchemy", "geoalchemy2", "pydantic", "pydantic_settings", "structlog", "cryptography"}
ARRAYS = {"scipy", "pyproj"}
"""Without numpy and shapely, which GeoAlchemy2 imports."""
DOCUMENTS = {"PIL", "icalendar", "jinja2", "osmium", "typst", "xlsxwriter"}
RARE = {"alembic", "chinese_calendar", "phonenumbers", "psycopg", "redis"}
NOT_FOR_LISTS = SERVER | ARRAYS | DOCUMENTS | RARE


def modules_imported_by(*commands: str, **settings: str) -> dict[str, set[str]]:
    """Run `aed COMMAND` for each command in one new process.

    Return, by command, the top-level packages that have been imported when it has ended, by it or by a
    command before it.
    """
    script = (
        "import sys\n"
        "from aed.cli import main\n"
        f"for command in {commands!r}:\n"
        "    sys.argv = ['aed', *command.split()]\n"
        "    try:\n        main()\n"
        "    except SystemExit as ended:\n        assert not ended.code, ended.code\n"
        "    print('\\nMODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    return {command: set(line) for command, line in zip(commands, lines, strict=True)}


def list_commands() -> list[str]:
    """Return every `aed GROUP list` that needs no argument, except that of the jobs."""
    groups = get_command(app).commands.items()  # type: ignore[attr-defined]  # Typer's group has them
    lists = {
        name: group.commands["list"] for name, group in groups if "list" in getattr(group, "commands", {})
    }
    return [
        f"{name} list"
        for name, command in lists.items()
        if name != "jobs" and not any(each.required for each in command.params)
    ]


@pytest.fixture
def database_url(spatialite_template: Path, tmp_path: Path) -> str:
    """Return a database with the schema; imports of PostgreSQL's driver are not counted."""
    path = tmp_path / "aed.sqlite"
    shutil.copyfile(spatialite_template, path)
    return f"sqlite:///{path}"


def test_help_imports_neither_the_server_nor_the_database() -> None:
    (imported,) = modules_imported_by("--help").values()

    assert imported & (NOT_FOR_LISTS | SCHEDULER | DATABASE | {"numpy", "shapely"}) == set()


def test_a_list_command_imports_neither_the_server_nor_unused_features(database_url: str) -> None:
    found = modules_imported_by("due", *list_commands(), AED_DATABASE_URL=database_url)
    assert len(found) > 25
    for command, imported in found.items():
        assert "sqlalchemy" in imported, command
        assert imported & (NOT_FOR_LISTS | SCHEDULER) == set(), command


def test_listing_the_jobs_does_not_import_the_jobs(database_url: str) -> None:
    (imported,) = modules_imported_by("jobs list", AED_DATABASE_URL=database_url).values()

    assert "apscheduler" in imported, "its triggers say when a job is due"
    assert imported & (NOT_FOR_LISTS | {"geoalchemy2", "numpy", "shapely"}) == set()


def test_nearest_without_a_network_imports_no_routing(database_url: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "walking.npz")
    (imported,) = modules_imported_by(
        "nearest 30.2876 120.1062", AED_DATABASE_URL=database_url, AED_WALKING_NETWORK=missing
    ).values()

    assert "sqlalchemy" in imported
    assert imported & (NOT_FOR_LISTS | SCHEDULER) == set()


def test_pyproj_can_be_imported_when_spatialite_is_loaded(database_url: str) -> None:
    """Their two versions of PROJ once made the process abort at its end, after the answer."""
    script = (
        "from aed.cli.context import cli_read_session\nfrom aed.geo import Position, distance_metres\n"
        "with cli_read_session() as session:\n    session.connection()\n"
        "    print(distance_metres(Position(30, 120), Position(31, 121)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(AED_DATABASE_URL=database_url),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(146_647, abs=1)


def test_every_command_in_the_table_can_be_imported() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # Typer's group has them

    for name, (_, line) in COMMANDS.items():
        assert commands[name].name == name
        assert commands[name].help
        assert line.endswith(".")
        assert len(line) <= 80, "a line of `aed --help`"


def test_the_table_has_the_help_text_of_each_command() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # Typer's group has them

    help_texts = {name: " ".join((commands[name].help or "").split("\n\n")[0].split()) for name in COMMANDS}
    assert {name: text for name, text in help_texts.items() if not text.startswith(COMMANDS[name][1])} == {}
