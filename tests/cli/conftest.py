"""Run the command line in this process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aed.cli import main


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command's output and exit status."""

    status: int
    out: str
    err: str


type Aed = Callable[..., CommandResult]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Aed:
    """Return a function that runs `aed`; it asserts that a failure is one sentence on stderr."""
    monkeypatch.setenv("AED_BASEMAP", str(tmp_path / "basemap.pmtiles"))

    def run(*words: object, fails: bool = False, warns: bool = False) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["aed", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        result = CommandResult(int(ended.value.code or 0), out, err)
        assert "Traceback" not in out + err
        if fails:
            assert result.status == 1, result
            assert err.startswith("aed: ")
            assert len(err.splitlines()) == 1, err
        else:
            assert result.status == 0, result
            assert warns == bool(err), err
        return result

    return run


@pytest.fixture
def file_with_schema(spatialite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an embedded database with the schema, which `run` uses."""
    path = shutil.copyfile(spatialite_template, tmp_path / "aed.sqlite")
    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{path}")
    return path


@pytest.fixture
def aed(run: Aed, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aed:
    """Return `run` with a database that has the schema; on each engine."""
    monkeypatch.setenv("AED_DATABASE_URL", database_url)
    monkeypatch.setenv("AED_WALKING_NETWORK", str(tmp_path / "walking.npz"))
    return run
