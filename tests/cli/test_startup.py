"""The modules that a command imports at start, counted rather than timed."""

from __future__ import annotations

import subprocess
import sys

from typer.main import get_command

from aed.cli import COMMANDS, app

SERVER = {"fastapi", "starlette", "uvicorn", "apscheduler", "authlib", "webauthn", "httpx2"}
DATABASE = {"sqlalchemy", "geoalchemy2", "pydantic", "pydantic_settings"}
ARRAYS = {"numpy", "scipy", "shapely", "pyproj", "osmium"}
LATE = {"scipy", "osmium", "pyproj", "chinese_calendar", "typst", "PIL", "alembic"}


def imported_by(*commands: str) -> dict[str, set[str]]:
    """Run `aed COMMAND --help` for each command in one new process.

    Return, by command, the top-level packages that have been imported when its help was printed, by it or by
    a command before it.
    """
    script = (
        "import sys\n"
        "from aed.cli import main\n"
        f"for command in {commands!r}:\n"
        "    sys.argv = ['aed', *command.split(), '--help']\n"
        "    try:\n        main()\n"
        "    except SystemExit as ended:\n        assert not ended.code, ended.code\n"
        "    print('\\nMODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    lines = [line.split()[1:] for line in shown.splitlines() if line.startswith("MODULES ")]
    return {command: set(line) for command, line in zip(commands, lines, strict=True)}


def test_help_imports_neither_the_server_nor_the_database() -> None:
    (imported,) = imported_by("").values()

    assert not imported & (SERVER | DATABASE | ARRAYS | LATE | {"structlog", "cryptography", "psycopg"})


def test_a_list_imports_neither_the_server_nor_what_it_does_not_show() -> None:
    lists = ("devices", "estates", "checks", "holidays", "roles", "tokens", "sessions", "quarantines")

    for command, imported in imported_by(*(f"{each} list" for each in lists)).items():
        assert "sqlalchemy" in imported, command
        assert not imported & (SERVER | LATE), command


def test_nearest_imports_no_server_and_nothing_that_builds_a_network() -> None:
    (imported,) = imported_by("nearest").values()

    assert not imported & (SERVER | {"osmium", "chinese_calendar", "typst", "PIL", "alembic"})


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
