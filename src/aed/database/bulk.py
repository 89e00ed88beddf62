"""Many new rows at once: COPY on PostgreSQL, one statement for all of them on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any

import orjson
import psycopg
from geoalchemy2 import Geometry
from psycopg import sql
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
    """Keys for that many new rows; nobody else gets them as long as this transaction lasts."""
    table = _table(model)
    if session.get_bind().dialect.name == "postgresql":
        sequence = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
        numbers = func.generate_series(1, literal(count)).table_valued("number")
        return list(session.scalars(select(sequence).select_from(numbers)))
    # SQLite has one writer, which this transaction is.
    last = session.scalar(select(func.coalesce(func.max(table.c.id), 0))) or 0
    return list(range(last + 1, last + 1 + count))


def insert_many(session: Session, model: type[Table] | SqlTable, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows, all with the same columns, are in the table. What is pending in the session is written first.

    Raises SQLAlchemy's IntegrityError for a row that the table cannot hold.
    """
    session.flush()
    if not rows:
        return
    table = model if isinstance(model, SqlTable) else _table(model)
    if session.get_bind().dialect.name != "postgresql":
        session.execute(insert(table), rows)
        return
    columns = [table.c[name] for name in rows[0]]
    written = [(column.name, _as_copied(column, session.get_bind().dialect)) for column in columns]
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
    """Whether the column holds one of many texts. PostgreSQL gets them as one array: hundreds of parameters
    cost it and its driver more than the answer."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(String)))
    return column.in_(values)


def _table(model: type[Table]) -> SqlTable:
    table = model.__table__
    assert isinstance(table, SqlTable)
    return table


def _as_copied(column: Column[Any], dialect: Dialect) -> Callable[[Any], object] | None:
    """How a value of the column is written; None: the driver knows."""
    kind = column.type
    if isinstance(kind, Encrypted):
        return lambda value: kind.process_bind_param(value, dialect)
    if isinstance(kind, EncryptedFields):
        return lambda value: orjson.dumps(kind.sealed(value, keyring_of(dialect))).decode()
    if isinstance(kind, JSON):
        return lambda value: orjson.dumps(value).decode()
    if isinstance(kind, Geometry):
        return lambda value: f"SRID={kind.srid};{value.data}"
    return _plain if getattr(kind, "enum_class", None) is not None else None


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
