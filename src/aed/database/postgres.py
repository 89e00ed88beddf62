"""Connections to PostgreSQL that do not wait for ever.

The kernel notices a lost network: connect timeout, keepalives and `tcp_user_timeout`. A server that is
stopped, or a commit that waits for a standby, keeps its connection alive and silent: there a deadline of the
client's own ends the wait. It closes the connection and cancels nothing, because PostgreSQL reports a commit
as done if the wait for its standby is cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import inf
from typing import Any, Final, Self

import psycopg
from psycopg import IsolationLevel
from psycopg.abc import PQGen, PQGenConn
from psycopg.errors import OperationalError, _WaitTimeout
from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from aed.deadlines import answer_within, is_repeatable, seconds_left
from aed.errors import DatabaseLimitsLost

NETWORK_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}
"""A lost host is noticed after 5 s while data is under way, 11 s on an idle connection. The URL may say
otherwise."""
_READ_ONLY: Final = "25006"
_SETTINGS_OF_SESSION: Final = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed, and raises OperationalError, if the server stays silent too long."""

    max_silence_seconds: float = 6.0
    max_repeatable_seconds: float = inf
    """The same for a read that another server can answer, too."""

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        """Connect, or give up at the deadline: psycopg takes no connect timeout of less than two seconds."""
        connecting = super()._connect_gen(conninfo)
        try:
            wanted = next(connecting)
            while seconds_left() != 0:
                wanted = connecting.send((yield wanted))
        except StopIteration as connected:
            opened: Self = connected.value
            return opened
        raise OperationalError("the server did not accept a connection before the deadline")

    def wait[R](self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Wait until the deadline of `aed.deadlines`, and at most `max_silence_seconds`."""
        left = seconds_left()
        limit = self.max_silence_seconds if left is None else min(left, self.max_silence_seconds)
        if is_repeatable():
            limit = min(limit, self.max_repeatable_seconds)
        if limit == inf or (timeout is not None and timeout <= limit):
            return super().wait(gen, interval, timeout)
        if limit > 0:
            started = time.monotonic()
            try:
                return super().wait(gen, interval, limit)
            except _WaitTimeout:
                if time.monotonic() - started < limit:  # a shorter timeout of psycopg's own
                    raise
        self.pgconn.finish()
        raise OperationalError("the server did not answer before the deadline")

    def set_autocommit(self, value: bool) -> None:
        """Set autocommit, also after the deadline: nothing is sent, so there is nothing to wait for.

        SQLAlchemy sets it on a pooled connection, where it would not translate an OperationalError.
        """
        with answer_within(self.max_silence_seconds):
            super().set_autocommit(value)

    def set_isolation_level(self, value: IsolationLevel | None) -> None:
        """Set the isolation level, also after the deadline; see `set_autocommit`."""
        with answer_within(self.max_silence_seconds):
            super().set_isolation_level(value)


def bound_waits(engine: Engine, *, max_silence_seconds: float) -> None:
    """Make the engine's connections BoundedConnections, and drop those to a server that became read-only."""

    def connect(
        _dialect: Dialect, _entry: ConnectionPoolEntry, _arguments: Any, options: dict[str, Any]
    ) -> BoundedConnection:
        return connect_in_time(options, max_silence_seconds=max_silence_seconds)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "handle_error", _drop_if_read_only)


def connect_in_time(options: Mapping[str, Any], *, max_silence_seconds: float) -> BoundedConnection:
    """Open a connection with the options of libpq. Raises OperationalError, at the deadline at the latest."""
    connection = BoundedConnection.connect(**options)
    connection.max_silence_seconds = max_silence_seconds
    return connection


def session_settings(*, statement_timeout_ms: int, lock_timeout_ms: int) -> dict[str, str]:
    """Return the PostgreSQL settings that every connection must have, as `pg_settings` shows them."""
    return {
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "jit": "off",
        "TimeZone": "UTC",
    }


def require_settings(engine: Engine, expected: Mapping[str, str]) -> None:
    """Make each new connection ask for its settings, and raise DatabaseLimitsLost if they are others.

    PgBouncer in transaction mode drops what a client asks for in `options`, in silence. A SET would reach
    whichever server connection is free at that moment, so the role must have the settings.
    """

    def check(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(_SETTINGS_OF_SESSION, ([*expected],))
        found = dict(cursor.fetchall())
        cursor.close()
        connection.rollback()
        wrong = {name: value for name, value in expected.items() if found.get(name) != value}
        if wrong:
            raise DatabaseLimitsLost(
                "PostgreSQL did not take {lost} from this connection: a connection pooler such as PgBouncer "
                "in transaction mode drops them. Give them to the role, then restart the pooler: "
                "{statements}",
                lost=", ".join(f"{name}={value}" for name, value in wrong.items()),
                statements=" ".join(f"ALTER ROLE CURRENT_USER SET {n} = '{v}';" for n, v in wrong.items()),
            )

    event.listen(engine, "connect", check)


def _drop_if_read_only(context: ExceptionContext) -> None:
    """Treat a write that a standby refuses as a lost connection: the primary is another server now."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
