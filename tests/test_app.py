"""The application around the routes: problem documents, limits, health, and an unreachable database."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from aed import __version__
from aed.accounts.permissions import TokenRole
from aed.app import create_app, make_routes_ready
from aed.database.session import open_database
from aed.errors import AedError
from aed.http.problems import MAX_INSTANCE_CHARACTERS
from aed.registry.changes import RegistryChange
from aed.settings import LogFormat, Settings
from tests import make
from tests.apps import app_on
from tests.cases import each_case
from tests.make import PATIENT
from tests.throwaway_postgres import throwaway_server

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"


def assert_problem(answer: Any, status: int, code: str, *, field: str | None = None) -> dict[str, Any]:
    """Assert that the response is a problem document (RFC 9457) with this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert set(body) <= {"type", "title", "status", "detail", "instance", "field", "errors", "more_errors"}
    assert body["type"] == f"urn:aed:problem:{code}"
    assert body["status"] == status
    assert body["detail"].endswith("."), body["detail"]
    assert body["instance"] == answer.request.url.path[:MAX_INSTANCE_CHARACTERS]
    assert body.get("field") == field
    return body


# --- problem documents ----------------------------------------------------------------------------------


def test_an_anonymous_request_that_fails_gets_a_problem_document(client: TestClient) -> None:
    assert_problem(client.get("/nothing/here"), 404, "http-404")
    assert_problem(client.get("/v1/devices/1"), 404, "not-found", field="device_id")
    assert_problem(client.get("/v1/devices/one"), 422, "invalid-input", field="device_id")
    assert_problem(client.get("/v1/devices/0"), 422, "invalid-input", field="device_id")
    assert_problem(client.get(f"/v1/devices/{2**63}"), 422, "invalid-input", field="device_id")
    assert_problem(client.get(f"/v1/devices/{'9' * 6_000}"), 422, "invalid-input", field="device_id")
    assert_problem(client.get("/v1/me", headers={"Authorization": "Bearer x"}), 401, "not-signed-in")
    assert_problem(client.post("/v1/devices", json={"position": {"lat": 1, "lon": 2}}), 401, "not-signed-in")
    assert_problem(client.delete("/v1/devices/1"), 428, "version-needed")
    refused = client.put("/v1/devices")
    assert_problem(refused, 405, "http-405")
    assert set(refused.headers["Allow"].replace(" ", "").split(",")) & {"GET", "POST"}


def test_an_invalid_query_parameter_is_named(client: TestClient) -> None:
    for query, field in (
        ("lon=1", "lat"),
        ("lat=north&lon=1", "lat"),
        ("lat=91&lon=1", "lat"),
        ("lat=120.1&lon=30.29", "lat"),
        ("lat=nan&lon=1", "lat"),
        ("lat=1&lon=inf", "lon"),
        ("lat=1&lon=181", "lon"),
        ("lat=1&lon=1&datum=wgs72", "datum"),
        ("lat=1&lon=1&at=tomorrow", "at"),
        ("lat=1&lon=1&at=2026-10-01T10:00:00", "at"),
        ("lat=1&lon=1&at=0001-01-01T00:00:00Z", "at"),
        ("lat=1&lon=1&at=9999-12-31T23:59:59-23:59", "at"),
        ("lat=1&lon=1&limit=0", "limit"),
        ("lat=1&lon=1&limit=51", "limit"),
        ("lat=1&lon=1&floor=1000", "floor"),
        ("lat=1&lon=1&floor=1.5", "floor"),
        ("lat=1&lon=1&route=perhaps", "route"),
        ("lat=1&lon=1&responders=-1", "responders"),
        ("lat=%00&lon=1", "lat"),
        ("lat=%ff&lon=%fe", "lat"),
    ):
        assert_problem(client.get(f"/v1/nearest?{query}"), 422, "invalid-input", field=field)


def test_an_invalid_list_parameter_is_named(client: TestClient) -> None:
    for query, field in (
        ("bbox=1,2,3", "bbox"),
        ("bbox=1,2,3,4,5", "bbox"),
        ("bbox=a,b,c,d", "bbox"),
        ("bbox=3,1,2,4", "bbox"),
        ("bbox=nan,0,1,1", "bbox"),
        ("bbox=", "bbox"),
        ("bbox=%00", "bbox"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=" + "9" * 21, "cursor"),
        ("estate_id=0", "estate_id"),
        ("region=%00", "region"),
        ("region=a'b", "region"),
        ("audience=friends", "audience"),
        ("state=broken", "state"),
    ):
        assert_problem(client.get(f"/v1/devices?{query}"), 422, "invalid-input", field=field)


def test_the_largest_cursor_returns_an_empty_page(client: TestClient) -> None:
    assert client.get("/v1/devices?cursor=" + "9" * 20).json()["features"] == []


def test_several_invalid_fields_are_all_named(client: TestClient) -> None:
    body = assert_problem(client.get("/v1/nearest?lat=x&limit=0"), 422, "invalid-input", field="lat")

    assert [each["field"] for each in body["errors"]] == ["lat", "lon", "limit"]


def test_an_unexpected_error_is_a_problem_document_without_internal_details(
    settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    client = client_on(settings)
    application = client.app
    assert isinstance(application, FastAPI)

    @application.get("/broken")
    def broken() -> None:
        raise RuntimeError("the password is swordfish")

    answer = client.get("/broken")
    assert_problem(answer, 500, "unexpected")
    assert "swordfish" not in answer.text


def test_every_expected_failure_has_a_status_a_code_and_a_title_of_its_own() -> None:
    importlib.import_module("aed.cli.audit")
    importlib.import_module("aed.cli.incidents")  # commands have failures of their own
    kinds = AedError.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.title for kind in kinds}) == len(kinds)
    assert all(400 <= kind.status < 600 for kind in kinds)


# --- bodies ---------------------------------------------------------------------------------------------


@pytest.fixture
def office(session: Session, client: TestClient) -> TestClient:
    """Return the application's client as an administrator with write access; region CN-33 exists."""
    make.region(session)
    client.headers.update(make.key(session, TokenRole.ADMINISTRATOR, writes=True))
    session.commit()
    return client


GOOD_DEVICE: dict[str, Any] = {"region": "CN-33", "position": {"lat": PATIENT.lat, "lon": PATIENT.lon}}


def written(client: TestClient) -> int:
    return len(client.get("/v1/devices?limit=1000").json()["features"])


def test_a_malformed_form_is_refused_and_nothing_is_written(office: TestClient) -> None:
    for body, status in (
        (b"", 422),
        (b"{", 422),
        (b'{"region": "CN-33"', 422),
        (b"null", 422),
        (b"3", 422),
        (b'"text"', 422),
        (b"[]", 422),
        (b"\xff\xfe\x00", 400),
        (b'{"position": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 422),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 422),
        (b"{" + b"".join(b'"%d":1,' % each for each in range(6_000)) + b'"a":1}', 422),
        (b'{"floor": ' + b"9" * 5_000 + b', "position": {"lat": 1, "lon": 1}}', 400),
        (b'{"position": {"lat": 1e999, "lon": 1}}', 422),
        (b'{"position": {"lat": NaN, "lon": 1}}', 422),
        (b'{"position": {"lat": 1, "lon": -Infinity}}', 422),
        (b'{"position": {"lat": 1, "lon": 1}, "\\ud800": 1}', 422),
        (b'{"position": {"lat": 1, "lon": 1}, "maker": "\\ud800"}', 422),
        (b'{"position": {"lat": 1, "lon": 1}, "maker": "a\\u0000b"}', 422),
        (b'{"position": {"lat": 1, "lon": 1}, "source_id": "\\udfff"}', 422),
        (b'{"position": {"lat": 1, "lon": 1}, "audience": "\\ud83d"}', 422),
        (b'{"position": {"lat": 1, "lon": 1}, "opening_hours": "\\ud83d"}', 422),
    ):
        answer = office.post("/v1/devices", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, (body[:80], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert written(office) == 0


@pytest.mark.one_engine("a refusal before any statement")
@each_case("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_another_content_type_is_refused(office: TestClient, kind: str) -> None:
    answer = office.post(
        "/v1/devices", content=json.dumps(GOOD_DEVICE).encode(), headers={"Content-Type": kind}
    )

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert written(office) == 0


def test_a_body_over_the_limit_is_refused_by_its_header_and_while_streaming(office: TestClient) -> None:
    large = json.dumps({**GOOD_DEVICE, "place_en": "x" * 64_001}).encode()

    def in_parts() -> Iterator[bytes]:
        for start in range(0, len(large), 16_000):
            yield large[start : start + 16_000]

    assert_problem(office.post("/v1/devices", content=large), 413, "too-large")
    assert_problem(office.post("/v1/devices", content=in_parts()), 413, "too-large")
    assert_problem(
        office.post("/v1/devices", content=b"{}", headers={"Content-Length": "99999999"}), 413, "too-large"
    )
    assert_problem(office.patch("/v1/devices/1", content=large), 413, "too-large")
    assert written(office) == 0


def test_a_body_just_under_the_limit_is_accepted(office: TestClient) -> None:
    body = json.dumps(GOOD_DEVICE).encode()
    padded = body + b" " * (64_000 - len(body))

    assert office.post("/v1/devices", content=padded).status_code == 422, "no content type"
    headers = {"Content-Type": "application/json"}
    assert office.post("/v1/devices", content=padded, headers=headers).status_code == 201
    assert office.post("/v1/devices", content=padded + b" ", headers=headers).status_code == 413


# --- a commit that fails --------------------------------------------------------------------------------


def fail_at_commit(session: Session) -> None:
    """Make each transaction that registers a device fail at its commit, and not before."""
    session.execute(
        text("CREATE TABLE promises (region_id BIGINT REFERENCES regions (id) DEFERRABLE INITIALLY DEFERRED)")
    )
    if session.get_bind().dialect.name == "sqlite":
        session.execute(
            text("CREATE TRIGGER promise AFTER INSERT ON devices BEGIN INSERT INTO promises VALUES (-1); END")
        )
    else:
        session.execute(
            text(
                "CREATE FUNCTION promise() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN INSERT INTO promises VALUES (-1); RETURN NULL; END'"
            )
        )
        session.execute(
            text("CREATE TRIGGER promise AFTER INSERT ON devices FOR EACH ROW EXECUTE FUNCTION promise()")
        )
    session.commit()


def test_a_commit_that_fails_is_not_answered_as_created(office: TestClient, session: Session) -> None:
    fail_at_commit(session)

    answer = office.post("/v1/devices", json=GOOD_DEVICE)

    assert_problem(answer, 500, "unexpected")
    assert "Location" not in answer.headers
    assert written(office) == 0
    assert (
        session.scalar(
            select(func.count()).select_from(RegistryChange).where(RegistryChange.subject == "devices")
        )
        == 0
    )


def test_a_connection_lost_while_committing_is_answered_503(office: TestClient, session: Session) -> None:
    if session.get_bind().dialect.name == "sqlite":
        pytest.skip("an embedded database has no connection to cut")
    session.execute(
        text(
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        )
    )
    session.execute(
        text(
            "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON devices DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION cut()"
        )
    )
    session.commit()

    answer = office.post("/v1/devices", json=GOOD_DEVICE)

    assert_problem(answer, 503, "database-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert written(office) == 0, "and the next request has a fresh connection"


@pytest.mark.one_engine("health checks of a process")
def test_a_server_that_is_about_to_stop_says_so_to_load_balancers_and_answers_the_rest(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "draining"
    with TestClient(app_on(settings.model_copy(update={"drain_file": file}))) as client:
        assert client.get("/healthz").status_code == 200
        file.touch()
        for path in ("/healthz", "/readyz"):
            assert_problem(client.get(path), 503, "draining")
        assert client.get(NEAREST).status_code == 200
        file.unlink()
        assert client.get("/healthz").status_code == 200


# --- unreachable database: PostgreSQL -------------------------------------------------------------------


def down_everywhere(client: TestClient, key: dict[str, str]) -> None:
    """Assert that only the liveness check succeeds and every other response asks the client to retry."""
    for path in (NEAREST, "/v1/devices", "/v1/devices/1", "/v1/estates", "/v1/holidays", "/readyz"):
        answer = client.get(path)
        assert_problem(answer, 503, "database-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert_problem(client.get("/v1/me", headers=key), 503, "database-unavailable")
    assert_problem(client.post("/v1/devices", json=GOOD_DEVICE, headers=key), 503, "database-unavailable")
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/v1/me").status_code == 200, "without a token no query is needed"


def test_a_database_server_that_stops_is_answered_503_and_is_used_again_once_it_is_back(
    prepared_postgres: Path, tmp_path: Path
) -> None:
    with throwaway_server(prepared=prepared_postgres) as server:
        settings = Settings(
            database_url=server.url, walking_network=tmp_path / "none", access_log=False, threads=4
        )
        database = open_database(settings)
        with database.write_sessions.begin() as session:
            make.device(session)
            key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
        database.close()
        with TestClient(app_on(settings), raise_server_exceptions=False) as client:
            assert len(client.get(NEAREST).json()["devices"]) == 1
            assert client.get("/v1/devices", headers=key).status_code == 200

            server.stop()
            down_everywhere(client, key)

            server.start()
            assert client.get("/readyz").status_code == 200
            assert len(client.get(NEAREST).json()["devices"]) == 1
            assert client.post("/v1/devices", json=GOOD_DEVICE, headers=key).status_code == 201

            # A restart between two requests leaves dead connections in the pool.
            for path, method, who, expected in (
                (NEAREST, "GET", {}, 200),
                ("/v1/devices", "GET", {}, 200),
                ("/v1/devices", "POST", key, 201),
                ("/v1/me", "GET", key, 200),
                ("/readyz", "GET", {}, 200),
            ):
                server.stop()
                server.start()
                body = GOOD_DEVICE if method == "POST" else None
                answer = client.request(method, path, headers=who, json=body)
                assert answer.status_code == expected, (method, path, answer.text)


def test_an_unreachable_database_server_is_answered_503(tmp_path: Path) -> None:
    settings = Settings(
        database_url="postgresql+psycopg://aed:x@127.0.0.1:1/aed",
        walking_network=tmp_path / "none",
        access_log=False,
    )
    with TestClient(app_on(settings), raise_server_exceptions=False) as client:
        down_everywhere(client, {"Authorization": "Bearer x"})


def test_a_statement_that_waits_too_long_for_a_lock_is_answered_503(
    session: Session, database_url: str, tmp_path: Path, client_on: Callable[[Settings], TestClient]
) -> None:
    """Another transaction holds the lock that this write needs; readers don't wait."""
    device_id = make.device(session).id
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    client = client_on(
        Settings(
            database_url=database_url,
            walking_network=tmp_path / "none",
            access_log=False,
            lock_timeout_ms=200,
        )
    )
    session.execute(text("UPDATE devices SET maker = 'Held' WHERE id = :id"), {"id": device_id})

    answer = client.patch(
        f"/v1/devices/{device_id}", json={"maker": "Mine"}, headers={**key, "If-Match": '"1"'}
    )

    assert_problem(answer, 503, "database-unavailable")
    assert client.get(f"/v1/devices/{device_id}").json()["maker"] is None
    assert len(client.get(NEAREST).json()["devices"]) == 1
    session.rollback()
    answer = client.patch(
        f"/v1/devices/{device_id}", json={"maker": "Mine"}, headers={**key, "If-Match": '"1"'}
    )
    assert answer.status_code == 200, "once the lock is released"


def test_when_every_connection_is_busy_the_answer_is_503(
    session: Session, database_url: str, tmp_path: Path
) -> None:
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    settings = Settings(
        database_url=database_url,
        walking_network=tmp_path / "none",
        access_log=False,
        threads=1,
        lock_timeout_ms=200,
    )
    application = app_on(settings)
    with TestClient(application, raise_server_exceptions=False) as client, contextlib.ExitStack() as held:
        for _ in range(5):  # one of the pool, and four more
            held.enter_context(application.state.database.engine.connect())
        for path in (NEAREST, "/v1/devices", "/readyz"):
            assert_problem(client.get(path), 503, "database-unavailable")
        assert_problem(client.get("/v1/me", headers=key), 503, "database-unavailable")


def test_idle_connections_above_the_pool_size_are_closed(database_url: str) -> None:
    database = open_database(Settings(database_url=database_url, threads=6), kept=2)
    with contextlib.closing(database), contextlib.ExitStack() as held:
        connections = [held.enter_context(database.autocommit_engine.connect()) for _ in range(6)]
        assert [each.scalar(text("SELECT 1")) for each in connections] == [1] * 6
        raw = [each.connection.driver_connection for each in connections]
        held.close()
        pool = database.engine.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedin() == 2
        assert sum(map(is_open, raw)) == 2


def is_open(connection: Any) -> bool:
    try:
        connection.execute("SELECT 1")
    except (sqlite3.ProgrammingError, psycopg.OperationalError):
        return False
    return True


# --- unreachable database: SQLite -----------------------------------------------------------------------


def on_sqlite(path: Path) -> TestClient:
    settings = Settings(
        database_url=f"sqlite:///{path}", walking_network=path / "none", access_log=False, lock_timeout_ms=200
    )
    return TestClient(app_on(settings), raise_server_exceptions=False)


def test_a_missing_database_file_is_answered_503_with_advice(tmp_path: Path) -> None:
    with on_sqlite(tmp_path / "new" / "aed.sqlite") as client:
        for path in ("/v1/devices", NEAREST, "/readyz"):
            body = assert_problem(client.get(path), 503, "database-unavailable")
            assert "aed db upgrade" in body["detail"]
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("content", [b"this is no database at all, whatever its name says" * 50, b"SQLite"])
def test_a_file_that_is_not_a_database_is_answered_503(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "aed.sqlite"
    path.write_bytes(content)

    with on_sqlite(path) as client:
        down_everywhere(client, {"Authorization": "Bearer x"})


def test_a_folder_in_place_of_the_database_file_is_answered_503(tmp_path: Path) -> None:
    with on_sqlite(tmp_path) as client:
        down_everywhere(client, {"Authorization": "Bearer x"})


def test_a_locked_database_file_is_answered_503_and_read_once_unlocked(
    spatialite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "aed.sqlite"
    path.write_bytes(spatialite_template.read_bytes())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("BEGIN EXCLUSIVE")

    with on_sqlite(path) as client:
        assert_problem(client.get("/v1/devices"), 503, "database-unavailable")
        assert_problem(client.get("/readyz"), 503, "database-unavailable")
        other.execute("COMMIT")
        other.close()
        assert client.get("/v1/devices").status_code == 200
        assert client.get("/readyz").status_code == 200


# --- health and logs ------------------------------------------------------------------------------------


LATE = {
    "apprise",
    "authlib",
    "icalendar",
    "mapbox_vector_tile",
    "opentelemetry.sdk",
    "osmium",
    "PIL",
    "redis",
    "requests",
    "scipy.spatial",
    "typst",
    "xlsxwriter",
}
"""Libraries that few tasks need, 60 MB together, imported on first use."""


def test_a_server_imports_a_heavy_library_only_when_it_is_needed(tmp_path: Path) -> None:
    """Keeps one process with a country's network below 300 MB (`python -m tests.bench lookup`)."""
    started = (
        "import sys; from aed import schedule; from aed.app import create_app; "
        "from aed.settings import load_settings; app = create_app(); "
        "from aed.notifications.channels import channels_of; from aed.worker.loop import Worker; "
        "import aed.jobs; Worker(load_settings(), schedule.TIMETABLE, channels_of(load_settings())); "
        "print(*sys.modules)"
    )
    environment = {**os.environ, "AED_DATABASE_URL": f"sqlite:///{tmp_path / 'aed.sqlite'}"}
    done = subprocess.run(
        [sys.executable, "-c", started], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"aed.app", "aed.jobs", "sqlalchemy"} <= loaded
    assert not loaded & LATE


HEAPS = """
import ctypes, sys, threading
from aed.cli.process import share_heaps

if sys.argv[1] == "True":
    share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
met = threading.Barrier(6)

def take():
    libc.malloc(1_000)
    met.wait()

threads = [threading.Thread(target=take) for _ in range(6)]
for each in threads:
    each.start()
for each in threads:
    each.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.parametrize("shared", [True, False])
def test_the_threads_of_a_server_share_two_malloc_arenas(*, shared: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAPS, str(shared)], capture_output=True, text=True, check=True
    )
    heaps = done.stdout.count("<heap nr=")
    assert heaps == 2 if shared else heaps > 2


def test_the_first_request_does_not_wait_for_a_warm_up(settings: Settings) -> None:
    """FastAPI's parameter adapters are created at start, not during the first request."""
    app = create_app(settings)
    make_routes_ready(app)
    client = TestClient(app)
    before = {id(each): each for each in gc.get_objects() if type(each) is TypeAdapter}
    assert client.get("/nothing/here").status_code == 404
    assert client.get("/healthz").status_code == 200
    made = [each for each in gc.get_objects() if type(each) is TypeAdapter and id(each) not in before]
    assert made == []


def test_readiness_reports_whether_walking_times_come_from_a_network(client: TestClient) -> None:
    ready = {"status": "ok", "version": __version__, "walking": "straight lines only", "warnings": []}
    assert client.get("/readyz").json() == ready


LOGGING = """
import logging, sys
from fastapi.testclient import TestClient
from aed.app import create_app
from aed.logs import set_up_logs
from aed.settings import load_settings

set_up_logs(load_settings())
logging.getLogger("httpx2").setLevel(logging.WARNING)
app = create_app()

@app.get("/broken")
def broken() -> None:
    sent = "aed_secret"
    raise RuntimeError("it broke")

with TestClient(app, raise_server_exceptions=False) as client:
    for path in sys.argv[1:]:
        client.get(path, headers={"Authorization": "Bearer aed_secret"})
"""


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_each_request_is_logged_in_one_line_without_patient_positions_or_keys(
    tmp_path: Path, form: LogFormat
) -> None:
    """Runs in a separate process, because logging is configured once per process."""
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, NEAREST, "/nothing", "/broken"],
        env={
            **os.environ,
            "AED_DATABASE_URL": f"sqlite:///{tmp_path}/aed.sqlite",
            "AED_WALKING_NETWORK": str(tmp_path / "none"),
            "AED_LOG_FORMAT": str(form),
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == ""
    assert str(PATIENT.lat) not in done.stderr
    assert "aed_secret" not in done.stderr
    assert "it broke" in done.stderr, "the details of an internal error are only logged"
    if form is LogFormat.JSON:
        output = [json.loads(line) for line in done.stderr.splitlines()]
        lines = [line for line in output if line["event"] == "request"]
        assert [(line["method"], line["path"], line["status"]) for line in lines] == [
            ("GET", "/v1/nearest", 503),
            ("GET", "/…", 404),
            ("GET", "/broken", 500),
        ]
        assert all(line["ms"] >= 0 and line["timestamp"] for line in output if "ms" in line)
    else:
        assert len(re.findall(r"\] request  +method=", done.stderr)) == 3
