"""The database: engine, sessions, and the one transaction that a request has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Integer,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    declared_attr,
    mapped_column,
    registry,
    sessionmaker,
)
from sqlalchemy.pool import ConnectionPoolEntry

from aed.errors import DatabaseUnavailable, InvalidInput
from aed.settings import Settings


class UtcMoment(TypeDecorator[datetime]):
    """An aware moment, stored in UTC; SQLite keeps no offset, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without an offset cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def stored_by_value(enumeration: type[StrEnum]) -> Enum:
    """A StrEnum column that stores values, not names, with a CHECK."""
    return Enum(
        enumeration,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=True,
        length=32,
        name=enumeration.__name__.lower(),
    )


Key = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; SQLite's own row number where that is what it is called."""


class Table(DeclarativeBase):
    """What every table of the program derives from."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    registry: ClassVar[registry] = registry(
        type_annotation_map={datetime: UtcMoment, dict[str, Any]: JSON, list[str]: JSON}
    )


class Versioned:
    """A row whose version moves with every amendment; an amendment of an older one is refused."""

    version: Mapped[int] = mapped_column()

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - a class, as SQLAlchemy calls it
        return {"version_id_col": cls.version}


@dataclass(frozen=True)
class Database:
    """An engine and how sessions are made on it."""

    engine: Engine
    writing: sessionmaker[Session]
    reading: sessionmaker[Session]
    """Each statement for itself (autocommit): a lookup pays for no BEGIN and no ROLLBACK."""

    def close(self) -> None:
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """A database by its URL. Nothing is connected to yet.

    SQLite: WAL, full sync, foreign keys, busy timeout, SpatiaLite loaded. PostgreSQL: UTC and timeouts.
    """
    try:
        url = make_url(settings.database_url)
    except Exception as error:
        raise InvalidInput("AED_DATABASE_URL is not a database URL.", field="AED_DATABASE_URL") from error
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InvalidInput("AED_DATABASE_URL must name a file.", field="AED_DATABASE_URL")
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            url,
            pool_size=settings.threads,
            max_overflow=4,
            connect_args={"check_same_thread": False, "timeout": settings.lock_timeout_ms / 1000},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif url.drivername in ("postgresql", "postgresql+psycopg"):
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=settings.threads,
            max_overflow=4,
            pool_timeout=settings.lock_timeout_ms / 1000,
            connect_args={
                "connect_timeout": 4,
                "options": f"-c timezone=UTC -c jit=off -c statement_timeout={settings.statement_timeout_ms}"
                f" -c lock_timeout={settings.lock_timeout_ms}",
            },
        )
    else:
        raise InvalidInput(
            "AED_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.", field="AED_DATABASE_URL"
        )
    return Database(
        engine=engine,
        writing=sessionmaker(engine, expire_on_commit=False),
        reading=sessionmaker(
            engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False, autoflush=False
        ),
    )


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    raw = connection.driver_connection if hasattr(connection, "driver_connection") else connection
    assert isinstance(raw, sqlite3.Connection)
    raw.isolation_level = None  # SQLAlchemy's "begin" event says when, see below
    if not hasattr(raw, "enable_load_extension"):
        raise DatabaseUnavailable(
            "This Python's sqlite3 cannot load extensions, which SpatiaLite needs: "
            "run with a Python that can (deploy/setup.sh finds one)."
        )
    raw.enable_load_extension(True)
    try:
        raw.load_extension("mod_spatialite")
    except sqlite3.OperationalError as error:
        raise DatabaseUnavailable(
            "SpatiaLite is not installed: apt-get install libsqlite3-mod-spatialite."
        ) from error
    raw.enable_load_extension(False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=ON"):
        raw.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        # Taking the write lock at once: two writers wait for each other instead of failing half-way.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def answering() -> Iterator[None]:
    """Turns "the database does not answer" into DatabaseUnavailable; other errors pass."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("Every database connection is busy. Try again in a moment.") from error
    except DBAPIError as error:
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise DatabaseUnavailable(
                "The database does not answer at this moment. Try again in a few seconds."
            ) from error
        raise


@contextmanager
def transaction(database: Database) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back when anything was raised."""
    with answering(), database.writing.begin() as session:
        yield session


@contextmanager
def reads(database: Database) -> Iterator[Session]:
    """A session that only reads, each statement for itself."""
    with answering(), database.reading() as session:
        yield session


def once_more[Answer](read: Callable[[Session], Answer], database: Database) -> Answer:
    """`read`'s answer, tried a second time on a fresh connection when the pooled one had died.

    After a restart of the database the pool holds dead connections; the first question would fail for it.
    """
    try:
        with database.reading() as session:
            return read(session)
    except DBAPIError as error:
        if not error.connection_invalidated:
            with answering():
                raise
    with reads(database) as session:
        return read(session)


def database_of(request: Request) -> Database:
    """The database that the app was made with."""
    database: Database = request.app.state.database
    return database


def _writing(request: Request) -> Iterator[Session]:
    with transaction(database_of(request)) as session:
        yield session


def _reading(request: Request) -> Iterator[Session]:
    with reads(database_of(request)) as session:
        yield session


# scope="function": the transaction ends before the answer leaves, so a failing commit cannot answer 201.
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
ReadSession = Annotated[Session, Depends(_reading, scope="function")]
DatabaseDep = Annotated[Database, Depends(database_of)]


def as_date(value: date | str | None) -> date | None:
    """A date column of a compiled statement: SQLite's driver answers text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def as_moment(value: datetime | str | None) -> datetime | None:
    """A moment column of a compiled statement, aware."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
