"""Insert many rows at once: with COPY on PostgreSQL, in one statement on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any

import orjson
from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Dialect,
    String,
    any_,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from aed.database.encryption.columns import Encrypted, EncryptedFields, keyring_of
from aed.database.types import Table


def reserve_ids(session: Session, model: type[Table], count: int) -> list[int]:
    """Reserve keys for `count` new rows; no other transaction gets them until this one ends."""
    table = _table(model)
    if session.get_bind().dialect.name == "postgresql":
        sequence = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
        numbers = func.generate_series(1, literal(count)).table_valued("number")
        return list(session.scalars(select(sequence).select_from(numbers)))
    # SQLite has a single writer, which is this transaction.
    last = session.scalar(select(func.coalesce(func.max(table.c.id), 0))) or 0
    return list(range(last + 1, last + 1 + count))


def insert_many(session: Session, model: type[Table] | SqlTable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, after flushing the session.

    Raises SQLAlchemy's IntegrityError for a row that violates a constraint.
    """
    session.flush()
    if not rows:
        return
    table = model if isinstance(model, SqlTable) else _table(model)
    if session.get_bind().dialect.name != "postgresql":
        session.execute(insert(table), rows)
        return
    import psycopg  # imported here: SQLite does not need it
    from psycopg import sql

    columns = [table.c[name] for name in rows[0]]
    written = [(column.name, _copy_text(column, session.get_bind().dialect)) for column in columns]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(",").join(sql.Identifier(name) for name, _ in written)
    )
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(
                    [
                        None if (value := row[name]) is None else convert(value) if convert else value
                        for name, convert in written
                    ]
                )
    except psycopg.IntegrityError as error:
        raise IntegrityError(statement.as_string(), None, error) from error


def in_array(
    session: Session,
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | Column[str],
    values: Collection[str],
) -> ColumnElement[bool]:
    """Select rows whose column is one of many texts.

    PostgreSQL gets them as one array, since hundreds of parameters would take longer than the query.
    """
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(String)))
    return column.in_(values)


def _table(model: type[Table]) -> SqlTable:
    table = model.__table__
    assert isinstance(table, SqlTable)
    return table


def _copy_text(column: Column[Any], dialect: Dialect) -> Callable[[Any], object] | None:
    """Return the function that converts values of the column for COPY; None if the driver converts them."""
    kind = column.type
    if isinstance(kind, Encrypted):
        return lambda value: kind.process_bind_param(value, dialect)
    if isinstance(kind, EncryptedFields):
        return lambda value: orjson.dumps(kind.reencrypted(value, keyring_of(dialect))).decode()
    if isinstance(kind, JSON):
        return lambda value: orjson.dumps(value).decode()
    if isinstance(kind, Geometry):
        return lambda value: f"SRID={kind.srid};{value.data}"
    return _plain if getattr(kind, "enum_class", None) is not None else None


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
