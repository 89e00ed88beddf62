"""Settings: each is described, documented, and rejected with one sentence if its value is invalid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.generate import plain, settings_page
from pydantic import BaseModel

from aed.cli.failures import exit_on_failure
from aed.database.session import open_database
from aed.errors import InvalidInput
from aed.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent


def described_settings(
    model: type[BaseModel] = Settings, prefix: str = "AED_"
) -> Iterator[tuple[str, str, str]]:
    """Yield (environment variable, default, description) of each setting, also of nested ones."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from described_settings(kind, f"{prefix}{name.upper()}__")
        else:
            start = field.get_default(call_default_factory=True)
            yield f"{prefix}{name.upper()}", str(start), field.description or ""


def test_every_setting_is_described() -> None:
    assert [name for name, _, described in described_settings() if not described] == []


def test_every_setting_is_documented_with_its_default() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| `AED_")]
    documented = {row.split("`")[1]: row for row in rows}

    assert len(documented) == len(rows)
    assert set(documented) == {name for name, _, _ in described_settings()}
    for name, start, described in described_settings():
        if start not in ("None", ""):
            assert f"| `{start}` " in documented[name]
        assert plain(described).replace("|", r"\|") in documented[name]


def test_the_documentation_names_no_unknown_setting() -> None:
    known = {name for name, _, _ in described_settings()}
    # Read by the installation, the tests and the benchmarks, not by the program.
    known |= {"AED_", "AED_PYTHON", "AED_TEST_PROFILE", "AED_TEST_VIEWS", "AED_BENCH_SIZE"}
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*/*.md"),
        *(ROOT / "deploy").glob("*"),
        ROOT / "Makefile",
    ):
        if path.is_file():
            named = set(re.findall(r"\bAED_[A-Z_]*[A-Z]\b", path.read_text()))
            assert named <= known, path.name


WRONG = {
    "AED_PORT": ["http", "-1", "65536", ""],
    "AED_THREADS": ["0", "65", "many"],
    "AED_LOG_FORMAT": ["xml"],
    "AED_LOG_LEVEL": ["loud"],
    "AED_ACCESS_LOG": ["perhaps"],
    "AED_SEARCH_RADIUS_METRES": ["0", "nan", "-5"],
    "AED_BODY_LIMIT_BYTES": ["0"],
    "AED_RESPONDER_CELL_RESOLUTION": ["16"],
    "AED_ARRIVAL__REACTION_SECONDS": ["-1", "soon", "nan", "inf"],
    "AED_ARRIVAL__PROBABILITY_OPEN": ["0", "1.5"],
    "AED_ARRIVAL__DETOUR_FACTOR": ["0.5"],
    "AED_ARRIVAL__NO_SUCH_KNOB": ["1"],
    "AED_ARRIVAL": ["not json", "[1]", "3"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_an_invalid_value_is_reported_in_one_sentence_with_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidInput) as refused:
        load_settings()

    assert refused.value.field == name
    assert refused.value.detail.startswith(f"{name}: ")
    assert refused.value.detail.endswith(".")
    assert not refused.value.detail.endswith("..")
    assert "\n" not in refused.value.detail


def test_a_command_with_an_invalid_setting_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AED_THREADS", "0")

    with pytest.raises(SystemExit) as ended, exit_on_failure():
        load_settings()

    assert ended.value.code == 1
    output = capsys.readouterr().err
    assert output.startswith("aed: AED_THREADS: ")
    assert output.count("\n") == 1


def test_environment_variables_set_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AED_PORT", "9000")
    monkeypatch.setenv("AED_ARRIVAL__REACTION_SECONDS", "40")
    monkeypatch.setenv("AED_SOMETHING_OF_ANOTHER_PROGRAM", "x")

    settings = load_settings()

    assert settings.port == 9000
    assert settings.arrival.reaction_seconds == 40
    assert settings.arrival.slow_start_metres == Settings().arrival.slow_start_metres


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "mysql://root@localhost/aed",
        "postgresql+asyncpg://a@b/c",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////dev/null/aed.sqlite",
        "postgresql+psycopg://a:secret@b:port/c",
    ],
)
def test_an_invalid_database_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_database(Settings(database_url=url))

    assert refused.value.field == "AED_DATABASE_URL"
    assert "AED_DATABASE_URL" in refused.value.detail
    assert "secret" not in refused.value.detail
