"""Database engine, sessions, transactions and locks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from select import POLLIN, poll
from typing import Any, Final

import anyio
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    DisconnectionError,
    InvalidRequestError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import (
    Session,
    sessionmaker,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from aed.database.encryption.columns import register_keyring
from aed.database.encryption.keyring import KeyRing
from aed.database.encryption.keys import keyring_from_settings
from aed.deadlines import repeatable
from aed.errors import DatabaseUnavailable, InvalidInput
from aed.settings import Settings

_UNDEFINED_TABLE = "42P01"
"""SQLSTATE codes of PostgreSQL, defined here to avoid importing its driver."""
_TEMPORARY: Final = ("08", "40", "57", "25006")
"""Classes of SQLSTATE, and one code, of errors that pass: lost connection, rollback by the server, operator
intervention, and a server that became a standby."""
POSTGRESQL_DRIVERS: Final = ("postgresql", "postgresql+psycopg")
SETTINGS: Final = "settings"
"""Key in a session's `info` of the settings with which the database was opened."""
WALL_CLOCK: Final = "real_time"
"""Key in a session's `info` of the real time, if the session's work is dated to another day."""
_EACH_FOR_ITSELF = "each_for_itself"
"""Execution option of a SQLite connection in autocommit mode."""
_WAL_PAUSE_SECONDS: Final = 0.02
"""Between two attempts to set the write-ahead log."""


@dataclass(frozen=True)
class Database:
    """An engine with its session factories and encryption keys."""

    engine: Engine
    write_sessions: sessionmaker[Session]
    autocommit_engine: Engine
    """The same engine in autocommit mode, so that lookups need no BEGIN and ROLLBACK."""
    read_sessions: sessionmaker[Session]
    """Factory of read-only sessions on `autocommit_engine`."""
    keys: KeyRing
    """Keys of the encrypted columns."""
    write_slots: anyio.Semaphore
    """Limit on concurrent write requests, which keeps at least one thread free.

    Writers that wait for a lock occupy a thread. The writer that holds the lock needs another thread to
    finish its response before it commits. If waiting writers occupied all threads, none could proceed.
    """

    def close(self) -> None:
        self.engine.dispose()


def _as_is(_engine: Engine) -> None:
    """Leave a new engine as it is."""


def open_database(
    settings: Settings, *, kept: int | None = None, prepare: Callable[[Engine], None] = _as_is
) -> Database:
    """Create the engine and sessions for the database URL in the settings, without connecting yet.

    The pool has a connection for each of `settings.threads`; `kept` of them (default: all) stay open when
    idle. `prepare` may listen to the events of PostgreSQL's engine. SQLite connections use WAL, full sync,
    foreign keys, a busy timeout and SpatiaLite; PostgreSQL connections use UTC and timeouts. Raises
    InvalidInput if the URL is invalid.
    """
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is not a number
        raise InvalidInput("AED_DATABASE_URL is not a database URL.", field="AED_DATABASE_URL") from error
    if url.get_backend_name() == "sqlite":
        if settings.database_read_url is not None:
            raise InvalidInput(
                "AED_DATABASE_READ_URL is for standbys of PostgreSQL: a SQLite database has none.",
                field="AED_DATABASE_READ_URL",
            )
        engine = _sqlite_engine(url, settings, kept)
    elif url.drivername in POSTGRESQL_DRIVERS:
        engine = postgresql_engine(url, settings, kept, prepare=prepare)
    else:
        raise InvalidInput(
            "AED_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.", field="AED_DATABASE_URL"
        )
    keys = keyring_from_settings(settings)
    register_keyring(engine.dialect, keys)
    if engine.dialect.name == "sqlite":
        # SQLite connections are in autocommit mode until BEGIN. Changing SQLAlchemy's isolation level runs a
        # PRAGMA, after which SQLite prepares every statement again: 200 us for the lookup's statement.
        autocommit = engine.execution_options(**{_EACH_FOR_ITSELF: True})
    else:
        autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    info = {SETTINGS: settings}
    return Database(
        engine=engine,
        write_sessions=sessionmaker(engine, expire_on_commit=False, info=info),
        autocommit_engine=autocommit,
        read_sessions=sessionmaker(autocommit, expire_on_commit=False, autoflush=False, info=info),
        keys=keys,
        write_slots=anyio.Semaphore(max(1, settings.threads - 1)),
    )


def _pool_options(settings: Settings, kept: int | None) -> dict[str, Any]:
    kept = settings.threads if kept is None else kept
    return {
        "pool_size": kept,
        "max_overflow": settings.threads - kept + 4,
        "pool_use_lifo": True,  # the connection used last has warm caches
        "pool_timeout": settings.lock_timeout_ms / 1000,
    }


def _sqlite_engine(url: URL, settings: Settings, kept: int | None) -> Engine:
    if not url.database or url.database == ":memory:":
        raise InvalidInput("AED_DATABASE_URL must name a database file.", field="AED_DATABASE_URL")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            "AED_DATABASE_URL: the folder of {database} cannot be created: {strerror}.",
            field="AED_DATABASE_URL",
            database=url.database,
            strerror=error.strerror,
        ) from error
    engine = create_engine(
        url,
        **_pool_options(settings, kept),
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # what a failing statement was given may be a number, or a code
    )

    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        _prepare_sqlite(connection, busy_timeout_ms=settings.lock_timeout_ms)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def postgresql_engine(
    url: URL,
    settings: Settings,
    kept: int | None = None,
    *,
    prepare: Callable[[Engine], None] = _as_is,
) -> Engine:
    """Create the engine of a PostgreSQL server, whose connections have limits and are checked before use.

    `prepare` may listen to the engine's events before this does.
    """
    from aed.database.postgres import bound_waits, require_settings  # SQLite does not need the driver

    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        **_pool_options(settings, kept),
        connect_args=_connect_args(url, settings),
        hide_parameters=True,  # what a failing statement was given may be a number, or a code
    )
    event.listen(engine, "checkout", _refuse_if_closed)
    prepare(engine)
    bound_waits(engine, max_silence_seconds=max_silence_seconds(settings))
    require_settings(engine, _limits(settings))
    return engine


def connect_options(url: URL, settings: Settings) -> dict[str, Any]:
    """Return the options of libpq for a connection to the server at the URL, as `postgresql_engine` has."""
    _, options = url.set(drivername="postgresql+psycopg").get_dialect()().create_connect_args(url)
    return {**options, **_connect_args(url, settings)}


def _connect_args(url: URL, settings: Settings) -> dict[str, Any]:
    from aed.database.postgres import NETWORK_DEFAULTS  # SQLite does not need the driver

    return {
        **{name: value for name, value in NETWORK_DEFAULTS.items() if name not in url.query},
        "options": " ".join(f"-c {name}={value}" for name, value in _limits(settings).items()),
    }


def _limits(settings: Settings) -> dict[str, str]:
    from aed.database.postgres import session_settings  # SQLite does not need the driver

    return session_settings(
        statement_timeout_ms=settings.statement_timeout_ms, lock_timeout_ms=settings.lock_timeout_ms
    )


def max_silence_seconds(settings: Settings) -> float:
    """Return how long a server may work on a statement without an answer."""
    return settings.statement_timeout_ms / 1000 + 1


def _prepare_sqlite(connection: DBAPIConnection, *, busy_timeout_ms: int) -> None:
    raw = connection.driver_connection if hasattr(connection, "driver_connection") else connection
    assert isinstance(raw, sqlite3.Connection)
    raw.isolation_level = None  # transactions start in the "begin" event, see below
    if not hasattr(raw, "enable_load_extension"):
        raise DatabaseUnavailable(
            "This Python's sqlite3 cannot load extensions, which SpatiaLite requires. Use a "
            "Python that can (deploy/setup.sh finds one)."
        )
    raw.enable_load_extension(True)
    try:
        raw.load_extension("mod_spatialite")
    except sqlite3.OperationalError as error:
        raise DatabaseUnavailable(
            "SpatiaLite is not installed. Run: apt-get install libsqlite3-mod-spatialite."
        ) from error
    raw.enable_load_extension(False)
    for pragma in (
        f"busy_timeout={busy_timeout_ms}",  # after loading SpatiaLite, which changes it
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=ON",
        "cache_size=-8000",  # 8 MB, enough for a city; with the default 2 MB a lookup takes 1.4 times as long
    ):
        raw.execute(f"PRAGMA {pragma}")
    _write_ahead(raw, until=time.monotonic() + busy_timeout_ms / 1000)


def _write_ahead(raw: sqlite3.Connection, *, until: float) -> None:
    """Set the write-ahead log, and wait for a process that writes to a new file without one.

    SQLite does not wait by itself here. `until` is in seconds of the monotonic clock; raises
    sqlite3.OperationalError then.
    """
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # of whatever kind: recovery, too
            if not is_busy or time.monotonic() > until:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)  # SQLite calls no busy handler here
        else:
            return


def _refuse_if_closed(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, _lent: PoolProxiedConnection
) -> None:
    """Reject a pooled connection that the server has closed, without a round trip.

    On an idle connection, incoming data means that it was closed (or a notice, which is harmless: then a new
    connection is opened needlessly).
    """
    import psycopg  # imported late, since SQLite does not need it

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
        # Take the write lock immediately, so that concurrent writers wait instead of failing later.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Translate connection errors and timeouts to DatabaseUnavailable; other errors propagate."""
    try:
        yield
    except SQLAlchemyError as error:
        unavailable = unavailability(error)
        if unavailable is None:
            raise
        raise unavailable from error


def unavailability(error: SQLAlchemyError) -> DatabaseUnavailable | None:
    """Return what to answer if the error says that the database cannot serve now; None for other errors."""
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable("Every database connection is busy. Try again in a moment.")
    if _is_refused(error):
        return DatabaseUnavailable("The database does not respond. Try again in a few seconds.")
    if not isinstance(error, DBAPIError):
        return None
    if _has_no_schema(error):
        return DatabaseUnavailable("The database has no schema yet. Run `aed db upgrade`.")
    # SQLite raises plain DatabaseError for a file that is damaged or not a database.
    if (
        isinstance(error, OperationalError)
        or type(error) is DatabaseError
        or error.connection_invalidated
        or str(getattr(error.orig, "sqlstate", None) or "").startswith(_TEMPORARY)
    ):
        return DatabaseUnavailable("The database does not respond. Try again in a few seconds.")
    return None


def _is_refused(error: SQLAlchemyError) -> bool:
    """True if the pool gave up: new connections, too, were to a server that may not answer (any more)."""
    return isinstance(error, InvalidRequestError) and str(error) == "This connection is closed"


def _has_no_schema(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE or str(error.orig).startswith(
        "no such table"
    )


@contextmanager
def transaction(database: Database) -> Iterator[Session]:
    """Run a transaction: commit at the end, or roll back if an exception is raised.

    Raises DatabaseUnavailable with advice of its own if the connection is lost during the commit: then the
    change may have been saved. A commit that waits is not cancelled.
    """
    is_committing = False
    with translate_database_errors():
        try:
            with database.write_sessions.begin() as session:
                yield session
                is_committing = True
        except DBAPIError as error:
            if is_committing and error.connection_invalidated:
                raise DatabaseUnavailable(
                    "The database has not confirmed the change: it may have been saved, or not. Repeat the "
                    "same request with the same key, which does nothing twice."
                ) from error
            raise


@contextmanager
def dry_run(database: Database) -> Iterator[Session]:
    """Run a transaction and roll it back at the end."""
    with translate_database_errors(), database.write_sessions() as session:
        yield session
        session.rollback()


@contextmanager
def dry_run_database(database: Database) -> Iterator[Database]:
    """Provide a copy of the database on which everything is rolled back at the end, including commits.

    All sessions share one connection, so that a job of many transactions sees its earlier writes as usual.
    Use it in one thread only. On SQLite, other writers wait until it ends.
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
    """Return the database with sessions that know the real time while their work is dated to another day."""
    kept = {**database.write_sessions.kw["info"], WALL_CLOCK: now}
    return replace(database, write_sessions=sessionmaker(database.engine, expire_on_commit=False, info=kept))


def not_after_wall_clock(session: Session, at: datetime) -> datetime:
    """Return the earlier of `at` and the session's real time (see `with_wall_clock`); `at` if it has none."""
    now = session.info.get(WALL_CLOCK)
    return at if now is None else min(at, now)


def lift_statement_timeout(connection: Connection) -> None:
    """Let the statements of this connection take their time. (SQLite has no such limit.)

    For migrations and backups. Locks are still waited for no longer than the settings say.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET statement_timeout = 0")
        driver: Any = connection.connection.driver_connection
        driver.max_silence_seconds = inf


def database_now(session: Session) -> datetime:
    """Return the current time of the database's clock, which all its clients share.

    This is not the start time of the transaction. On SQLite it is the machine's clock.
    """
    if session.get_bind().dialect.name == "postgresql":
        found = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert isinstance(found, datetime)
        return found.astimezone(UTC)
    now = session.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(now).replace(tzinfo=UTC)


@contextmanager
def read_session(database: Database) -> Iterator[Session]:
    """Open a read-only session in autocommit mode."""
    with translate_database_errors(), database.read_sessions() as session:
        yield session


def retry_on_stale_connection[Opened, Answer](
    read: Callable[[Opened], Answer], opening: Callable[[], AbstractContextManager[Opened]]
) -> Answer:
    """Return the result of `read`; retry once on a new connection if the pooled one was closed.

    After a restart of the database the pool contains closed connections, and a standby may have stopped.
    `opening` is the `read_sessions` of a Database, or its `autocommit_engine.connect`, which saves the 30
    microseconds of a Session.
    """
    try:
        with repeatable(), opening() as opened:
            return read(opened)
    except (DBAPIError, PoolTimeout, InvalidRequestError) as error:
        is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if not (is_lost or _is_refused(error)):
            with translate_database_errors():
                raise
    with translate_database_errors(), opening() as opened:
        return read(opened)
