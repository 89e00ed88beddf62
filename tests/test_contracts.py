"""The import contracts reject modules and imports that break them, added to a copy of the source."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aed

SOURCE = Path(aed.__file__).parent
PROJECT = Path(__file__).parent.parent


def broken_contracts(folder: Path) -> str:
    """Run lint-imports on the copy in `folder`; return what it says about broken contracts."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--config", folder / "pyproject.toml", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    assert (done.returncode == 0) == ("Broken contracts" not in output), output
    return output.partition("Broken contracts")[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source and its contracts."""
    kept_out = shutil.ignore_patterns("__pycache__", "swagger_ui", "demo_district")
    shutil.copytree(SOURCE, tmp_path / "src" / "aed", ignore=kept_out)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_source_follows_the_import_contracts(copy: Path) -> None:
    assert broken_contracts(copy) == ""


def test_planted_forbidden_imports_are_found(copy: Path) -> None:
    """All violations in one run, since each run builds the graph of all imports."""
    source = copy / "src" / "aed"
    rules = source / "registry" / "devices" / "rules.py"
    rules.write_text(rules.read_text() + "\nimport sqlalchemy\n")
    (source / "walking" / "utils.py").write_text("")
    command = source / "cli" / "tokens.py"
    command.write_text(command.read_text() + "\nfrom aed.worker import api\n")
    regions = source / "cli" / "regions.py"
    regions.write_text(regions.read_text() + "\nfrom aed.web.estate_desk.api import people\n")
    package_of_rules = source / "incidents" / "plan" / "rules"
    (package_of_rules / "helpers.py").write_text("")
    (source / "registry" / "devices" / "helpers.py").write_text("")
    (source / "helpers.py").write_text("")
    (source / "database" / "common.py").write_text("")
    tokens = source / "accounts" / "tokens.py"
    tokens.write_text(tokens.read_text() + "\nfrom aed.accounts.people import api\n")

    output = broken_contracts(copy)

    assert "aed.registry.devices.rules -> sqlalchemy" in output
    assert "aed.cli.tokens -> aed.worker.api" in output
    assert "aed.cli.regions -> aed.web.estate_desk.api.people" in output
    assert "aed.accounts.tokens -> aed.accounts.people.api" in output
    helpers = ".".join((package_of_rules / "helpers").relative_to(copy / "src").parts)
    elsewhere = ("aed.registry.devices.helpers", "aed.helpers", "aed.database.common")
    for module in ("aed.walking.utils", helpers, *elsewhere):
        assert module in output, output


def test_every_rules_module_must_be_pure() -> None:
    config = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (pure,) = (each for each in contracts if each["name"].startswith("Rules are pure"))
    declared = [re.compile(re.escape(each).replace(r"\*", r"[^.]+")) for each in pure["source_modules"]]
    rules = [*SOURCE.rglob("rules.py"), *SOURCE.rglob("rules/__init__.py")]
    names = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in rules}

    assert len(names) > 20
    assert [
        name
        for name in sorted(name.removesuffix(".__init__") for name in names)
        if not any(pattern.fullmatch(name) for pattern in declared)
    ] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    """Also where no contract lists each module: in `cli`, and in packages of routes and of channels."""
    names = {"base", "common", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"}
    found = [path for path in SOURCE.rglob("*") if path.stem in names and path.suffix in {"", ".py"}]

    assert found == []
