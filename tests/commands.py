"""Run the `aed` program in separate processes.

`aed` starts Python anew; `serving` forks from a process that has imported the program (`tests.forked`).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests import forked

ROOT = Path(__file__).parent.parent
KEY = "aedkey-dGhlIG9uZSBrZXkgb2YgdGVzdHM6IDMyIGJ5dGVzLi4"
"""The encryption key for numbers in tests."""
SETTINGS = {
    "AED_ENCRYPTION_KEYS": KEY,
    "AED_ANSWER_SECONDS": "120",  # a busy machine is slow; tests of the deadline set their own
    "AED_LIVE_SECONDS": "0.2",  # keep streams short in tests that call every route
}
"""The settings of a test's process, and of those that it forks."""
NOT_THEIRS = ("AED_", "PYTHONDONTWRITEBYTECODE", "COLUMNS", "FORCE_COLOR", "NO_COLOR")


def use_test_settings() -> None:
    """Remove the developer's settings from this process, and those of a test that runs; set `SETTINGS`."""
    for name in [each for each in os.environ if each.startswith("AED_") and not each.startswith("AED_TEST_")]:
        del os.environ[name]
    os.environ.update(SETTINGS)


def environment(**settings: str) -> dict[str, str]:
    """Return the environment with these settings and without any `AED_` setting of the developer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_THEIRS)}
    ours = {name: SETTINGS[name] for name in ("AED_ENCRYPTION_KEYS", "AED_ANSWER_SECONDS")}
    return kept | ours | settings


def aed(
    *arguments: str, cwd: Path = ROOT, within_seconds: float = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `aed …` in a process; return the completed process with its output."""
    return subprocess.run(
        [sys.executable, "-m", "aed", *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=within_seconds,
        check=False,
    )


@contextmanager
def serving(log: Path, **settings: str) -> Iterator[str]:
    """Run `aed serve` in a process; yield its URL and write its output to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = forked.start(
        ["serve", "--port", str(port)], cwd=log.parent, env=environment(**settings), output=log
    )
    try:
        wait_until_answered(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=300)


def wait_until_answered(url: str, process: forked.Forked, log: Path) -> None:
    """Wait until a server at the URL answers. Raises AssertionError, with its log, if the process ends."""
    while True:
        try:
            httpx2.get(f"{url}/healthz", timeout=5)
        except httpx2.TransportError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)  # between attempts: a server does not signal that it listens
        else:
            return
