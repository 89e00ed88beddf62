"""A running server with the demo district, on a database of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from aed.database.session import Database, open_database
from aed.settings import Settings
from tests.browser.moved_clock import MovedClock


@dataclass(frozen=True)
class Site:
    """A running server on a database of its own with the demo district."""

    address: str
    settings: Settings
    database: Database
    """The server's database, to prepare what a test needs."""


@contextmanager
def running_site(folder: Path, database_url: str, *, moved: MovedClock | None = None) -> Iterator[Site]:
    """Load the demo district into the database and run `aed serve`, with its files in the folder.

    The clock of both is the real one, unless another is given.
    """
    aed = [sys.executable, "-m", "aed"]
    if moved is not None:
        aed = [sys.executable, "-m", "tests.browser.moved_clock", str(moved.file)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = {
        "AED_DATABASE_URL": database_url,
        "AED_WALKING_NETWORK": str(folder / "walking.npz"),
        "AED_BASEMAP": str(folder / "basemap.pmtiles"),
        "AED_SIGNING_KEYS": str(folder / "signing-keys.json"),
        "AED_OUTBOX_SPOOL": str(folder / "outbox"),
        "AED_RUN_JOBS": "false",
        "AED_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    environment = {**os.environ, **settings}
    subprocess.run([*aed, "demo"], env=environment, check=True, capture_output=True, timeout=300)
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [*aed, "serve", "--port", str(port)], env=environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, server, folder / "serve.log")
        opened = Settings(
            database_url=database_url,
            walking_network=folder / "walking.npz",
            basemap=folder / "basemap.pmtiles",
            signing_keys=folder / "signing-keys.json",
            public_url=settings["AED_PUBLIC_URL"],
        )
        database = open_database(opened)
        yield Site(address, opened, database)
        database.close()
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            httpx2.get(f"{address}/healthz", timeout=2)
        except httpx2.TransportError:
            assert server.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)  # between attempts, until the server listens
        else:
            return
    raise AssertionError(f"{address} did not answer")
