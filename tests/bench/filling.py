"""Fill a database with a population in bulk: rows first, then constraints and indexes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from aed import migrations
from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.database.encryption.keyring import EncryptedKind, KeyRing
from aed.database.encryption.keys import keyring_from_settings
from aed.database.session import open_database, transaction
from aed.registry.holidays.actions import seed_china
from aed.settings import Settings
from tests.bench.population import COLUMNS, Population, Row

GEOMETRY_COLUMNS = ("boundary", "position")


class HasRows(Protocol):
    """Rows for the tables of a database."""

    def rows(self, table: str) -> Iterator[list[Row]]:
        """Yield all rows of a table, in batches."""


def fill_postgis(url: str, population: Population) -> None:
    """Fill the empty database at `url` with the schema and the population, vacuumed and analysed.

    1. Create the schema; drop foreign keys, unique constraints and all indexes except primary keys.
    2. COPY the rows, two tables at a time.
    3. Restore what was dropped, two at a time; VACUUM ANALYZE.
    """
    make_schema(url)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        put_back = _take_down(connection)
    with psycopg.connect(plain) as connection:
        for table in COLUMNS:
            copy_rows(connection, table, population)
    _two_at_a_time(plain, [statement for statement in put_back if "FOREIGN KEY" not in statement])
    _two_at_a_time(plain, [f"VACUUM (ANALYZE) {table}" for table in COLUMNS])
    _two_at_a_time(plain, [statement for statement in put_back if "FOREIGN KEY" in statement])


def fill_spatialite(path: Path, population: Population) -> None:
    """Create the file with the schema and the population, analysed."""
    fill_some_on_spatialite(path, population, list(COLUMNS))


def fill_some_on_spatialite(path: Path, population: HasRows, tables: Sequence[str]) -> None:
    """Create the file with the schema and these tables of the population, analysed."""
    url = f"sqlite:///{path}"
    make_schema(url)
    database = open_database(Settings(database_url=url))
    try:
        with database.engine.connect() as opened:
            raw = opened.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute("PRAGMA synchronous = OFF")
            raw.execute("PRAGMA foreign_keys = OFF")
            raw.execute("BEGIN")
            for table in tables:
                columns = COLUMNS[table]
                names = columns.split(",")
                values = ",".join(
                    "GeomFromWKB(?, 4326)" if name in GEOMETRY_COLUMNS else "?" for name in names
                )
                statement = f"INSERT INTO {table} ({columns}) VALUES ({values})"  # noqa: S608 - own words
                last_is_geometry = names[-1] in GEOMETRY_COLUMNS
                for rows in population.rows(table):
                    stored = _sealed(table, rows, database.keys)
                    raw.executemany(statement, [_for_sqlite(row, last_is_geometry) for row in stored])
            raw.execute("COMMIT")
            raw.execute("ANALYZE")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()


def _for_sqlite(row: Row, last_is_geometry: bool) -> list[object]:
    plain = [value.isoformat() if isinstance(value, date) else value for value in row]
    if last_is_geometry:
        plain[-1] = bytes.fromhex(str(plain[-1]))
    return plain


def make_schema(url: str) -> None:
    database = open_database(Settings(database_url=url))
    try:
        migrations.upgrade(database)
        filler = Viewer(role=TokenRole.ADMINISTRATOR, name="bench", scopes=frozenset(TokenScope))
        with transaction(database) as session:
            seed_china(session, filler, at=datetime.now(UTC))
    finally:
        database.close()


def _take_down(connection: psycopg.Connection) -> list[str]:
    """Drop constraints and indexes that are cheaper to build later; return statements to restore them."""
    tables = list(COLUMNS)
    put_back: list[str] = []
    constraints = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype IN ('f', 'u') AND conrelid::regclass::text = ANY(%s) ORDER BY contype",
        [tables],
    ).fetchall()
    for table, name, definition in constraints:
        put_back.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name))
        )
    indexes = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE NOT indisprimary AND indrelid::regclass::text = ANY(%s)",
        [tables],
    ).fetchall()
    for name, definition in indexes:
        put_back.append(definition)
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return put_back


def _sealed(table: str, rows: Sequence[Row], keys: KeyRing) -> Sequence[Row]:
    """Encrypt columns as the program stores them."""
    if table != "people":
        return rows
    return [
        (id_, name, keys.encrypt(str(phone), place="people.phone", kind=EncryptedKind.PHONE), language)
        for id_, name, phone, language in rows
    ]


def copy_rows(connection: psycopg.Connection, table: str, population: HasRows) -> None:
    keys = keyring_from_settings(Settings())
    columns = sql.SQL(",").join(map(sql.Identifier, COLUMNS[table].split(",")))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for rows in population.rows(table):
            for row in _sealed(table, rows, keys):
                copy.write_row(row)
    connection.commit()


def _two_at_a_time(url: str, statements: list[str]) -> None:
    waiting = list(reversed(statements))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                while True:
                    try:
                        statement = waiting.pop()
                    except IndexError:
                        return
                    connection.execute(statement.encode())
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
