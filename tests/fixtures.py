"""Fixtures for all tests; a test that uses `database` runs on SpatiaLite and on PostGIS."""

from __future__ import annotations

import gc
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import structlog
from fastapi.testclient import TestClient
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from aed.accounts.sign_in import passwords
from aed.cli import screen
from aed.cli.server import bring_up_to_date
from aed.database.session import Database, open_database
from aed.settings import Settings
from tests.apps import app_on
from tests.commands import use_test_settings
from tests.compiled_sql import share_compiled_statements
from tests.examples import load_profile
from tests.shared_files import shared_by_workers
from tests.throwaway_postgres import (
    copy_database,
    drop_database,
    prepare_postgres,
    throwaway_postgres,
)
from tests.whole_answers import read_whole_answers

use_test_settings()
screen.console.width = screen.UNKNOWN_WIDTH  # as when writing to a file, also under pytest-xdist

load_profile()

ENGINES = ("spatialite", "postgis")
LONG = (
    "tests/docs/",
    "tests/test_clients.py",
    "tests/test_migrations.py",
    "tests/test_openapi.py",
    "tests/test_package.py",
    "tests/test_upgrade_plan.py",
    "tests/training/test_year.py",
    "tests/upkeep/test_year.py",
    "tests/web/test_bad_input.py",
)
"""Where the longest tests are. They run first: at the end of a run, other workers would wait for them."""

# Log as `aed serve` does: structlog's default prints all local variables, which takes seconds.
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


@pytest.fixture(scope="session", autouse=True)
def _whole_answers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        read_whole_answers(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _spatialite_stays_loaded() -> Iterator[None]:
    """Keep a connection with SpatiaLite, which is unloaded with its last one; loading it takes 3 ms."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.enable_load_extension(True)
        connection.load_extension("mod_spatialite")
        yield


@pytest.fixture(scope="session", autouse=True)
def _cheap_password_hashes() -> Iterator[None]:
    """Hash passwords at the lowest cost; a test of the cost itself uses `real_password_hashes`."""
    cheap = PasswordHash((Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", cheap)
        patch.setattr(passwords, "DUMMY_HASH", cheap.hash("nobody's"))
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, on PostGIS, tests marked as independent of the database; put the longest tests first."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        is_left_out = item.get_closest_marker("one_engine") is not None and "postgis" in params
        (left_out if is_left_out else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted(kept, key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Exclude imported modules and collected tests from garbage collection, which needn't scan them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def prepared_postgres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data of a PostgreSQL server whose database has the schema and the holidays.

    The first worker of a run makes it; the others wait for it.
    """
    with shared_by_workers(tmp_path_factory, "postgres") as folder:
        prepared = folder / "prepared"
        if not prepared.exists():
            prepare_postgres(prepared, _prepare_postgres)
    return prepared


def _prepare_postgres(url: str) -> None:
    """Create the schema, and keep only the two reference systems that are in use, of PostGIS's 8,500.

    The others are 7 MB, and take two thirds of the time of a copy.
    """
    _prepare(url)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DELETE FROM spatial_ref_sys WHERE srid NOT IN (4326, 3857)")
        connection.execute("VACUUM FULL spatial_ref_sys")


@pytest.fixture(scope="session")
def postgis_template(prepared_postgres: Path) -> Iterator[str]:
    """Yield the URL of a PostGIS database with the schema and the holidays, used as a template for copies.

    Its server serves all tests of this worker.
    """
    with throwaway_postgres(prepared=prepared_postgres) as url:
        yield url


@pytest.fixture(scope="session")
def spatialite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SpatiaLite file with the schema and the holidays, used as a template for copies.

    The first worker of a run makes it, in 3 s of CPU time; the others wait for it.
    """
    with shared_by_workers(tmp_path_factory, "spatialite") as folder:
        path = folder / "template.sqlite"
        if not path.exists():
            unfinished = folder / "unfinished.sqlite"
            _prepare(f"sqlite:///{unfinished}")
            unfinished.rename(path)
    return path


def _prepare(url: str) -> None:
    database = open_database(Settings(database_url=url))
    try:
        bring_up_to_date(database)
    finally:
        database.close()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a new database with the schema and the holidays, on each engine in turn."""
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
    """Return settings for the test's database; its walking network and base map do not exist yet."""
    return Settings(
        database_url=database_url,
        walking_network=tmp_path / "walking.npz",
        basemap=tmp_path / "basemap.pmtiles",
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
    """Yield a session that commits only when the test does."""
    with database.write_sessions() as opened:
        yield opened


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """Yield a client of the application, without a token."""
    with TestClient(app_on(settings), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def client_on(database_url: str) -> Iterator[Callable[[Settings], TestClient]]:
    """Yield a function that starts the application with other settings or a new walking network."""
    opened: list[TestClient] = []

    def make(settings: Settings) -> TestClient:
        client = TestClient(app_on(settings), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)
