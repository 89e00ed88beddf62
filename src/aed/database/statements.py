"""Statements that are compiled once for a dialect. `asking` asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Dialect,
    Double,
    Integer,
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
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine


def inline_ints(keys: Iterable[int]) -> list[ColumnElement[int]]:
    """Keys inside a statement that is compiled once for a viewer."""
    return [literal_column(str(int(key)), Integer) for key in keys]


def inline_text(value: str) -> ColumnElement[str]:
    """One of the program's own words inside a statement, so that a partial index can be recognised.

    A bound parameter would hide it from the planner of a prepared statement.
    """
    if not value.replace("_", "").isalnum():
        raise ValueError("only the program's own words may stand in a statement")
    return literal_column(f"'{value}'")


def late_param(name: str, kind: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """A parameter that gets its value each time a compiled statement is asked."""
    return bindparam(name, type_=kind or Double(), required=False)


def key_in_param(dialect: Dialect, key: InstrumentedAttribute[int], name: str) -> ColumnElement[bool]:
    """Whether the key is one of those that are told each time, as `told_keys` has them."""
    if dialect.name == "sqlite":
        return key.in_(select(func.json_each(late_param(name, String())).table_valued("value").c.value))
    return key == any_(late_param(name, ARRAY(BigInteger)))


def bind_keys(dialect: Dialect, keys: Iterable[int]) -> object:
    """The value of such a parameter."""
    return str([*keys]) if dialect.name == "sqlite" else [*keys]


def bind_moment(at: datetime) -> str:
    """The value of a parameter that is a moment: as SQLite stores it, and as PostgreSQL reads it in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def compiled_for(dialect: Dialect, statement: Select[*tuple[Any, ...]]) -> tuple[str, dict[str, object]]:
    """The driver's own SQL, and the parameters whose values are known already."""
    target: Dialect = (
        SQLiteDialect_pysqlite(paramstyle="named") if dialect.name == "sqlite" else PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy gives its constructor no types
    )
    compiled = statement.compile(dialect=target)
    inline_ints = {}
    for name, value in compiled.construct_params().items():
        if value is not None:
            process = compiled.binds[name].type.bind_processor(target)
            inline_ints[name] = process(value) if process else value
    return str(compiled), inline_ints


def row_factory[R](row: type[R], statement: Select[*tuple[Any, ...]]) -> Callable[[Sequence[Any]], R]:
    """What makes the NamedTuple `row`, which has the statement's columns in their order, of their values.

    By tuple itself: a call of the class takes three times as long.
    """
    names = tuple(item.name for item in statement.selected_columns)
    if names != getattr(row, "_fields", ()):
        raise TypeError(f"{row.__name__} has other columns than its statement: {', '.join(names)}")
    made: Any = tuple.__new__
    return partial(made, row)
