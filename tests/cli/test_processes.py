"""`aed` as a process: output on a terminal, also when something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from aed import migrations
from aed.cli.server import make_embedded_schema
from aed.database.session import Database, open_database
from aed.settings import Settings
from tests.cli.conftest import Aed
from tests.commands import aed as process

GROUPS = [
    "db",
    "walking",
    "map",
    "import",
    "tokens",
    "regions",
    "estates",
    "gates",
    "devices",
    "consumables",
    "holidays",
    "feeds",
    "people",
    "roles",
]


def test_python_dash_m_runs_the_command(tmp_path: Path) -> None:
    result = process("--help", COLUMNS="100")
    assert result.returncode == 0
    assert result.stdout.lstrip().startswith("Usage: aed [OPTIONS] COMMAND")
    assert "\x1b" not in result.stdout


def test_a_failing_command_prints_one_sentence_and_ends_with_1(tmp_path: Path) -> None:
    result = process("import", "devices", "nothing.csv", AED_DATABASE_URL=f"sqlite:///{tmp_path}/a.sqlite")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "aed: There is no file nothing.csv.\n"


def test_chinese_output_on_an_ascii_terminal_does_not_fail(file_with_schema: Path) -> None:
    url = f"sqlite:///{file_with_schema}"
    result = process("nearest", "30", "120", AED_DATABASE_URL=url, PYTHONIOENCODING="latin-1")
    assert result.returncode == 0
    assert "Call 120 first" in result.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_of_a_group_has_a_help_text(run: Aed, group: str) -> None:
    lines = run(group, "--help").out.splitlines()
    listed = [
        line.strip("│ ").split(maxsplit=1) for line in lines if line.startswith("│ ") and line[2] not in " -"
    ]
    assert listed
    assert all(len(command) == 2 for command in listed), listed
    for name, *_ in listed:
        assert "Usage: aed" in run(group, name, "--help").out


@pytest.mark.parametrize("command", ["serve", "nearest", "demo"])
def test_every_command_has_a_help_text(run: Aed, command: str) -> None:
    assert f"Usage: aed {command}" in run(command, "--help").out


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "AED_DATABASE_URL is not a database URL"),
        ("", "AED_DATABASE_URL"),
        ("mysql://a/b", "must begin with sqlite:/// or postgresql"),
        ("sqlite://", "must name a database file"),
        ("sqlite:////proc/none/a.sqlite", "cannot be created"),
        ("sqlite:////proc/version", "does not respond"),
        ("postgresql://nobody@127.0.0.1:1/aed", "does not respond"),
    ],
)
@pytest.mark.parametrize("words", ["devices list", "db upgrade", "nearest 30 120", "tokens list"])
def test_an_unreachable_database_is_reported(
    run: Aed, monkeypatch: pytest.MonkeyPatch, url: str, says: str, words: str
) -> None:
    monkeypatch.setenv("AED_DATABASE_URL", url)
    assert says in run(*words.split(), fails=True).err


@pytest.mark.parametrize(
    "words",
    ["devices list", "devices add lat=30 lon=120 region=X", "nearest 30 120", "tokens list", "regions list"],
)
def test_a_database_without_a_schema_is_reported_with_advice(
    run: Aed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/empty.sqlite")
    assert "aed db upgrade" in run(*words.split(), fails=True).err


def test_a_file_that_is_not_a_database_is_reported(
    run: Aed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.sqlite").write_text("not a database, but long enough to be looked at" * 100)
    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/a.sqlite")
    run("devices", "list", fails=True)
    run("db", "upgrade", fails=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AED_THREADS", "many"),
        ("AED_PORT", "99999"),
        ("AED_LOG_LEVEL", "loud"),
        ("AED_ARRIVAL__PICK_UP_SECONDS", "-1"),
        ("AED_ARRIVAL__NOTHING", "1"),
        ("AED_ARRIVAL", "not json"),
    ],
)
def test_an_invalid_setting_is_named(
    run: Aed, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert run("nearest", "30", "120", fails=True).err.startswith(f"aed: {name}")


def test_the_schema_is_upgraded_and_downgraded(aed: Aed) -> None:
    assert "is at schema" in aed("db", "upgrade").out
    assert aed("db", "downgrade", "base").out == "The database is at schema base.\n"
    assert "aed db upgrade" in aed("regions", "list", fails=True).err
    aed("db", "upgrade")
    assert "CN" in aed("holidays", "list").out


def test_only_the_first_start_creates_the_schema_of_an_embedded_database(
    tmp_path: Path,
) -> None:
    database = open_database(Settings(database_url=f"sqlite:///{tmp_path}/a.sqlite"))
    try:
        make_embedded_schema(database)
        assert revision_of(database) == migrations.head()
        migrations.downgrade(database, "-1")
        before = revision_of(database)
        make_embedded_schema(database)
        assert revision_of(database) == before != migrations.head()
    finally:
        database.close()


def revision_of(database: Database) -> str | None:
    with database.read_sessions() as session:
        found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return found


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_an_unknown_schema_version_is_refused(aed: Aed, direction: str) -> None:
    aed("db", direction, "no-such-revision", fails=True)


def test_the_demo_needs_its_district(run: Aed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/a.sqlite")
    assert "no demo district" in run("demo", "--folder", tmp_path, fails=True).err


def test_the_demo_answers_and_running_it_again_changes_nothing(
    run: Aed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/a.sqlite")
    monkeypatch.setenv("AED_WALKING_NETWORK", str(tmp_path / "walking.npz"))
    first = run("demo").out
    assert "devices: 42 new, 0 changed, 0 unchanged" in first
    assert "walking network: " in first
    assert "base map: " in first
    assert "back in" in first
    assert "Next:" in first
    second = run("demo", "--all").out
    assert "devices: 0 new, 0 changed, 42 unchanged" in second
    assert second.count("asked as") == 8
    assert second.count("→ ") == 8
    assert "Estimated from straight lines" not in first + second


def test_the_demo_rebuilds_a_network_saved_by_an_earlier_release(
    run: Aed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tmp_path / "walking.npz"
    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/a.sqlite")
    monkeypatch.setenv("AED_WALKING_NETWORK", str(network))
    first = run("demo").out
    saved = network.read_bytes()
    network.write_bytes(saved[:8] + (1).to_bytes(4, "little") + saved[12:])

    again = run("demo").out

    assert "has version 1" in again
    assert network.read_bytes() == saved
    assert again.splitlines()[-8:] == first.splitlines()[-8:]
