"""Every request is answered in time, whatever the database server does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import make_url, text
from tests import make
from tests.apps import app_on
from tests.make import PATIENT
from tests.throwaway_postgres import Server, throwaway_server
from tests.waiting import eventually

from aed.accounts.permissions import TokenRole
from aed.database.postgres import connect_in_time
from aed.database.session import open_database, read_session
from aed.deadlines import answer_within, seconds_left
from aed.errors import DatabaseUnavailable
from aed.http.connections import protocol_for
from aed.settings import Settings

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"
DEVICE = {"region": "CN-33", "position": {"lat": PATIENT.lat, "lon": PATIENT.lon}}
PATIENCE_SECONDS = 60.0
"""Without a deadline, the requests of these tests would wait for longer than this."""

type Key = Mapping[str, str]


@pytest.fixture(scope="module")
def server(prepared_postgres: Path) -> Iterator[Server]:
    """Yield a server with the schema, whose commits can be made to wait for a standby."""
    with throwaway_server(
        {"synchronous_commit": "on", "wal_level": "replica", "max_wal_senders": "4"}, prepared_postgres
    ) as server:
        database = open_database(Settings(database_url=server.url))
        with database.write_sessions.begin() as session:
            make.device(session)
        database.close()
        yield server


def settings_for(url: str, *, answer_seconds: float = 3.5) -> Settings:
    return Settings(
        database_url=url,
        walking_network=Path("none"),
        access_log=False,
        threads=4,
        answer_seconds=answer_seconds,
        statement_timeout_ms=600_000,
        lock_timeout_ms=600_000,
    )


@pytest.fixture
def key(server: Server) -> Key:
    database = open_database(settings_for(server.url))
    with database.write_sessions.begin() as session:
        made: Key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    database.close()
    return made


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(app_on(settings_for(server.url)), raise_server_exceptions=False) as client:
        yield client


def given(ask: Callable[[], Any]) -> Any:
    """Return the answer to a request that is repeated while a busy machine uses up its time."""
    answers: list[Any] = []

    def is_given() -> bool:
        answers.append(ask())
        return bool(answers[-1].status_code != 503)

    assert eventually(is_given), answers[-1].text
    return answers[-1]


def run(server: Server, *statements: str) -> None:
    plain = make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def assert_unavailable(answer: Any) -> str:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    detail: str = answer.json()["detail"]
    return detail


def test_a_frozen_server_is_answered_503_in_time_and_is_used_again_once_it_goes_on(
    server: Server, client: TestClient, key: Key
) -> None:
    assert given(lambda: client.get(NEAREST)).status_code == 200
    assert given(lambda: client.get("/v1/devices", headers=key)).status_code == 200
    asked: list[tuple[str, str]] = [("GET", NEAREST), ("GET", "/readyz"), ("POST", "/v1/devices")] * 8

    with server.frozen(), ThreadPoolExecutor(len(asked)) as pool:
        started = time.monotonic()
        waiting = [
            pool.submit(client.request, method, path, headers=key, json=DEVICE if method == "POST" else None)
            for method, path in asked
        ]
        assert client.get("/healthz").status_code == 200
        assert not all(each.done() for each in waiting), "health does not wait for them"
        for each in waiting:
            assert_unavailable(each.result())
        assert time.monotonic() - started < PATIENCE_SECONDS, "three times as many as threads, side by side"

    assert eventually(lambda: client.get(NEAREST).status_code == 200)
    assert eventually(lambda: client.get("/readyz").status_code == 200)
    assert given(lambda: client.post("/v1/devices", json=DEVICE, headers=key)).status_code == 201


def test_a_pooled_connection_that_is_taken_after_the_deadline_is_unavailable(server: Server) -> None:
    database = open_database(settings_for(server.url))
    with read_session(database) as session:
        session.execute(text("SELECT 1"))

    with answer_within(0), pytest.raises(DatabaseUnavailable), read_session(database) as session:
        session.execute(text("SELECT 1"))

    with read_session(database) as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()


def test_a_commit_that_waits_is_answered_503_and_a_repetition_with_the_key_counts_once(
    server: Server, client: TestClient, key: Key
) -> None:
    device_id = given(lambda: client.post("/v1/devices", json=DEVICE, headers=key)).json()["id"]
    path = f"/v1/devices/{device_id}/checks"
    sent: list[dict[str, Any]] = []
    details: list[str] = []

    def waits() -> bool:
        """Send a new check, or the last one again if its time was used up before the commit."""
        if not sent or not details:
            sent.append({"key": str(uuid.uuid4()), "answers": {"status_light": True, "pads_in_date": True}})
        answer = client.post(path, json=sent[-1], headers=key)
        details[:] = [assert_unavailable(answer)] if answer.status_code != 200 else []
        return "with the same key" in "".join(details)

    run(server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    try:
        assert eventually(waits), "once the server has read its configuration"
        assert given(lambda: client.get(NEAREST)).status_code == 200, "reading goes on"
    finally:
        run(server, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")

    def counted() -> int:
        return len(given(lambda: client.get(path, headers=key)).json()["checks"])

    assert eventually(lambda: counted() == len(sent)), "nothing cancelled it"
    assert given(lambda: client.post(path, json=sent[-1], headers=key)).status_code == 200
    assert counted() == len(sent)


def test_a_server_that_became_read_only_is_answered_503_and_its_connections_are_dropped(
    server: Server, key: Key
) -> None:
    app = app_on(settings_for(server.url))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert given(lambda: client.post("/v1/devices", json=DEVICE, headers=key)).status_code == 201
        with read_session(app.state.database) as session:
            before = session.scalar(text("SELECT pg_backend_pid()"))
        run(server, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        try:
            assert eventually(lambda: client.post("/v1/devices", json=DEVICE, headers=key).status_code != 201)
            assert_unavailable(client.post("/v1/devices", json=DEVICE, headers=key))
            assert given(lambda: client.get(NEAREST)).status_code == 200
        finally:
            run(
                server,
                "SET default_transaction_read_only = off",
                "ALTER SYSTEM RESET default_transaction_read_only",
                "SELECT pg_reload_conf()",
            )
        assert eventually(lambda: client.post("/v1/devices", json=DEVICE, headers=key).status_code == 201)
        with read_session(app.state.database) as session:
            assert session.scalar(text("SELECT pg_backend_pid()")) != before


@pytest.mark.parametrize("code", ["08006", "25006", "40001", "40P01", "57014", "57P03"])
def test_errors_that_pass_are_database_unavailable(server: Server, code: str) -> None:
    database = open_database(settings_for(server.url))
    with (
        contextlib.closing(database),
        pytest.raises(DatabaseUnavailable),
        read_session(database) as session,
    ):
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"))


def test_a_server_that_accepts_connections_and_stays_silent_is_answered_503_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://aed:x@127.0.0.1:{silent.getsockname()[1]}/aed"
        with TestClient(app_on(settings_for(url)), raise_server_exceptions=False) as client:
            started = time.monotonic()
            assert_unavailable(client.get(NEAREST))
            assert_unavailable(client.get("/v1/me", headers={"Authorization": "Bearer x"}))
            assert time.monotonic() - started < PATIENCE_SECONDS


def test_connecting_ends_at_the_deadline_also_before_the_two_seconds_that_psycopg_takes_at_least() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {"host": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout": 3600}
        with answer_within(0.3), pytest.raises(psycopg.OperationalError, match="before the deadline"):
            connect_in_time(options, max_silence_seconds=3600)


def test_work_after_the_response_has_no_deadline() -> None:
    with answer_within(0.0) as deadline:
        assert seconds_left() == 0.0
        deadline.lift()
        assert seconds_left() is None


def test_too_many_connections_are_answered_with_a_problem_document() -> None:
    config = uvicorn.Config(
        app_on(settings_for("postgresql+psycopg://aed:x@127.0.0.1:1/aed")),
        http=protocol_for(Settings()),
        limit_concurrency=1,  # the request itself is one
        port=0,
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]

    answer = httpx2.get(f"http://127.0.0.1:{port}/healthz")

    server.should_exit = True
    thread.join()
    assert_unavailable(answer)
    assert answer.headers["Connection"] == "close"
