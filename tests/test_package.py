"""The package as users install it: built, installed in an empty environment, run without a checkout."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from aed import __version__

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".state/uv/bin/uv"

pytestmark = pytest.mark.skipif(not UV.exists(), reason="uv is not in .state/uv: run deploy/setup.sh")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that `make release` fills."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    run("sh", ROOT / "deploy/release.sh", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    (built,) = release.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and its dependencies, and an empty home directory."""

    python: Path
    home: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Return environment variables without the checkout and without settings."""
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

    def aed(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python.parent / "aed"), *arguments],
            cwd=self.home,
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel with its required dependencies, without extras, at the locked versions."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv/bin/python"
    run(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, folder / "venv")
    run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--constraints",
        ROOT / "requirements.lock",
        wheel,
    )
    run(UV, "pip", "check", "--quiet", "--python", python)
    (folder / "home").mkdir()
    return Installed(python, folder / "home")


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_release_is_built_with_its_list_of_packages(release: Path) -> None:
    bill = json.loads((release / f"aed-{__version__}.cdx.json").read_text(encoding="utf-8"))
    locked = re.findall(
        r"^([a-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE
    )

    assert {each.name for each in release.iterdir()} == {
        f"aed-{__version__}-py3-none-any.whl",
        f"aed-{__version__}.tar.gz",
        f"aed-{__version__}.cdx.json",
        "SHA256SUMS",
    }
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(locked)
    assert all(each["externalReferences"][0]["hashes"] for each in bill["components"])


def test_the_same_commit_gives_the_same_bytes(release: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    run("sh", ROOT / "deploy/release.sh", again)
    assert (again / "SHA256SUMS").read_text() == (release / "SHA256SUMS").read_text()


def test_every_file_of_the_source_is_in_the_wheel(wheel: Path) -> None:
    source = {
        str(file.relative_to(ROOT / "src"))
        for file in (ROOT / "src/aed").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == source


def test_the_wheel_has_its_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(opened.read(name).decode())
        assert any(each.endswith("licenses/LICENSE") for each in opened.namelist())
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("Provides-Extra") == ["apprise", "cluster", "gis", "mqtt", "otel"]
    assert metadata["Description"] or metadata.get_payload()


def test_an_installed_program_serves_and_shows_the_demo_without_a_checkout(installed: Installed) -> None:
    """The first `aed serve` creates the schema of its embedded database in the user's data folder."""
    with serving(installed) as address:
        ready = get(f"{address}/readyz")
        demo = installed.aed("demo")
        answer = get(f"{address}/v1/nearest?lat=30.290005&lon=120.10156")

    assert (ready["status"], ready["version"]) == ("ok", __version__)
    assert demo.returncode == 0, demo.stderr
    assert "devices: 42 new" in demo.stdout
    assert "  aed serve " in demo.stdout
    assert answer["devices"]
    assert sorted(each.name for each in installed.home.iterdir()) == [".local"]
    kept = {each.name for each in (installed.home / ".local/share/aed").iterdir()}
    assert {"aed.sqlite", "walking.npz"} <= kept


def test_a_setting_without_its_extra_names_the_extra_to_install(installed: Installed) -> None:
    refused = installed.aed("serve", AED_LIVE_PLACES_URL="redis://127.0.0.1:1")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "aed: AED_LIVE_PLACES_URL needs the extra 'cluster': run pip install 'aed[cluster]'."
    )
    assert installed.aed("--version").stdout == f"aed {__version__}\n"


@contextmanager
def serving(installed: Installed) -> Iterator[str]:
    """Run `aed serve` on a free port until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [installed.python.parent / "aed", "serve", "--port", str(port)],
        cwd=installed.home,
        env=installed.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/healthz", process)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=60)


def wait_for(url: str, process: subprocess.Popen[str], *, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            get(url)
        except urllib.error.URLError:
            time.sleep(0.2)  # between attempts, until the server listens
        else:
            return
    raise AssertionError(f"{url} did not answer within {seconds:g} s")


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)
