"""The database: engine, sessions, and the one transaction that a request has."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from select import POLLIN, poll
from typing import Any, Final

import anyio
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import (
    Session,
    sessionmaker,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from aed.database.encryption.columns import register_keyring
from aed.database.encryption.keyring import KeyRing
from aed.database.encryption.keys import keyring_from_settings
from aed.errors import DatabaseUnavailable, InvalidInput, TooBusy
from aed.settings import Settings

_LOCK_NOT_AVAILABLE, _UNDEFINED_TABLE = "55P03", "42P01"
"""SQLSTATE codes of PostgreSQL, read without importing its driver."""
SETTINGS: Final = "settings"
"""Under this name a session's `info` has the settings with which its database was opened."""
WALL_CLOCK: Final = "real_time"
"""And under this one, where its work is dated to another day, the moment at which that really happens."""
_EACH_FOR_ITSELF = "each_for_itself"
"""The execution option of a SQLite connection that does not begin a transaction."""


@dataclass(frozen=True)
class Database:
    """An engine and how sessions are made on it."""

    engine: Engine
    write_sessions: sessionmaker[Session]
    autocommit_engine: Engine
    """The same engine, each statement for itself (autocommit): a lookup pays for no BEGIN and no ROLLBACK."""
    read_sessions: sessionmaker[Session]
    """Sessions on that."""
    keys: KeyRing
    """What the numbers in it are sealed with."""
    write_slots: anyio.Semaphore
    """How many requests write at once: one thread always is left.

    Writers wait for each other's locks, each in a thread. Whoever holds the lock needs a thread once more,
    for its answer, before it commits: were they all taken by those who wait, nobody would get on.
    """

    def close(self) -> None:
        self.engine.dispose()


def open_database(settings: Settings, *, kept: int | None = None) -> Database:
    """A database by its URL. Nothing is connected to yet.

    A thread each of `settings.threads` may ask; `kept` connections stay open when nobody does (default: all).

    SQLite: WAL, full sync, foreign keys, busy timeout, SpatiaLite loaded. PostgreSQL: UTC and timeouts.
    """
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise InvalidInput("AED_DATABASE_URL is not a database URL.", field="AED_DATABASE_URL") from error
    kept = settings.threads if kept is None else kept
    pool = {
        "pool_size": kept,
        "max_overflow": settings.threads - kept + 4,
        "pool_use_lifo": True,  # the connection used last has its pages and plans warm
        "pool_timeout": settings.lock_timeout_ms / 1000,
    }
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InvalidInput("AED_DATABASE_URL must name a file.", field="AED_DATABASE_URL")
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(
                f"AED_DATABASE_URL: the folder of {url.database} cannot be made: {error.strerror}.",
                field="AED_DATABASE_URL",
            ) from error
        engine = create_engine(
            url,
            **pool,
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # what a failing statement was given may be a number, or a code
        )

        def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            _prepare_sqlite(connection, busy_timeout_ms=settings.lock_timeout_ms)

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin_sqlite)
    elif url.drivername in ("postgresql", "postgresql+psycopg"):
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            **pool,
            connect_args={
                "connect_timeout": 4,
                "options": f"-c timezone=UTC -c jit=off -c statement_timeout={settings.statement_timeout_ms}"
                f" -c lock_timeout={settings.lock_timeout_ms}",
            },
            hide_parameters=True,  # what a failing statement was given may be a number, or a code
        )
        event.listen(engine, "checkout", _refuse_if_closed)
    else:
        raise InvalidInput(
            "AED_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.", field="AED_DATABASE_URL"
        )
    keys = keyring_from_settings(settings)
    register_keyring(engine.dialect, keys)
    if engine.dialect.name == "sqlite":
        # Its connections are in autocommit until a BEGIN. Changing SQLAlchemy's isolation level there and
        # back is a PRAGMA, after which SQLite prepares every statement anew: 200 us for the lookup's.
        autocommit = engine.execution_options(**{_EACH_FOR_ITSELF: True})
    else:
        autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    told = {SETTINGS: settings}
    return Database(
        engine=engine,
        write_sessions=sessionmaker(engine, expire_on_commit=False, info=told),
        autocommit_engine=autocommit,
        read_sessions=sessionmaker(autocommit, expire_on_commit=False, autoflush=False, info=told),
        keys=keys,
        write_slots=anyio.Semaphore(max(1, settings.threads - 1)),
    )


def _prepare_sqlite(connection: DBAPIConnection, *, busy_timeout_ms: int) -> None:
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
    for pragma in (
        f"busy_timeout={busy_timeout_ms}",  # after SpatiaLite, which sets one of its own
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=ON",
        "cache_size=-8000",  # 8 MB, the places of a city: with SQLite's 2 MB a lookup takes 1.4 times as long
    ):
        raw.execute(f"PRAGMA {pragma}")


def _refuse_if_closed(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, _lent: PoolProxiedConnection
) -> None:
    """Refuse a pooled connection that the server has closed, without asking the server.

    Nothing arrives on an idle connection but its end (or a notice: then a new one is opened in vain).
    """
    import psycopg  # late: not for SQLite

    driver = connection.driver_connection if hasattr(connection, "driver_connection") else connection
    if not isinstance(driver, psycopg.Connection):
        return
    if not driver.closed:
        idle = poll()
        idle.register(driver.fileno(), POLLIN)
        if not idle.poll(0):
            return
    raise DisconnectionError


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get(_EACH_FOR_ITSELF) and options.get("isolation_level") != "AUTOCOMMIT":
        # Taking the write lock at once: two writers wait for each other instead of failing half-way.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Turns "the database does not answer" into DatabaseUnavailable; other errors pass."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("Every database connection is busy. Try again in a moment.") from error
    except DBAPIError as error:
        if _has_no_schema(error):
            raise DatabaseUnavailable("The database has no schema yet: run `aed db upgrade`.") from error
        # SQLite says DatabaseError itself of a file that is damaged or no database.
        if (
            isinstance(error, OperationalError)
            or type(error) is DatabaseError
            or error.connection_invalidated
        ):
            raise DatabaseUnavailable(
                "The database does not answer at this moment. Try again in a few seconds."
            ) from error
        raise


def _has_no_schema(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE or str(error.orig).startswith(
        "no such table"
    )


@contextmanager
def transaction(database: Database) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back when anything was raised."""
    with translate_database_errors(), database.write_sessions.begin() as session:
        yield session


@contextmanager
def dry_run(database: Database) -> Iterator[Session]:
    """One transaction of which nothing stays."""
    with translate_database_errors(), database.write_sessions() as session:
        yield session
        session.rollback()


@contextmanager
def dry_run_database(database: Database) -> Iterator[Database]:
    """The same database, on which everything is rolled back at the end, whatever was committed meanwhile.

    All sessions share one connection, so each sees what the ones before it wrote: a job of many transactions
    runs as it would for real. For one thread; others who write on SQLite wait until it has ended.
    """
    with translate_database_errors(), database.engine.connect() as connection:
        outer = connection.begin()
        try:
            shared: dict[str, Any] = {
                "bind": connection,
                "expire_on_commit": False,
                "info": dict(database.write_sessions.kw["info"]),
                "join_transaction_mode": "create_savepoint",
            }
            yield replace(
                database,
                write_sessions=sessionmaker(**shared),
                read_sessions=sessionmaker(**shared, autoflush=False),
            )
        finally:
            outer.rollback()


def with_wall_clock(database: Database, now: datetime) -> Database:
    """The same database, whose sessions know the real time although they work on another day."""
    kept = {**database.write_sessions.kw["info"], WALL_CLOCK: now}
    return replace(database, write_sessions=sessionmaker(database.engine, expire_on_commit=False, info=kept))


def not_after_wall_clock(session: Session, at: datetime) -> datetime:
    """`at`, or the real time where the session works on a later day than today (`with_real_time`)."""
    now = session.info.get(WALL_CLOCK)
    return at if now is None else min(at, now)


def exclusive_lock(session: Session, what: str) -> None:
    """No other transaction that asks for `what` goes on until this one has ended. SQLite has one writer.

    Raises TooBusy where the settings' lock_timeout is over before the other one is.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    try:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(what.encode())})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise TooBusy(f"Another {what} is going on. Try again when it has ended.") from None
        raise


def shared_lock(session: Session, what: str) -> None:
    """Nobody who asks for `what` `alone` goes on until this transaction has ended; others like this one do.

    Raises DatabaseUnavailable within `answering` where the settings' lock_timeout is over before.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": zlib.crc32(what.encode())})


def database_now(session: Session) -> datetime:
    """The time by the database's clock, which all who work on it share; not that of the transaction's begin.

    With SQLite that is the machine's, to which they all belong.
    """
    if session.get_bind().dialect.name == "postgresql":
        found = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert isinstance(found, datetime)
        return found.astimezone(UTC)
    said = session.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


@contextmanager
def read_session(database: Database) -> Iterator[Session]:
    """A session that only reads, each statement for itself."""
    with translate_database_errors(), database.read_sessions() as session:
        yield session


def retry_on_stale_connection[Opened, Answer](
    read: Callable[[Opened], Answer], opening: Callable[[], AbstractContextManager[Opened]]
) -> Answer:
    """Return `read`'s answer; try once more on a new connection if the pooled one was dead.

    After a restart of the database the pool holds dead connections. `opening` is `read_sessions` or, without
    the 30 microseconds of a Session, `autocommit_engine.connect` of a Database.
    """
    try:
        with opening() as opened:
            return read(opened)
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, PoolTimeout) or not error.connection_invalidated:
            with translate_database_errors():
                raise
    with translate_database_errors(), opening() as opened:
        return read(opened)
