"""Rotate encryption keys: re-encrypt all values with the first key of the keyring while the service runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Text,
    bindparam,
    cast,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.types import TypeEngine

from aed.database.encryption.columns import Encrypted, EncryptedFields, map_named_texts
from aed.database.encryption.keyring import FORM, KeyRing, key_id_of
from aed.database.session import Database, read_session, transaction
from aed.database.types import Table

BATCH: Final = 1_000
UNENCRYPTED: Final = "none"
"""The key id under which unencrypted values are counted."""

type Progress = Callable[[int], None]
"""Called with the number of values examined so far."""


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """The number of values re-encrypted, and for each column the number of values by key afterwards."""

    reencrypted: int
    counts_by_key: dict[str, dict[str, int]]


def encrypted_columns(metadata: MetaData = Table.metadata) -> list[Column[Any]]:
    """Return all encrypted columns, ordered by table name."""
    return [
        column
        for table in sorted(metadata.tables.values(), key=lambda table: table.name)
        for column in table.columns
        if isinstance(column.type, Encrypted | EncryptedFields)
    ]


def rotate(database: Database, *, progress: Progress) -> RotatedKeys:
    """Re-encrypt all values with the first key of the keyring. If interrupted, run it again to continue.

    Each batch is a transaction of its own. A value that another transaction changes in the meantime is
    skipped. Readers see the old or the new value, and can decrypt both.

    Raises KeysUnusable for a value that no key of the keyring decrypts; values re-encrypted before it stay
    re-encrypted.
    """
    reencrypted = looked_at = 0
    for column in encrypted_columns():
        for seen, changes in _reencrypt_batches(database, column):
            looked_at += seen
            reencrypted += changes
            progress(looked_at)
    return RotatedKeys(reencrypted, count_by_key(database))


def _reencrypt_batches(database: Database, column: Column[Any]) -> Iterator[tuple[int, int]]:
    """Yield for each batch the number of rows examined and the number of rows re-encrypted."""
    after = 0
    while True:
        with transaction(database) as session:
            rows = _not_by_the_first(session.connection(), column, database.keys, after)
            if not rows:
                return
            after = rows[-1][0]
            done = _reencrypt(session.connection(), column, database.keys, rows)
        yield len(rows), done


def _key_of(column: Column[Any]) -> Column[Any]:
    (key,) = column.table.primary_key.columns
    return key


def _as_stored(column: Column[Any]) -> Any:
    """Return an expression for the column's stored text, without decryption."""
    return type_coerce(column, Text) if isinstance(column.type, Encrypted) else cast(column, Text)


def _not_by_the_first(
    connection: Connection, column: Column[Any], ring: KeyRing, after: int
) -> Sequence[tuple[int, str]]:
    key, stored = _key_of(column), _as_stored(column)
    statement = select(key, stored).where(key > after).order_by(key).limit(BATCH)
    first = f"{FORM}:{ring.ids[0]}:"
    if isinstance(column.type, Encrypted):
        statement = statement.where(stored.is_not(None), stored.not_like(f"{first}%"))
    else:
        assert isinstance(column.type, EncryptedFields)
        find = _find(connection)
        statement = statement.where(or_(*(find(stored, f'"{name}"') > 0 for name in column.type.names)))
    return [(row[0], row[1]) for row in connection.execute(statement)]


def _reencrypt(
    connection: Connection, column: Column[Any], ring: KeyRing, rows: Sequence[tuple[int, str]]
) -> int:
    """Re-encrypt rows that have not changed since they were read; return how many need the first key."""
    kind, table = column.type, column.table
    assert isinstance(table, SqlTable)
    changes = [
        {"row": row, "stored": stored, "becomes": becomes}
        for row, stored in rows
        if (becomes := _reencrypted(kind, ring, stored)) is not None
    ]
    if not changes:
        return 0
    statement = (
        update(table)
        .where(_key_of(column) == bindparam("row"), _as_stored(column) == bindparam("stored", type_=Text()))
        .values({column: bindparam("becomes", type_=Text() if isinstance(kind, Encrypted) else JSON())})
    )
    connection.execute(statement, changes)
    return len(changes)


def _reencrypted(kind: TypeEngine[Any], ring: KeyRing, stored: str) -> object:
    """Return the value encrypted with the first key, or None if nothing in it has to change."""
    if isinstance(kind, Encrypted):
        return ring.encrypt(ring.decrypt(stored, place=kind.place), place=kind.place, kind=kind.kind)
    assert isinstance(kind, EncryptedFields)
    before = json.loads(stored)
    becomes = kind.reencrypted(before, ring)
    return becomes if becomes != before else None


def _find(connection: Connection) -> Callable[..., ColumnElement[int]]:
    """Return the SQL function for the 1-based position of a substring; it returns 0 if there is none."""
    return func.instr if connection.dialect.name == "sqlite" else func.strpos


def count_by_key(database: Database) -> dict[str, dict[str, int]]:
    """Return for each column the number of values by key id; unencrypted values count as `none`."""
    found: dict[str, dict[str, int]] = {}
    with read_session(database) as session:
        for column in encrypted_columns():
            stored = _as_stored(column)
            counts: dict[str, int] = {}
            if isinstance(column.type, Encrypted):
                begins = func.substr(stored, 1, 11)
                by_key = select(begins, func.count()).where(stored.is_not(None)).group_by(begins)
                for text, count in session.execute(by_key):
                    key = key_id_of(text) or UNENCRYPTED
                    counts[key] = counts.get(key, 0) + count
            else:
                assert isinstance(column.type, EncryptedFields)
                find = _find(session.connection())
                texts = select(stored).where(
                    or_(*(find(stored, f'"{each}"') > 0 for each in column.type.names))
                )
                for text in session.scalars(texts).yield_per(BATCH):

                    def count_it(value: str) -> str:
                        key = key_id_of(value) or UNENCRYPTED
                        counts[key] = counts.get(key, 0) + 1  # noqa: B023 - called at once
                        return value

                    map_named_texts(json.loads(text), column.type.names, count_it)
            found[f"{column.table.name}.{column.name}"] = counts
    return found


def check_keys(database: Database) -> None:
    """Check that the keyring decrypts the database, by one value of each encrypted column.

    Raises KeysUnusable, before the first request for personal data fails.
    """
    with read_session(database) as session:
        for column in encrypted_columns():
            if not isinstance(column.type, Encrypted):
                continue
            stored = _as_stored(column)
            known = [stored.not_like(f"{FORM}:{key}:%") for key in database.keys.ids]
            other = session.scalar(select(stored).where(stored.like(f"{FORM}:%"), *known).limit(1))
            any_of = (
                other
                if other is not None
                else session.scalar(select(stored).where(stored.is_not(None)).limit(1))
            )
            if any_of is not None:
                database.keys.decrypt(any_of, place=column.type.place)
