"""Statements that are compiled once for a dialect and run many times with different values.

They run on the driver's cursor. SQLAlchemy processes the column descriptions of every result, which takes as
long as finding the nearest devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Double,
    Integer,
    Row,
    Select,
    String,
    any_,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

type Rows = Sequence[tuple[Any, ...] | Row[*tuple[Any, ...]]]


# --- parts of statements ----------------------------------------------------------------------------------


def inline_ints(values: Iterable[int]) -> list[ColumnElement[int]]:
    """Return integers as literals, for a statement that is compiled once for a viewer."""
    return [literal_column(str(int(value)), Integer) for value in values]


def inline_text(word: str) -> ColumnElement[str]:
    """Return a constant of the program as an SQL literal, so that the planner can use a partial index.

    The planner cannot see the value of a bound parameter. Raises ValueError unless `word` consists of
    letters, digits and underscores.
    """
    if not word.replace("_", "").isalnum():
        raise ValueError("only literals of this program may be written into a statement")
    return literal_column(f"'{word}'")


def late_param(name: str, kind: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """Return a parameter (by default a double) whose value is given each time the statement runs."""
    return bindparam(name, type_=kind or Double(), required=False)


def key_in_param(dialect: Dialect, key: InstrumentedAttribute[int], name: str) -> ColumnElement[bool]:
    """Return the condition that the key is one of those bound to `name` by `bind_keys`."""
    if dialect.name == "sqlite":
        return key.in_(select(func.json_each(late_param(name, String())).table_valued("value").c.value))
    return key == any_(late_param(name, ARRAY(BigInteger)))


def bind_keys(dialect: Dialect, keys: Iterable[int]) -> object:
    """Return the value to bind to a parameter of `key_in_param`."""
    return str([*keys]) if dialect.name == "sqlite" else [*keys]


def bind_moment(at: datetime) -> str:
    """Return the value of a parameter that is a moment: UTC as SQLite stores it and PostgreSQL reads it."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


# --- compiling and running --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compiled[R]:
    """A compiled statement with rows of the NamedTuple `R`, created by `compiled`."""

    sql: str
    constants: Mapping[str, object]
    row: Callable[[Sequence[Any]], R]

    def fetch(self, connection: Connection, values: Mapping[str, object]) -> list[R]:
        """Return the rows for the given values of the late parameters."""
        return [*map(self.row, fetch_rows(connection, self.sql, {**self.constants, **values}))]


def compiled[R](dialect: Dialect, statement: Select[*tuple[Any, ...]], *, row: type[R]) -> Compiled[R]:
    """Compile a statement; `row` is a NamedTuple with its columns in their order."""
    sql, constants = compiled_for(dialect, statement)
    return Compiled(sql, constants, row_factory(row, statement))


def compiled_for(dialect: Dialect, statement: Select[*tuple[Any, ...]]) -> tuple[str, dict[str, object]]:
    """Return SQL for the driver, and the parameters whose values are already known."""
    target: Dialect = (
        SQLiteDialect_pysqlite(paramstyle="named") if dialect.name == "sqlite" else PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy gives its constructor no types
    )
    made = statement.compile(dialect=target)
    constants = {}
    for name, value in made.construct_params().items():
        if value is not None:
            process = made.binds[name].type.bind_processor(target)
            constants[name] = process(value) if process else value
    return str(made), constants


def row_factory[R](row: type[R], statement: Select[*tuple[Any, ...]]) -> Callable[[Sequence[Any]], R]:
    """Return a function that converts a result row to the NamedTuple `row`.

    Raises TypeError unless its fields are the statement's columns in order. Uses `tuple.__new__`, because
    calling the class takes three times as long.
    """
    names = tuple(item.name for item in statement.selected_columns)
    if names != getattr(row, "_fields", ()):
        raise TypeError(
            f"the columns of {row.__name__} differ from those of its statement: {', '.join(names)}"
        )
    made: Any = tuple.__new__
    return partial(made, row)


def fetch_rows(connection: Connection, sql: str, parameters: Mapping[str, object]) -> Rows:
    """Run SQL on the driver's cursor and return all rows. Raises SQLAlchemy's errors.

    If the engine has a listener for statements (as in tests that count them), SQLAlchemy runs it instead.
    """
    if connection.engine.dispatch.before_cursor_execute:
        return connection.exec_driver_sql(sql, parameters).fetchall()
    driver_error = connection.dialect.loaded_dbapi.Error
    try:
        cursor = connection.connection.cursor()
        cursor.execute(sql, parameters)
        rows: Rows = cursor.fetchall()
    except driver_error as error:
        is_disconnected = connection.dialect.is_disconnect(error, connection.connection, None)
        if is_disconnected:
            connection.invalidate(error)
        raise DBAPIError.instance(
            sql,
            parameters,
            error,
            driver_error,
            connection_invalidated=is_disconnected,
            dialect=connection.dialect,
        ) from error
    cursor.close()
    return rows
