"""Schema history, and moving a database along it."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import sleep
from typing import Any, Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from aed.database.schema import prepare_database
from aed.database.session import Database, lift_statement_timeout
from aed.errors import Conflict
from aed.migrations.indexes import WITHIN_TRANSACTION

log = structlog.get_logger("aed")

LOCK_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Pauses between attempts to lock a table that is in use."""
UPGRADE_WAIT_MS: Final = 600_000
"""How long an upgrade of SQLite waits for another."""
UPGRADE_POLL_SECONDS: Final = 0.2
"""Pause between attempts to begin while another upgrade of PostgreSQL runs."""
_ALEMBIC: Final = threading.Lock()
"""Held while Alembic runs: its environment is one for the whole process."""
_LOCK_ERRORS: Final = ("55P03", "40P01")
"""SQLSTATE of a lock that was not available in time, and of a deadlock."""


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an .ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def upgrade(database: Database, revision: str = "head") -> None:
    """Upgrade the schema to `revision`; a database that is there already stays as it is.

    1. Wait until no other upgrade runs: the second one finds the work done.
    2. Wait for a table's lock no longer than the settings say, so that requests behind it do not wait longer;
       then try again from the last revision that was completed.

    Raises Conflict if the revision is unknown, OperationalError if a table stays locked for minutes.
    """
    with database.engine.connect() as connection, _only_upgrade(connection):
        with connection.begin():
            prepare_database(connection)
        for pause_seconds in (*LOCK_PAUSES_SECONDS, None):
            try:
                if connection.dialect.name == "sqlite":
                    connection.begin()  # takes the write lock; the upgrade is one transaction
                upgrade_on(connection, revision)
                connection.commit()
            except OperationalError as error:
                if pause_seconds is None or getattr(error.orig, "sqlstate", None) not in _LOCK_ERRORS:
                    raise
                connection.rollback()
                log.warning("a table is in use; the upgrade tries again", seconds=pause_seconds)
                sleep(pause_seconds)  # another process holds the lock, and does not say when it ends
            else:
                return


@contextmanager
def _only_upgrade(connection: Connection) -> Iterator[None]:
    """Exclude other upgrades of the database within the block, however long they take."""
    if connection.dialect.name == "sqlite":
        # The upgrade is one transaction, which begins by taking the write lock.
        driver: Any = connection.connection.driver_connection
        before = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute(f"PRAGMA busy_timeout = {UPGRADE_WAIT_MS}")
        try:
            yield
        finally:
            driver.execute(f"PRAGMA busy_timeout = {before}")
        return
    lift_statement_timeout(connection)
    key = {"key": zlib.crc32(b"upgrade")}
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
        connection.commit()  # an index that is built concurrently waits for every transaction, also this one
        sleep(UPGRADE_POLL_SECONDS)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
        connection.commit()


def upgrade_on(connection: Connection, revision: str = "head") -> None:
    """The same on a connection; within its transaction, if it is in one."""
    found = config(connection)
    found.attributes[WITHIN_TRANSACTION] = connection.in_transaction()
    try:
        with _ALEMBIC:
            command.upgrade(found, revision)
    except CommandError as error:
        raise Conflict(f"The database cannot be upgraded: {error}") from error


def downgrade(database: Database, revision: str) -> None:
    """Downgrade the schema to `revision`; `base` empties it."""
    with database.engine.connect() as connection:
        try:
            with _ALEMBIC:
                command.downgrade(config(connection), revision)
        except CommandError as error:
            raise Conflict(f"The database cannot be downgraded: {error}") from error
        connection.commit()


def has_schema(connection: Connection) -> bool:
    """True if the database has a schema, of whatever revision."""
    return connection.dialect.has_table(connection, "alembic_version")


@cache
def head() -> str:
    """The newest revision that this program knows. It is read from all of them, once: that takes 7 ms."""
    found = ScriptDirectory.from_config(config()).get_current_head()
    assert found is not None
    return found


def is_newer(revision: str | None) -> bool:
    """Return True for a revision beyond the head, which a newer program made. Revisions are numbers."""
    return revision is not None and revision.isdecimal() and int(revision) > int(head())


def is_known(revision: str) -> bool:
    """Whether that revision is one of this program's; if not, a newer program made it."""
    return revision in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
