"""Every test that takes `database` (or what is made from it) runs on both databases."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from aed.cli import screen
from aed.cli.server import bring_up_to_date
from aed.database.session import Database, open_database
from aed.settings import Settings
from tests.apps import app_on
from tests.commands import KEY
from tests.compiled_sql import share_compiled_statements
from tests.throwaway_postgres import (
    MEMORY,
    copy_database,
    drop_database,
    has_room_in_memory,
    throwaway_postgres,
)

# Modules compiled once and kept, whatever the environment says: each process starts 10 s of CPU time sooner.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["AED_ENCRYPTION_KEYS"] = KEY
os.environ["AED_LIVE_SECONDS"] = "0.2"  # a test that asks every route waits for no stream to end
screen.console.width = screen.UNKNOWN_WIDTH  # as in a file, in the processes of pytest-xdist too

if has_room_in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # a commit to SQLite there waits for no disk

ENGINES = ("spatialite", "postgis")

# As `aed serve` logs for people: what structlog does unasked prints every local variable, and takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session", autouse=True)
def _compiled_statements() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_compiled_statements(patch)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on PostGIS, tests that say that nothing of them is up to the database."""
    kept, left_out = [], []
    for item in items:
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        is_left_out = item.get_closest_marker("one_engine") is not None and "postgis" in params
        (left_out if is_left_out else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_collection_finish() -> None:
    """What is imported and collected stays: no need to look through it for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL with PostGIS for the whole run, empty."""
    with throwaway_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgis_template(postgres_url: str) -> str:
    """A database with the schema and the holidays, to be copied.

    Of the 8,500 reference systems that PostGIS knows, the two that are asked for stay: the others are 7 MB,
    and two thirds of the time that a copy takes.
    """
    _prepare(postgres_url)
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DELETE FROM spatial_ref_sys WHERE srid NOT IN (4326, 3857)")
        connection.execute("VACUUM FULL spatial_ref_sys")
    return postgres_url


@pytest.fixture(scope="session")
def spatialite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("spatialite") / "template.sqlite"
    _prepare(f"sqlite:///{path}")
    return path


def _prepare(url: str) -> None:
    database = open_database(Settings(database_url=url))
    try:
        bring_up_to_date(database)
    finally:
        database.close()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for each test, with the schema and the holidays, on each engine."""
    if request.param == "spatialite":
        path = tmp_path / "aed.sqlite"
        shutil.copyfile(request.getfixturevalue("spatialite_template"), path)
        yield f"sqlite:///{path}"
        return
    url = copy_database(request.getfixturevalue("postgis_template"), f"test_{next(_numbers)}")
    yield url
    drop_database(url)


_numbers = iter(range(1, 1_000_000))


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """No walking network is there unless a test builds one at `settings.walking_network`."""
    return Settings(
        database_url=database_url,
        walking_network=tmp_path / "walking.npz",
        signing_keys=tmp_path / "signing-keys.json",
        access_log=False,
        threads=4,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = open_database(settings)
    yield opened
    opened.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session whose work is committed only by the test."""
    with database.write_sessions() as opened:
        yield opened


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The application over HTTP, without a token."""
    with TestClient(app_on(settings), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def client_on(database_url: str) -> Iterator[Callable[[Settings], TestClient]]:
    """For a test that needs other settings, or the network that it has just built."""
    opened: list[TestClient] = []

    def make(settings: Settings) -> TestClient:
        client = TestClient(app_on(settings), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)
