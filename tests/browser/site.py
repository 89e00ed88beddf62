"""A running server with the demo district, on a database of its own."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from aed.database.session import Database, open_database
from aed.settings import Settings
from tests import forked
from tests.browser.moved_clock import MovedClock, install
from tests.commands import wait_until_answered
from tests.throwaway_postgres import copy_database, drop_database


@dataclass(frozen=True)
class Site:
    """A running server on a database of its own."""

    address: str
    settings: Settings
    database: Database
    """The server's database, to prepare what a test needs."""
    log: Path
    """What the server printed."""


@contextmanager
def running_site(
    folder: Path, database_url: str, *, moved: MovedClock | None = None, is_demo: bool = True
) -> Iterator[Site]:
    """Load the demo district into the database, unless `is_demo` is false, and run `aed serve`.

    Its files are in the folder. The clock of both is the real one, unless another is given.
    """
    prepare = None if moved is None else partial(install, moved)
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
    if is_demo:
        log = folder / "demo.log"
        demo = forked.start(["demo"], cwd=folder, env=environment, output=log, prepare=prepare)
        assert demo.wait(300) == 0, log.read_text(encoding="utf-8")
    log = folder / "serve.log"
    serve = ["serve", "--port", str(port)]
    server = forked.start(serve, cwd=folder, env=environment, output=log, prepare=prepare)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_answered(address, server, log)
        opened = Settings(
            database_url=database_url,
            walking_network=folder / "walking.npz",
            basemap=folder / "basemap.pmtiles",
            signing_keys=folder / "signing-keys.json",
            public_url=settings["AED_PUBLIC_URL"],
        )
        database = open_database(opened)
        yield Site(address, opened, database, log)
        database.close()
    finally:
        server.terminate()
        server.wait(300)


@contextmanager
def site_at(
    request: pytest.FixtureRequest, folder: Path, engine: str, at: datetime, *, is_demo: bool = True
) -> Iterator[tuple[Site, MovedClock]]:
    """Run a site on `spatialite` or `postgis`, whose clock and this process's begin at a moment."""
    moved = MovedClock(folder / "clock")
    moved.move_to(at)
    if engine == "spatialite":
        shutil.copyfile(request.getfixturevalue("spatialite_template"), folder / "aed.sqlite")
        url = f"sqlite:///{folder / 'aed.sqlite'}"
    else:
        url = copy_database(request.getfixturevalue("postgis_template"), "site")
    with pytest.MonkeyPatch.context() as patch:
        install(moved, patch.setattr)
        with running_site(folder, url, moved=moved, is_demo=is_demo) as site:
            yield site, moved
    if engine == "postgis":
        drop_database(url)
