"""Statements that are compiled once for a dialect. `asking` asks them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    Double,
    Integer,
    Select,
    bindparam,
    literal_column,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.types import TypeEngine


def constants(keys: Iterable[int]) -> list[ColumnElement[int]]:
    """Keys inside a statement that is compiled once for a viewer."""
    return [literal_column(str(int(key)), Integer) for key in keys]


def constant(value: str) -> ColumnElement[str]:
    """One of the program's own words inside a statement, so that a partial index can be recognised.

    A bound parameter would hide it from the planner of a prepared statement.
    """
    if not value.replace("_", "").isalnum():
        raise ValueError("only the program's own words may stand in a statement")
    return literal_column(f"'{value}'")


def told_later(name: str, kind: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """A parameter that gets its value each time a compiled statement is asked."""
    return bindparam(name, type_=kind or Double(), required=False)


def compiled_for(dialect: Dialect, statement: Select[*tuple[Any, ...]]) -> tuple[str, dict[str, object]]:
    """The driver's own SQL, and the parameters whose values are known already."""
    target: Dialect = (
        SQLiteDialect_pysqlite(paramstyle="named") if dialect.name == "sqlite" else PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy gives its constructor no types
    )
    compiled = statement.compile(dialect=target)
    constants = {}
    for name, value in compiled.construct_params().items():
        if value is not None:
            process = compiled.binds[name].type.bind_processor(target)
            constants[name] = process(value) if process else value
    return str(compiled), constants


def check_columns(statement: Select[*tuple[Any, ...]], row: type[object]) -> None:
    """The NamedTuple has the statement's columns in their order."""
    names = tuple(item.name for item in statement.selected_columns)
    if names != getattr(row, "_fields", ())[: len(names)]:
        raise TypeError(f"{row.__name__} has other columns than its statement: {', '.join(names)}")
