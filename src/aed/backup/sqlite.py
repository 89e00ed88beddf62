"""Back up SpatiaLite while others write; restore it by replacing the database file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from aed import migrations
from aed.backup.archive import CHUNK_BYTES, BackupContents, Manifest, Progress, Write, read_payload
from aed.backup.folder import sync_folder
from aed.backup.tables import count_rows, is_as_new, own_tables, schema_revision
from aed.database.encryption.keys import key_file_path
from aed.database.session import open_database
from aed.errors import BackupFailed, BackupUnusable, Conflict
from aed.settings import Settings

PAGES_A_STEP = 4096
LOCK_SECONDS = 10.0
_BESIDE = ("-wal", "-shm", "-journal")


# --- backup ---------------------------------------------------------------------------------------------


def pour(database: Path, write: Write, *, scratch: Path) -> BackupContents:
    """Write the database as of one moment, as a single file.

    1. Copy its pages within one read transaction. Writers are not blocked, and the copy contains none of
       their changes.
    2. Check the integrity of the copy, so that damage is found now, and not when the backup is needed.
    3. Count its rows, and write it.
    """
    if not database.is_file():
        raise BackupFailed("There is no database at {database}.", database=database)
    try:
        _copy(database, scratch)
    except sqlite3.Error as error:
        raise BackupFailed("{database} cannot be copied: {error}.", database=database, error=error) from error
    with _plain(scratch) as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if found != "ok":
            raise BackupFailed(
                "{database} is damaged, so no backup was made: {found}.", database=database, found=found
            )
        tables = own_tables(connection)
        revision = schema_revision(connection, tables)
        if revision is None:
            raise BackupFailed(
                "{database} has no schema yet, so there is nothing to back up.", database=database
            )
        contents = BackupContents(
            server=f"SQLite {sqlite3.sqlite_version}",
            server_major=sqlite3.sqlite_version_info[0],
            schema_revision=revision,
            rows=count_rows(connection, tables),
        )
    with scratch.open("rb") as copy:
        while chunk := copy.read(CHUNK_BYTES):
            write(chunk)
    return contents


def _copy(database: Path, to: Path) -> None:
    with (
        contextlib.closing(
            sqlite3.connect(_uri(database, "rw"), uri=True, timeout=LOCK_SECONDS, isolation_level=None)
        ) as source,
        contextlib.closing(sqlite3.connect(to, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA synchronous = OFF")
        # Kept open, so that a writer does not make the copy restart.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(copy, pages=PAGES_A_STEP)
        source.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode = DELETE")


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[Connection]:
    """Open a file read-only, without changing it or creating files beside it."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(_uri(path, "ro"), uri=True, timeout=LOCK_SECONDS)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


# --- restore --------------------------------------------------------------------------------------------


def restore(
    settings: Settings,
    database: Path,
    backup: Path,
    manifest: Manifest,
    *,
    replace: bool,
    at: datetime,
    progress: Progress,
) -> Path | None:
    """Replace the database with the backup, migrated to the current schema; return the path of the old file.

    1. Unpack beside the database; verify checksum and row counts, and migrate, there.
    2. Check that no process has the database open: it would mix old and new data.
    3. Rename the old file, if it contained anything, and rename the new one to its place.

    The database is unchanged until the last step. Raises Conflict, BackupUnusable, BackupFailed.
    """
    was = _check_integrity(database)
    if was is not _Was.NEW and not replace:
        raise Conflict("{database} is not empty. To replace its contents, add --replace.", database=database)
    database.parent.mkdir(parents=True, exist_ok=True)
    unpacked = database.with_name(f".{database.name}.restoring")
    with unpacked.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("Another restore of {database} is in progress.", database=database) from None
        try:
            file.truncate(0)
            for chunk in read_payload(backup, manifest, progress):
                file.write(chunk)
            file.flush()
            _same_rows(unpacked, backup, manifest)
            _migrate(settings, unpacked)
            _copy_owner(unpacked, database)
            os.fsync(file.fileno())
            return _replace_database(unpacked, database, was=was, at=at)
        finally:
            for name in (unpacked, *_companion_files(unpacked)):
                name.unlink(missing_ok=True)


class _Was(Enum):
    NEW = "nothing was entered, or there was no file"
    FILLED = "it held something"
    DAMAGED = "it was no database, or is none any more"


def _check_integrity(database: Path) -> _Was:
    if not database.exists() or database.stat().st_size == 0:
        return _Was.NEW
    try:
        with _plain(database) as connection:
            return _Was.NEW if is_as_new(connection) else _Was.FILLED
    except DBAPIError:
        return _Was.DAMAGED


def _same_rows(unpacked: Path, backup: Path, manifest: Manifest) -> None:
    try:
        with _plain(unpacked) as connection:
            tables = own_tables(connection)
            revision = schema_revision(connection, tables)
            same = count_rows(connection, tables) == manifest.rows and revision == manifest.schema_revision
    except DBAPIError as error:
        raise BackupUnusable(
            "{backup} contains no database: {orig}.", backup=backup, orig=error.orig
        ) from error
    if not same:
        raise BackupUnusable(
            "The contents of {backup} do not match its manifest. Use an older backup.", backup=backup
        )


def _migrate(settings: Settings, unpacked: Path) -> None:
    url = URL.create("sqlite", database=str(unpacked)).render_as_string(hide_password=False)
    # Use the keys of the database that is replaced, and do not create new ones beside this file.
    keys = {"encryption_key_file": key_file_path(settings)}
    opened = open_database(settings.model_copy(update={"database_url": url, **keys}))
    try:
        migrations.upgrade(opened)
    finally:
        opened.close()
    with contextlib.closing(sqlite3.connect(unpacked)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")


def _copy_owner(unpacked: Path, database: Path) -> None:
    """Give the new file the owner of the file that it replaces, so that the service can write to it."""
    if database.exists():
        unpacked.chmod(database.stat().st_mode & 0o777)
    if os.geteuid() == 0:
        owner = (database if database.exists() else database.parent).stat()
        os.chown(unpacked, owner.st_uid, owner.st_gid)


def _replace_database(unpacked: Path, database: Path, *, was: _Was, at: datetime) -> Path | None:
    aside = database.with_name(f"{database.name}.replaced-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    if aside.exists():
        raise Conflict("{aside} already exists. Move it away first.", aside=aside)
    if was is _Was.DAMAGED:
        for name, kept in zip(_companion_files(database), _companion_files(aside), strict=True):
            if name.exists():  # SQLite may remove it itself when it opens the file
                shutil.copy2(name, kept)
    _refuse_if_open(database)
    for name in _companion_files(database):
        # These belong to a lost or damaged file. SQLite would apply them to the new one.
        name.unlink(missing_ok=True)
    if was is not _Was.NEW:
        try:
            os.link(database, aside)
        except OSError:  # hard links are not supported: for a moment there is no database
            database.rename(aside)
    unpacked.replace(database)
    sync_folder(database.parent)
    return aside if was is not _Was.NEW else None


def _refuse_if_open(database: Path) -> None:
    """Raise Conflict if another process has the database open. Checkpoints the write-ahead log."""
    if not database.exists():
        return
    in_use = Conflict("{database} is in use. Stop the service first (systemctl stop aed).", database=database)
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=1.0, isolation_level=None)) as alone:
            if alone.execute("PRAGMA journal_mode = DELETE").fetchone() == ("wal",):
                raise in_use
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise in_use from error
        raise BackupFailed(
            "{database} cannot be replaced: {error}.", database=database, error=error
        ) from error
    except sqlite3.DatabaseError:
        return  # not a database any more, so no process uses it


def _companion_files(database: Path) -> list[Path]:
    return [database.with_name(database.name + ending) for ending in _BESIDE]
