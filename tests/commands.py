"""Run the `aed` program in separate processes."""

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

ROOT = Path(__file__).parent.parent
KEY = "aedkey-dGhlIG9uZSBrZXkgb2YgdGVzdHM6IDMyIGJ5dGVzLi4"
"""The encryption key for numbers in tests."""
NOT_THEIRS = ("AED_", "PYTHONDONTWRITEBYTECODE", "COLUMNS", "FORCE_COLOR", "NO_COLOR")


def environment(**settings: str) -> dict[str, str]:
    """Return the environment with these settings and without any `AED_` setting of the developer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_THEIRS)}
    return kept | {"AED_ENCRYPTION_KEYS": KEY} | settings


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
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "aed", "serve", "--port", str(port)],
            cwd=log.parent,
            env=environment(**settings),
            stdout=written,
            stderr=written,
        )
        try:
            while True:
                try:
                    httpx2.get(f"{url}/healthz", timeout=5)
                    break
                except httpx2.TransportError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)
