"""Asking compiled statements on the bare driver, and doing something else while PostgreSQL looks.

What SQLAlchemy finds out about the columns of an answer takes a third of the whole question (80 of 260
microseconds on PostGIS), what psycopg does for each statement another 40. So a statement goes over psycopg's
connection by its libpq functions: prepared once a connection, sent, and read when its rows are needed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from select import POLLIN, poll
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

type Rows = Sequence[tuple[Any, ...] | Row[*tuple[Any, ...]]]

_PREPARED = "aed_prepared"
"""Under this name a pooled connection remembers which statements it has prepared."""


def sent(connection: Connection, sql: str, parameters: Mapping[str, object]) -> Callable[[], Rows]:
    """Sends the driver's own statement; what is given back reads its rows. Errors are SQLAlchemy's.

    Until they are read nothing else can be asked on the connection. SQLite, which has no server, looks when
    it is read. Whoever listens to the engine's statements hears of each: then SQLAlchemy asks, when read.
    """
    if connection.engine.dispatch.before_cursor_execute:
        return lambda: connection.exec_driver_sql(sql, parameters).fetchall()
    if connection.dialect.name == "sqlite":
        return lambda: _from_sqlite(connection, sql, parameters)
    try:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        _send(driver, connection.info.setdefault(_PREPARED, {}), sql, parameters)
    except psycopg.Error as error:
        raise _as_sqlalchemy_raises(connection, sql, parameters, error) from error

    def read() -> Rows:
        try:
            return _read(driver)
        except psycopg.Error as error:
            raise _as_sqlalchemy_raises(connection, sql, parameters, error) from error

    return read


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


def _send(
    driver: psycopg.Connection[Any], prepared: dict[str, bytes], sql: str, parameters: Mapping[str, object]
) -> None:
    wire, statement = driver.pgconn, _numbered(sql)
    name = prepared.get(sql)
    if name is None:
        name = b"aed_%d" % len(prepared)
        wire.send_prepare(name, statement.text)
        _result(driver, wire)
        prepared[sql] = name
    wire.send_query_prepared(name, [_as_text(parameters[each]) for each in statement.names])
    while wire.flush():
        _wait(driver)


def _as_text(value: object) -> bytes:
    """A parameter as PostgreSQL reads it. The statement says of which type it is."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return str(value).encode()
    if isinstance(value, list):
        return b"{%s}" % b",".join(map(_as_text, value))
    raise TypeError(f"{type(value).__name__} is no parameter of a compiled statement")


def _read(driver: psycopg.Connection[Any]) -> Rows:
    result = _result(driver, driver.pgconn)
    columns = Transformer(driver)
    columns.set_pgresult(result)
    return columns.load_rows(0, result.ntuples, tuple)


def _result(driver: psycopg.Connection[Any], wire: PGconn) -> PGresult:
    """What the statement that is on its way has brought, all of it. Raises what psycopg would."""
    while wire.is_busy():
        _wait(driver)
    result = wire.get_result()
    while wire.get_result() is not None:
        pass
    if result is None:
        raise psycopg.OperationalError(wire.get_error_message())
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        code = result.error_field(DiagnosticField.SQLSTATE)
        kind = psycopg.errors.lookup(code.decode()) if code else psycopg.OperationalError
        raise kind(result.get_error_message())
    return result


def _wait(driver: psycopg.Connection[Any]) -> None:
    """Until something has come; other threads go on meanwhile. Raises OperationalError on a dead line."""
    coming = poll()
    coming.register(driver.fileno(), POLLIN)
    coming.poll()
    driver.pgconn.consume_input()
