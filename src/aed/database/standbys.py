"""Reads that may be a little old go to a standby of PostgreSQL, and back to the primary when it lags.

The primary renews one row, the heartbeat, twice a second, through every API process. Wherever a connection
leads, the age of this row is the age of the data there at most, also on a standby whose replay is paused and
on a primary that was deposed without noticing. Its timeline tells a deposed primary from its successor:
PostgreSQL increments it at each promotion.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog
from sqlalchemy import CheckConstraint, Engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from aed.database.encryption.columns import register_keyring
from aed.database.failover import FailoverWatch, timeline_in
from aed.database.session import (
    POSTGRESQL_DRIVERS,
    Database,
    connect_options,
    max_silence_seconds,
    postgresql_engine,
)
from aed.database.types import Table
from aed.deadlines import answer_within, seconds_left
from aed.errors import InvalidInput
from aed.settings import Settings

log = structlog.get_logger("aed")

HEARTBEAT_SECONDS: Final = 0.5
"""Time between two looks at each server, and the time for which a connection is trusted."""
CONFIRMED_SECONDS: Final = 2.0
"""Time without a heartbeat after which a server no longer counts as reachable. It is shorter than every lag
limit, so that a dead primary is known before the standby's data becomes too old."""
NEW_SECONDS: Final = 1.0
"""Time for which a new connection shows where the primary's URL leads, for others that lead there, too. Where
commits wait because there is no standby, no heartbeat can show it."""
HEARD_SECONDS: Final = 1.0
"""Time since a server's last word after which a new connection to it is doubted."""
CHECK_SECONDS: Final = 0.5
"""Time within which a server says where it stands."""
REPEATABLE_SECONDS: Final = 0.8
"""Time that a lookup gives a standby before it is repeated elsewhere."""
CONNECT_SECONDS: Final = 2.0
"""Time to open a connection to a server."""
DOUBTED_SECONDS: Final = 0.6
"""The same for a server that is doubted: the other one is tried before this one gets more time."""
KEPT_SECONDS: Final = 10.0
"""Time for which a connection to the primary is used, also when a standby could answer again. After a
failover all processes are busy with opening connections: to open each of them twice would delay lookups."""
WATCH_SECONDS: Final = 2.5
"""Deadline of one look at a server."""

_STATE: Final = """
    SELECT timeline, CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END,
        extract(epoch FROM clock_timestamp() - at)::float8,
        concat(inet_server_addr(), '/', inet_server_port(), '/', pg_postmaster_start_time())
    FROM replication_heartbeat
"""
# Skip the row if another process is renewing it: its age shows whether that succeeds.
_RENEW: Final = """
    UPDATE replication_heartbeat
    SET at = clock_timestamp(),
        timeline = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
    WHERE id IN (
        SELECT id FROM replication_heartbeat
        WHERE at NOT BETWEEN clock_timestamp() - interval '0.4 s' AND clock_timestamp()
        FOR UPDATE SKIP LOCKED
    )
"""


class ReplicationHeartbeat(Table):
    """The moment at which the primary last wrote this one row, and the primary's timeline."""

    __tablename__ = "replication_heartbeat"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    timeline: Mapped[int]


class Server(StrEnum):
    """Which of the two URLs a connection follows."""

    PRIMARY = "primary"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server said of itself at a moment of the monotonic clock."""

    at: float
    in_recovery: bool
    timeline: int
    lag_seconds: float
    server_id: str = ""
    """Address, port and start of the server."""

    def lag_at(self, now: float) -> float:
        """Return the greatest age that the server's data can have, in seconds."""
        return self.lag_seconds + (now - self.at)


@dataclass(frozen=True, slots=True)
class ServerStates:
    """What is known of both servers; None for one that does not answer."""

    primary: ServerState | None = None
    standby: ServerState | None = None
    primary_timeline: int = 0
    """The last known timeline of the server at the primary's URL."""
    newest_connection: ServerState | None = None
    """The primary to which the newest connection was opened."""
    newest_timeline: int = 0

    def noting(self, server: Server, state: ServerState | None) -> ServerStates:
        """Return what is known after a server has answered, or has not."""
        newest = self.newest_timeline if state is None else max(self.newest_timeline, state.timeline)
        if server is Server.STANDBY:
            return replace(self, standby=state, newest_timeline=newest)
        timeline = self.primary_timeline if state is None else state.timeline
        return replace(self, primary=state, primary_timeline=timeline, newest_timeline=newest)

    def is_primary_confirmed(self, now: float) -> bool:
        """True if the primary has written within the last two seconds, and nobody succeeded it."""
        return (
            self.primary is not None
            and self.primary.lag_at(now) <= CONFIRMED_SECONDS
            and self.is_of_primary(self.primary)
        )

    def is_trusted_primary(self, state: ServerState) -> bool:
        """True for the state of a primary that writes, or to which a connection was opened just before.

        Others may be of a primary that was deposed and has not noticed.
        """
        if self.is_primary_confirmed(state.at):
            return True
        newest = self.newest_connection
        return (
            newest is not None and newest.server_id == state.server_id and state.at - newest.at <= NEW_SECONDS
        )

    def is_heard_from(self, server: Server, now: float) -> bool:
        """True if the server has said within the last second where it stands."""
        state = self.primary if server is Server.PRIMARY else self.standby
        return state is not None and now - state.at <= HEARD_SECONDS

    def is_of_primary(self, state: ServerState) -> bool:
        """True for the state of a primary that was not deposed."""
        return not state.in_recovery and state.timeline >= self.newest_timeline

    def is_of_standby(self, state: ServerState) -> bool:
        """True for the state of a standby, or of one that has just succeeded the primary."""
        return state.in_recovery or 0 < self.primary_timeline < state.timeline

    def choose(self, now: float, *, max_lag_seconds: float) -> Server:
        """Return the server that answers a read.

        1. A standby whose data is new enough.
        2. The primary, if it is known to write.
        3. A standby whose data is older: there is no primary, so nobody can write newer data.
        4. Otherwise the primary, if a new connection leads there.
        """
        standby = self.standby
        is_standby_there = (
            standby is not None and now - standby.at <= CONFIRMED_SECONDS and self.is_of_standby(standby)
        )
        if is_standby_there and standby is not None and standby.lag_at(now) <= max_lag_seconds:
            return Server.STANDBY
        if is_standby_there and not self.is_primary_confirmed(now):
            return Server.STANDBY
        return Server.PRIMARY


@dataclass
class ReplicationLag:
    """The age of the data that the current request has read from standbys; None without any."""

    seconds: float | None = None


_lag_of_request: ContextVar[ReplicationLag | None] = ContextVar("replication_lag", default=None)


@contextmanager
def measuring_lag() -> Iterator[ReplicationLag]:
    """Collect the replication lag of the reads in the block, and in the threads and tasks that it starts."""
    lag = ReplicationLag()
    token = _lag_of_request.set(lag)
    try:
        yield lag
    finally:
        _lag_of_request.reset(token)


class StandbyReads:
    """A database whose reads go to the standbys.

    Two threads watch the servers between `start` and `close`.
    """

    def __init__(self, settings: Settings, primary: Database, failover: FailoverWatch) -> None:
        """Prepare the engine, without connecting yet. Raises InvalidInput if the URL is invalid."""
        try:
            url = make_url(settings.database_read_url or "")
        except (ArgumentError, ValueError) as error:  # ValueError: the port is not a number
            raise InvalidInput(
                "AED_DATABASE_READ_URL is not a database URL.", field="AED_DATABASE_READ_URL"
            ) from error
        if url.drivername not in POSTGRESQL_DRIVERS:
            raise InvalidInput(
                "AED_DATABASE_READ_URL must begin with postgresql+psycopg://.", field="AED_DATABASE_READ_URL"
            )
        self._max_lag_seconds = settings.max_replication_lag_seconds
        self._max_silence_seconds = max_silence_seconds(settings)
        self._options = {
            Server.PRIMARY: connect_options(primary.engine.url, settings),
            Server.STANDBY: connect_options(url, settings),
        }
        self._failover = failover
        self._states = ServerStates()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        engine = postgresql_engine(primary.engine.url, settings, prepare=self._listen)
        register_keyring(engine.dialect, primary.keys)
        autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.engine = engine
        self.database = replace(
            primary,
            autocommit_engine=autocommit,
            read_sessions=sessionmaker(**{**primary.read_sessions.kw, "bind": autocommit}),
        )
        """The database of a request that may read from standbys; it writes to the primary."""

    def start(self) -> None:
        """Start to watch the servers; until the first answers, the primary answers reads."""
        for server in Server:
            thread = threading.Thread(
                target=self._watch, args=(server,), name=f"aed-{server}-watch", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * WATCH_SECONDS)
        self.engine.dispose()

    def server(self) -> Server:
        """Return the server that answers reads now."""
        return self._states.choose(time.monotonic(), max_lag_seconds=self._max_lag_seconds)

    def is_primary_confirmed(self) -> bool:
        return self._states.is_primary_confirmed(time.monotonic())

    def _note(self, server: Server, state: ServerState | None) -> None:
        if state is not None:
            self._failover.note(state.timeline)
        with self._lock:
            known = replace(self._states, newest_timeline=self._failover.newest_timeline)
            self._states = known.noting(server, state)

    def _watch(self, server: Server) -> None:
        """Ask the server twice a second where it stands; let the primary renew the heartbeat before."""
        import psycopg  # SQLite does not need the driver

        connection: Any = None
        was_answering = True
        while not self._stopped.is_set():
            try:
                with answer_within(WATCH_SECONDS):
                    connection = connection or self._connect(server)
                    connection.autocommit = True
                    if server is Server.PRIMARY:
                        connection.execute(_RENEW)
                state = _state_of(connection)
            except psycopg.Error as error:
                if was_answering:
                    log.warning("database server does not answer", server=server, reason=str(error))
                if connection is not None:
                    connection.close()
                connection, state = None, None
            self._note(server, state)
            was_answering = state is not None
            self._stopped.wait(HEARTBEAT_SECONDS)
        if connection is not None:
            connection.close()

    def _connect(self, server: Server) -> Any:
        from aed.database.postgres import connect_in_time  # SQLite does not need the driver

        return connect_in_time(self._options[server], max_silence_seconds=self._max_silence_seconds)

    def _listen(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._open)
        event.listen(engine, "checkout", self._check)
        event.listen(engine, "invalidate", self._note_lost)

    def _open(self, _dialect: Dialect, entry: ConnectionPoolEntry, _arguments: Any, _options: Any) -> Any:
        """Connect to the server that answers reads; to the other one if that fails or takes long."""
        import psycopg  # SQLite does not need the driver

        first = self.server()
        others = [each for each in Server if each is not first]
        failures: list[psycopg.Error] = []
        for is_last_time in (False, True):
            for server in (first, *others):
                is_known = self._states.is_heard_from(server, time.monotonic())
                seconds = CONNECT_SECONDS if is_known or is_last_time else DOUBTED_SECONDS
                try:
                    connection, state = self._connect_within(seconds, server)
                except psycopg.Error as error:
                    failures.append(error)
                    self._note(server, None)
                else:
                    self._note(server, state)
                    entry.info.update(server=server, state=state, opened_at=state.at)
                    if server is Server.PRIMARY:
                        with self._lock:
                            self._states = replace(self._states, newest_connection=state)
                    return connection
        raise failures[-1]

    def _connect_within(self, seconds: float, server: Server) -> tuple[Any, ServerState]:
        """Return a connection and its server's state. Raises psycopg.Error, also if it may not answer."""
        import psycopg  # SQLite does not need the driver

        left = seconds_left()
        with answer_within(seconds if left is None else min(left, seconds)):
            connection = self._connect(server)
            if server is Server.STANDBY:
                connection.max_repeatable_seconds = REPEATABLE_SECONDS
            state = _state_of(connection)
        if self._may_answer(server, state):
            return connection, state
        connection.close()
        raise psycopg.OperationalError(f"the {server} is another server now, or its data is too old")

    def _check(
        self, connection: DBAPIConnection, entry: ConnectionPoolEntry, _lent: PoolProxiedConnection
    ) -> None:
        """Check that a connection is still where it believes; otherwise let the pool open another one."""
        import psycopg  # SQLite does not need the driver

        server, state, now = entry.info["server"], entry.info["state"], time.monotonic()
        if now - state.at > HEARTBEAT_SECONDS or not self._may_answer(server, state):
            if not self._is_wanted(server, opened_at=entry.info["opened_at"]):
                raise DisconnectionError  # without asking: a server that was lost would not answer
            try:
                state = entry.info["state"] = _state_of(connection)
            except psycopg.Error as error:
                self._note(server, None)
                raise DisconnectionError from error
            self._note(server, state)
            is_trusted = server is Server.STANDBY or self._states.is_trusted_primary(state)
            if not is_trusted or not self._may_answer(server, state):
                raise DisconnectionError
        lag = _lag_of_request.get()
        if server is Server.STANDBY and lag is not None:
            lag.seconds = max(lag.seconds or 0.0, state.lag_at(time.monotonic()))

    def _is_wanted(self, server: Server, *, opened_at: float) -> bool:
        """True for a connection to the server that answers reads, and to the primary for a while."""
        if self.server() is server:
            return True
        is_kept = server is Server.PRIMARY and time.monotonic() - opened_at < KEPT_SECONDS
        return is_kept and self.is_primary_confirmed()

    def _may_answer(self, server: Server, state: ServerState) -> bool:
        states, now = self._states.noting(server, state), time.monotonic()
        if server is Server.PRIMARY:
            return states.is_of_primary(state)
        is_new_enough = state.lag_at(now) <= self._max_lag_seconds
        return states.is_of_standby(state) and (is_new_enough or not states.is_primary_confirmed(now))

    def _note_lost(
        self, _connection: DBAPIConnection, entry: ConnectionPoolEntry, error: BaseException | None
    ) -> None:
        if error is not None and not isinstance(error, DisconnectionError):  # that is of `_check`
            self._note(entry.info["server"], None)


def _state_of(connection: Any) -> ServerState:
    """Ask a server where it stands. Raises psycopg.Error, also if it does not say so soon."""
    import psycopg  # SQLite does not need the driver

    left = seconds_left()
    asked_at = time.monotonic()
    with answer_within(CHECK_SECONDS if left is None else min(left, CHECK_SECONDS)):
        row = connection.execute(_STATE).fetchone()
        if not connection.autocommit:
            connection.rollback()
    if row is None:
        raise psycopg.OperationalError("the heartbeat is missing")
    timeline, wal_file, lag_seconds, server_id = row
    if wal_file is not None:  # a primary: the name begins with its own timeline
        timeline = timeline_in(wal_file)
    return ServerState(asked_at, wal_file is None, timeline, max(0.0, lag_seconds), server_id)


def standby_reads(settings: Settings, primary: Database, failover: FailoverWatch) -> StandbyReads | None:
    """Return the standbys of the settings; None without any."""
    return None if settings.database_read_url is None else StandbyReads(settings, primary, failover)
