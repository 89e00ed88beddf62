"""Lookups read from standbys: how old their data may be, and who answers when a server is lost."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, make_url, select
from tests import make
from tests.apps import app_on
from tests.http.test_deadlines import DEVICE, NEAREST, Key, assert_unavailable, run
from tests.throwaway_postgres import Server as PostgresServer
from tests.throwaway_postgres import throwaway_server
from tests.waiting import eventually

from aed.accounts.permissions import TokenRole
from aed.database.failover import FailoverWatch
from aed.database.session import open_database
from aed.database.standby_requests import LAG_HEADER
from aed.database.standbys import Server, ServerState, ServerStates, StandbyReads
from aed.deadlines import answer_within
from aed.errors import InvalidInput
from aed.registry.devices.models import Device
from aed.settings import Settings
from aed.worker.loop import Worker
from aed.worker.models import Lease

MAX_LAG_SECONDS = 3.0
NOW = 1000.0
PRIMARY = ServerState(at=NOW, in_recovery=False, timeline=1, lag_seconds=0.3)
STANDBY = ServerState(at=NOW, in_recovery=True, timeline=1, lag_seconds=0.4)


# --- rules ----------------------------------------------------------------------------------------------


def states(primary: ServerState | None = PRIMARY, standby: ServerState | None = STANDBY) -> ServerStates:
    return ServerStates().noting(Server.PRIMARY, primary).noting(Server.STANDBY, standby)


def chosen(known: ServerStates, *, later: float = 0.0) -> Server:
    return known.choose(NOW + later, max_lag_seconds=MAX_LAG_SECONDS)


def state(known: ServerState, **changes: float | bool) -> ServerState:
    return ServerState(
        **{**{name: getattr(known, name) for name in ServerState.__dataclass_fields__}, **changes}
    )


def test_a_standby_answers_unless_its_data_is_too_old() -> None:
    assert chosen(states()) is Server.STANDBY
    assert chosen(states(standby=state(STANDBY, lag_seconds=3.1))) is Server.PRIMARY
    assert chosen(states(standby=None)) is Server.PRIMARY
    assert chosen(ServerStates()) is Server.PRIMARY, "before any server has said where it stands"


def test_a_standby_answers_on_when_the_primary_no_longer_writes() -> None:
    assert chosen(states(primary=None, standby=state(STANDBY, lag_seconds=600.0))) is Server.STANDBY
    silent = state(PRIMARY, lag_seconds=2.1)
    assert not states(primary=silent).is_primary_confirmed(NOW)
    assert chosen(states(primary=silent, standby=state(STANDBY, lag_seconds=600.0))) is Server.STANDBY


def test_a_cached_server_state_expires_soon() -> None:
    assert not states().is_primary_confirmed(NOW + 1.8)
    assert chosen(states(), later=1.9) is Server.STANDBY
    assert chosen(states(), later=2.1) is Server.PRIMARY, "neither has said anything since"


def test_a_deposed_primary_is_known_by_its_timeline() -> None:
    successor = state(STANDBY, in_recovery=False, timeline=2, lag_seconds=60.0)
    known = states(standby=successor)

    assert not known.is_primary_confirmed(NOW), "although it writes"
    assert not known.is_of_primary(PRIMARY)
    assert chosen(known) is Server.STANDBY, "which is the primary now"
    assert chosen(states(standby=state(successor, timeline=1))) is Server.PRIMARY, "the same server"


def test_a_primary_that_cannot_write_is_trusted_while_new_connections_lead_to_it() -> None:
    waiting = state(PRIMARY, lag_seconds=30.0)
    known = replace(states(primary=waiting), newest_connection=waiting)

    assert not known.is_primary_confirmed(NOW)
    assert known.is_trusted_primary(state(waiting, at=NOW + 0.9))
    assert not known.is_trusted_primary(state(waiting, at=NOW + 1.1))
    assert not known.is_trusted_primary(replace(waiting, server_id="another"))
    assert not states(primary=waiting).is_trusted_primary(waiting), "an old connection alone"
    assert states().is_trusted_primary(PRIMARY), "it writes"


def test_sqlite_has_no_standbys(tmp_path: Path) -> None:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/aed.sqlite", database_read_url="postgresql://127.0.0.1/aed"
    )
    with pytest.raises(InvalidInput, match="a SQLite database has none"):
        app_on(settings)


# --- servers --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def primary(prepared_postgres: Path) -> Iterator[PostgresServer]:
    with throwaway_server(
        {"wal_level": "replica", "max_wal_senders": "8", "wal_keep_size": "64MB"}, prepared_postgres
    ) as server:
        database = open_database(Settings(database_url=server.url))
        with database.write_sessions.begin() as session:
            make.device(session)
        database.close()
        yield server


@pytest.fixture
def key(primary: PostgresServer) -> Key:
    database = open_database(Settings(database_url=primary.url))
    with database.write_sessions.begin() as session:
        made: Key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    database.close()
    return made


@pytest.fixture
def standby(primary: PostgresServer, key: Key) -> Iterator[PostgresServer]:
    del key  # the standby has it from the beginning
    with primary.standby() as server:
        yield server


@pytest.fixture
def client(primary: PostgresServer, standby: PostgresServer) -> Iterator[TestClient]:
    settings = Settings(
        database_url=primary.url,
        database_read_url=standby.url,
        max_replication_lag_seconds=MAX_LAG_SECONDS,
        walking_network=Path("none"),
        access_log=False,
        threads=4,
        answer_seconds=4.5,
    )
    with TestClient(app_on(settings), raise_server_exceptions=False) as client:
        assert eventually(lambda: is_from_standby(client)), "once it has said where it stands"
        yield client


def lag(client: TestClient) -> float | None:
    """Return the lag that a lookup says, None from the primary; -1 if it is not answered."""
    answer = client.get(NEAREST)
    if answer.status_code != 200:
        assert_unavailable(answer)
        return -1.0
    said = answer.headers.get(LAG_HEADER)
    return None if said is None else float(said)


def is_from_standby(client: TestClient) -> bool:
    found = lag(client)
    return found is not None and found >= 0


def is_from_primary(client: TestClient) -> bool:
    return lag(client) is None


@contextmanager
def asking(client: TestClient) -> Iterator[list[float]]:
    """Look up all the time within the block; yield the moments of the answers."""
    answered, ended = [time.monotonic()], threading.Event()

    def ask() -> None:
        while not ended.wait(0.02):
            if client.get(NEAREST).status_code == 200:
                answered.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        yield answered
    finally:
        ended.set()
        for each in threads:
            each.join()
        moments = sorted(answered)
        gap = max(later - earlier for earlier, later in pairwise(moments))
        print(f"longest gap {gap:.2f} s")  # noqa: T201 - shown by `pytest -s`


def test_a_client_reads_its_own_write_at_once(client: TestClient, key: Key, standby: PostgresServer) -> None:
    run(standby, "SELECT pg_wal_replay_pause()")
    before = len(client.get(NEAREST, headers=key).json()["devices"])

    assert client.post("/v1/devices", json=DEVICE, headers=key).status_code == 201

    assert LAG_HEADER not in client.get(NEAREST).headers, "with the cookie"
    client.cookies.clear()
    assert LAG_HEADER in client.get(NEAREST).headers, "another caller"
    assert len(client.get(NEAREST, headers=key).json()["devices"]) == before + 1
    assert LAG_HEADER not in client.get(NEAREST, headers={"Cache-Control": "no-cache"}).headers


def test_a_standby_whose_replay_is_paused_answers_no_longer_than_the_limit(
    client: TestClient, standby: PostgresServer
) -> None:
    run(standby, "SELECT pg_wal_replay_pause()")
    said: list[float] = []

    def is_over() -> bool:
        found = lag(client)
        said.append(found or 0.0)
        return found is None

    assert eventually(is_over), "the primary answers in its place"
    assert 0 < max(said) <= MAX_LAG_SECONDS
    run(standby, "SELECT pg_wal_replay_resume()")
    assert eventually(lambda: is_from_standby(client)), "once it has caught up"


def test_the_primary_answers_while_the_standby_is_frozen_and_after_it_is_lost(
    client: TestClient, standby: PostgresServer
) -> None:
    with asking(client), standby.frozen():
        assert eventually(lambda: is_from_primary(client))
    assert eventually(lambda: is_from_standby(client))

    with asking(client):
        standby.kill()
        assert eventually(lambda: is_from_primary(client))


def test_the_standby_answers_on_without_a_primary(
    client: TestClient, primary: PostgresServer, key: Key
) -> None:
    with asking(client), primary.frozen():
        assert eventually(lambda: (lag(client) or 0) > MAX_LAG_SECONDS), "longer than the limit"
        assert client.get(NEAREST, headers={"Cache-Control": "no-cache"}).status_code == 200
        assert client.get(NEAREST, headers=key).status_code == 200, "a token, too"

    with asking(client):
        primary.kill()
        try:
            assert eventually(lambda: (lag(client) or 0) > MAX_LAG_SECONDS)
        finally:
            primary.start()
    assert eventually(lambda: 0 <= (lag(client) or 0) < MAX_LAG_SECONDS)


def test_a_read_tries_the_standby_when_the_primary_accepts_no_connection(standby: PostgresServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(
            database_url=f"postgresql+psycopg://aed:x@127.0.0.1:{silent.getsockname()[1]}/aed",
            database_read_url=standby.url,
        )
        database = open_database(settings)
        reads = StandbyReads(settings, database, FailoverWatch(settings))  # nothing is known of either
        assert reads.server() is Server.PRIMARY

        with answer_within(60), reads.engine.connect() as connection:
            assert connection.scalar(select(func.pg_is_in_recovery()))
        assert reads.server() is Server.STANDBY, "the next read begins there"
        reads.close()
        database.close()


def test_a_deposed_primary_does_not_answer(client: TestClient, standby: PostgresServer, key: Key) -> None:
    before = len(client.get(NEAREST).json()["devices"])
    assert client.get("/v1/devices", headers=key).status_code == 200, "on a connection that is kept"
    standby.promote()
    database = open_database(Settings(database_url=standby.url))
    with database.write_sessions.begin() as session:
        make.device(session)
    database.close()

    assert eventually(lambda: len(client.get(NEAREST).json()["devices"]) == before + 1)
    with asking(client):
        for _ in range(50):
            assert len(client.get(NEAREST).json()["devices"]) == before + 1
            assert not is_from_primary(client)
    assert eventually(lambda: client.get("/v1/devices", headers=key).status_code != 200)
    assert_unavailable(client.get("/v1/devices", headers=key))
    assert_unavailable(client.post("/v1/devices", json=DEVICE, headers=key))

    standby.kill()
    assert eventually(lambda: lag(client) == -1.0)
    assert not eventually(lambda: lag(client) != -1.0, seconds=1.0), "rather none than the old primary's"


# --- several servers in one URL -------------------------------------------------------------------------


def url_of_both(first: PostgresServer, second: PostgresServer) -> str:
    """Return a URL with two servers, of which libpq takes the first that accepts writes."""
    url = make_url(first.url)
    hosts = [f"{url.host}:{each.port}" for each in (first, second)]
    query = {"host": hosts, "target_session_attrs": "read-write"}
    return url.set(host=None, port=None, query=query).render_as_string(hide_password=False)


def test_without_standbys_for_reads_a_process_moves_to_the_new_primary(
    primary: PostgresServer, standby: PostgresServer, key: Key
) -> None:
    settings = Settings(
        database_url=url_of_both(primary, standby),
        walking_network=Path("none"),
        access_log=False,
        threads=4,
    )
    with TestClient(app_on(settings), raise_server_exceptions=False) as client:
        before = len(client.get(NEAREST).json()["devices"])
        standby.promote()
        database = open_database(Settings(database_url=standby.url))
        with database.write_sessions.begin() as session:
            make.device(session)
        database.close()

        assert eventually(lambda: len(client.get(NEAREST).json()["devices"]) == before + 1)
        for _ in range(50):
            assert len(client.get(NEAREST).json()["devices"]) == before + 1, "never again the old primary's"
        assert client.post("/v1/devices", json=DEVICE, headers=key).status_code == 201
    assert devices_of(standby) == devices_of(primary) + 2, "both were added at the successor"


def devices_of(server: PostgresServer) -> int:
    database = open_database(Settings(database_url=server.url))
    with database.write_sessions() as session:
        found = session.scalar(select(func.count()).select_from(Device))
    database.close()
    assert found is not None
    return found


def test_a_worker_renews_its_lease_at_the_new_primary(
    primary: PostgresServer, standby: PostgresServer
) -> None:
    database = open_database(Settings(database_url=standby.url))

    def renewed_at() -> datetime | None:
        with database.read_sessions() as session:
            return session.scalar(select(func.max(Lease.expires_at)))

    worker = Worker(Settings(database_url=url_of_both(primary, standby)), [], {})
    worker.start()
    try:
        assert eventually(lambda: worker.acts and renewed_at() is not None)
        standby.promote()
        first = renewed_at()
        assert first is not None
        assert eventually(lambda: (renewed_at() or first) > first, seconds=30), "at the successor"
    finally:
        worker.stop()
        database.close()
