"""What can be known of the deployment files without deploying them."""

import os
import re
import shutil
import sqlite3
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
SHELL_SCRIPTS = [*sorted(DEPLOY.glob("*.sh")), ROOT / ".ci" / "run"]
PINNED = re.compile(r"^([a-z0-9._-]+)==(\S+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)


def yaml_mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return {str(key): inner for key, inner in value.items()}


def compose_services() -> dict[str, dict[str, object]]:
    compose = yaml_mapping(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    return {name: yaml_mapping(service) for name, service in yaml_mapping(compose["services"]).items()}


def dockerfile_instructions() -> list[list[str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def settings_named_in(text: str) -> set[str]:
    return set(re.findall(r"\bAED_[A-Z_]+(?==|: )", text))


@pytest.mark.parametrize(
    "file", ["Dockerfile", "compose.yaml", "aed.env.example", "aed.service"], ids=lambda name: str(name)
)
def test_every_setting_that_deployment_gives_is_one_that_the_program_has(file: str) -> None:
    from aed.settings import Settings

    given = {
        name.removeprefix("AED_").lower() for name in settings_named_in((DEPLOY / file).read_text("utf-8"))
    }

    assert {name.split("__")[0] for name in given} <= set(Settings.model_fields)


def test_the_example_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    from aed.settings import Settings

    for line in (DEPLOY / "aed.env.example").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("=", 1)
            monkeypatch.setenv(name, value)

    assert Settings().database_url == "sqlite:////var/lib/aed/aed.sqlite"


def test_the_database_is_migrated_before_the_api_starts() -> None:
    services = compose_services()

    assert set(services) == {"database", "migrate", "api"}
    assert services["migrate"]["command"] == ["aed", "db", "upgrade"]
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert yaml_mapping(services["api"]["depends_on"])["migrate"] == {
        "condition": "service_completed_successfully"
    }


def test_compose_refuses_to_start_without_a_password() -> None:
    services = compose_services()

    given = [
        str(value)
        for service in services.values()
        for name, value in yaml_mapping(service["environment"]).items()
        if "PASSWORD" in name
    ]

    assert len(given) == len(services)
    assert all(value.startswith("${DATABASE_PASSWORD:?") for value in given)


def test_no_service_may_write_to_its_own_system() -> None:
    for service in compose_services().values():
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_copies_only_what_exists_and_what_the_ignore_file_lets_through() -> None:
    let_through = [
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    stages = {words[3] for words in dockerfile_instructions() if words[0] == "FROM" and len(words) == 4}
    copied_from_here = []
    for words in dockerfile_instructions():
        if words[0] == "COPY" and words[1].startswith("--from="):
            assert words[1].removeprefix("--from=") in stages
        elif words[0] == "COPY":
            copied_from_here += words[1:-1]

    assert copied_from_here
    assert [name for name in copied_from_here if not (ROOT / name).exists()] == []
    assert set(copied_from_here) <= set(let_through)


def test_the_image_runs_as_somebody_who_is_not_root_and_says_how_it_is() -> None:
    instructions = dockerfile_instructions()

    assert [words[1] for words in instructions if words[0] == "USER"] == ["10001"]
    assert any(words[0] == "HEALTHCHECK" for words in instructions)
    assert "/healthz" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_everything_under_src_gets_into_an_installed_package() -> None:
    """An editable installation finds what a built one would leave out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["aed"]
    package = ROOT / "src" / "aed"

    packed = {file for pattern in patterns for file in package.glob(pattern)}

    left_out = [
        str(file.relative_to(package))
        for file in package.rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc") and file not in packed
    ]

    assert left_out == []


def test_what_is_tested_is_what_is_deployed() -> None:
    """The runtime's lock names the versions that the development's lock names."""
    deployed = PINNED.findall((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    tested = PINNED.findall((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"))

    assert deployed
    assert {(name, version) for name, version, _ in deployed} <= {
        (name, version) for name, version, _ in tested
    }


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda script: script.name)
def test_shell_scripts_parse(script: Path) -> None:
    shell = "bash" if script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash") else "sh"

    parsed = run(shell, "-n", script)

    assert parsed.returncode == 0, parsed.stderr
    assert os.access(script, os.X_OK)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda script: script.name)
def test_shell_scripts_have_no_known_traps(script: Path) -> None:
    checked = run("shellcheck", script)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_service(tmp_path: Path) -> None:
    unit = (DEPLOY / "aed.service").read_text(encoding="utf-8")
    # It would complain that the program is not installed on this machine.
    (tmp_path / "aed.service").write_text(
        unit.replace("/opt/aed/.venv/bin/aed", "/bin/true"), encoding="utf-8"
    )

    verified = run("systemd-analyze", "verify", "--man=no", tmp_path / "aed.service")

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_a_second_set_up_is_quick_and_silent() -> None:
    if run("sh", DEPLOY / "setup.sh", "check").returncode != 0:
        pytest.skip("this environment was not made by `make`, or its lock files have changed since")
    started = time.monotonic()

    again = run("sh", DEPLOY / "setup.sh")

    assert time.monotonic() - started < 1.0
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_set_up_refuses_an_interpreter_that_is_not_there() -> None:
    command = ["env", "AED_PYTHON=/nowhere/python3", "sh", str(DEPLOY / "setup.sh"), "check"]

    assert run(*command).returncode == 1


def test_make_lists_its_targets() -> None:
    listed = run("make", "--no-print-directory", "help")

    for target in ("demo", "serve", "test", "bench", "check", "lock", "clean"):
        assert f"make {target} " in listed.stdout


def test_the_backup_command_of_the_guide_keeps_a_spatial_database_whole(tmp_path: Path) -> None:
    """The very line that deploy/README.md tells people to run, on a database that is being written to."""
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    command = re.search(r"python -c '(import sqlite3.*?)'", guide)
    assert command is not None
    live = sqlite3.connect(tmp_path / "aed.sqlite")
    live.execute("PRAGMA journal_mode = WAL")
    live.enable_load_extension(True)
    live.load_extension("mod_spatialite")
    live.execute("SELECT InitSpatialMetaDataFull(1)")
    live.execute("CREATE TABLE place (id INTEGER PRIMARY KEY)")
    live.execute("SELECT AddGeometryColumn('place', 'position', 4326, 'POINT', 'XY')")
    live.execute("SELECT CreateSpatialIndex('place', 'position')")
    live.execute("INSERT INTO place (position) VALUES (MakePoint(120.15, 30.28, 4326))")
    live.commit()
    live.execute("INSERT INTO place (position) VALUES (MakePoint(120.16, 30.28, 4326))")  # not committed

    done = run(
        ROOT / ".venv" / "bin" / "python",
        "-c",
        command[1],
        tmp_path / "aed.sqlite",
        tmp_path / "backup.sqlite",
    )

    live.close()
    assert done.returncode == 0, done.stderr
    backup = sqlite3.connect(tmp_path / "backup.sqlite")
    assert backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert backup.execute("SELECT count(*) FROM place").fetchone() == (1,)
    assert backup.execute("SELECT count(*) FROM idx_place_position").fetchone() == (1,)
    backup.close()
