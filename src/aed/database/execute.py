"""Asking compiled statements on the bare driver, and doing something else while PostgreSQL looks.

What SQLAlchemy finds out about the columns of an answer takes a third of the whole question (80 of 260
microseconds on PostGIS), what psycopg does for each statement another 40. So a statement goes over psycopg's
connection by its libpq functions: prepared once a connection, sent, and read when its rows are needed.
"""

from __future__ import annotations

import re
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from select import POLLIN, POLLOUT
from typing import Any

import psycopg
from psycopg.abc import Transformer as TransformerProtocol
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from aed.database.event_loop import wait_for

type Rows = Sequence[tuple[Any, ...] | Row[*tuple[Any, ...]]]

_LINE = "aed_line"
"""Under this name a pooled connection remembers what it has prepared, and what is on its way."""
_NOT_PREPARED = b"26000"
_SUCCESS = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


def send(connection: Connection, sql: str, parameters: Mapping[str, object]) -> Callable[[], Rows]:
    """Sends the driver's own statement; what is given back reads its rows. Errors are SQLAlchemy's.

    More can be sent before the first is read; until all are read nothing else can be asked on the connection:
    see `settled`. SQLite, which has no server, looks when it is read. Whoever listens to the engine's
    statements hears of each: then SQLAlchemy asks, when read.
    """
    if connection.engine.dispatch.before_cursor_execute:
        return lambda: connection.exec_driver_sql(sql, parameters).fetchall()
    if connection.dialect.name == "sqlite":
        return lambda: _from_sqlite(connection, sql, parameters)
    try:
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, psycopg.Connection)
        line: _Line = connection.info.get(_LINE) or connection.info.setdefault(_LINE, _Line())
        asked = line.send(driver, sql, parameters)
    except psycopg.Error as error:
        raise _as_sqlalchemy_raises(connection, sql, parameters, error) from error

    def read() -> Rows:
        try:
            return line.read(driver, asked)
        except psycopg.Error as error:
            raise _as_sqlalchemy_raises(connection, sql, parameters, error) from error

    return read


@contextmanager
def drain_on_error(connection: Connection) -> Iterator[None]:
    """Within the block statements may be sent; whatever happens, none is on its way when it is left."""
    try:
        yield
    except BaseException:  # an answer that nobody reads would be the next one's; nothing is swallowed
        line: _Line | None = None if connection.invalidated else connection.info.get(_LINE)
        if line is not None and line.is_waited_for:
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, psycopg.Connection)
            with suppress(psycopg.Error):  # the line is dead: the pool finds out by itself
                line.give_up(driver)
        raise


def _from_sqlite(connection: Connection, sql: str, parameters: Mapping[str, object]) -> Rows:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, parameters)
        rows: Rows = cursor.fetchall()
    except sqlite3.Error as error:
        raise _as_sqlalchemy_raises(connection, sql, parameters, error) from error
    cursor.close()
    return rows


def _as_sqlalchemy_raises(
    connection: Connection, sql: str, parameters: Mapping[str, object], error: Exception
) -> BaseException:
    driver_error = connection.dialect.loaded_dbapi.Error
    assert isinstance(error, driver_error)
    is_gone = connection.dialect.is_disconnect(error, connection.connection, None)
    if is_gone:
        connection.invalidate(error)
    return DBAPIError.instance(
        sql,
        parameters,
        error,
        driver_error,
        connection_invalidated=is_gone,
        dialect=connection.dialect,
    )


# --- PostgreSQL -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A statement as PostgreSQL itself knows it: `$1` in place of `%(name)s`."""

    text: bytes
    names: tuple[str, ...]


@lru_cache(maxsize=1_000)
def _numbered(sql: str) -> _Numbered:
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%"
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = re.sub(r"%%|%\((\w+)\)s", number, sql)
    return _Numbered(text.encode(), tuple(names))


@dataclass(slots=True, eq=False)
class _Asked:
    """A statement that is on its way; `result` is what it has brought."""

    sql: str
    values: list[bytes]
    is_new: bool = False
    """It is prepared on its way."""
    result: PGresult | None = None


class _Line:
    """What is prepared on one connection, and what is on its way there, oldest first.

    While anything is, the connection is in libpq's pipeline mode. Each statement is a transaction by itself,
    unless the connection is in one already: then nothing is kept prepared, see `read`.
    """

    def __init__(self) -> None:
        self._prepared: dict[str, bytes] = {}
        self._columns: dict[str, TransformerProtocol] = {}
        """What reads the answers of each statement, whose columns always are the same."""
        self._names = count()
        self._keeps_prepared = True
        self._on_their_way: deque[_Asked] = deque()

    @property
    def is_waited_for(self) -> bool:
        return bool(self._on_their_way)

    def send(self, driver: psycopg.Connection[Any], sql: str, parameters: Mapping[str, object]) -> _Asked:
        values = [_as_text(parameters[each]) for each in _numbered(sql).names]
        if not self._on_their_way:
            self._keeps_prepared = driver.pgconn.transaction_status == TransactionStatus.IDLE
            driver.pgconn.enter_pipeline_mode()
        asked = _Asked(sql, values)
        self._send(driver, asked)
        return asked

    def _send(self, driver: psycopg.Connection[Any], asked: _Asked) -> None:
        wire = driver.pgconn
        name = self._prepared.get(asked.sql) if self._keeps_prepared else None
        asked.is_new = name is None
        if name is None:
            name = b""
            if self._keeps_prepared:
                name = self._prepared[asked.sql] = b"aed_%d" % next(self._names)
            wire.send_prepare(name, _numbered(asked.sql).text)
        wire.send_query_prepared(name, asked.values)
        wire.pipeline_sync()
        self._on_their_way.append(asked)
        while wire.flush():
            _wait(driver, POLLIN | POLLOUT)

    def read(self, driver: psycopg.Connection[Any], asked: _Asked) -> Rows:
        """The rows of a statement, once what was sent before it has come. Raises what psycopg would.

        psycopg has the server forget all prepared statements, ours too, after some rollbacks: then it is
        prepared and sent once more. Within a transaction that would be too late, it has failed.
        """
        while asked.result is None:
            first = self._on_their_way[0]
            result = self._next_result(driver, first)
            self._on_their_way.popleft()
            if not first.is_new and result.error_field(DiagnosticField.SQLSTATE) == _NOT_PREPARED:
                self._prepared.pop(first.sql, None)
                self._send(driver, first)
            else:
                first.result = result
        if not self._on_their_way and driver.pgconn.pipeline_status:
            driver.pgconn.exit_pipeline_mode()
        result = asked.result
        if result.status not in _SUCCESS:
            code = result.error_field(DiagnosticField.SQLSTATE)
            kind = psycopg.errors.lookup(code.decode()) if code else psycopg.OperationalError
            raise kind(result.get_error_message())
        columns = self._columns.get(asked.sql)
        if columns is None:
            columns = self._columns[asked.sql] = Transformer(driver)
            columns.set_pgresult(result)
        else:
            columns.set_pgresult(result, set_loaders=False)
        rows = columns.load_rows(0, result.ntuples, tuple)
        columns.set_pgresult(None, set_loaders=False)
        return rows

    def give_up(self, driver: psycopg.Connection[Any]) -> None:
        """Waits for all that is on its way, and forgets it."""
        while self._on_their_way:
            self._next_result(driver, self._on_their_way.popleft())
        driver.pgconn.exit_pipeline_mode()

    def _next_result(self, driver: psycopg.Connection[Any], asked: _Asked) -> PGresult:
        """What the oldest statement has brought: its last result, or the first that is an error."""
        wire, kept = driver.pgconn, None
        while True:
            while wire.is_busy():
                _wait(driver, POLLIN)
            result = wire.get_result()
            if result is None:  # between two results; after the last there would be the sync
                if wire.status == ConnStatus.BAD:
                    raise psycopg.OperationalError(wire.get_error_message())
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            if kept is None or kept.status in _SUCCESS:
                kept = result
        if kept is None:
            raise psycopg.OperationalError(wire.get_error_message())
        if asked.is_new and kept.status not in _SUCCESS:
            self._prepared.pop(asked.sql, None)
        return kept


def _as_text(value: object) -> bytes:
    """A parameter as PostgreSQL reads it. The statement says of which type it is."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return str(value).encode()
    if isinstance(value, list):
        return b"{%s}" % b",".join(map(_as_text, value))
    raise TypeError(f"{type(value).__name__} is no parameter of a compiled statement")


def _wait(driver: psycopg.Connection[Any], what: int) -> None:
    """Until something has come, or can go. Raises OperationalError on a dead line."""
    wait_for(driver.fileno(), what)
    driver.pgconn.consume_input()
