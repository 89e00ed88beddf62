"""Take and restore backups of either database."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from aed import migrations
from aed.backup import postgres, sqlite
from aed.backup.archive import (
    BackupContents,
    BackupKind,
    Manifest,
    Progress,
    Write,
    read_manifest,
    read_payload,
    write_archive,
)
from aed.backup.folder import backup_name, delete_old_backups, new_file
from aed.backup.tables import own_tables, schema_revision
from aed.database.session import Database, read_session
from aed.errors import BackupFailed, BackupUnusable, InvalidInput
from aed.incidents.record.queries import audit_head
from aed.settings import Settings


@dataclass(frozen=True, slots=True)
class TakenBackup:
    path: Path
    manifest: Manifest
    removed: tuple[Path, ...]
    """Older backups that were deleted."""


def take(database: Database, *, to: Path, keep: int | None, at: datetime, progress: Progress) -> TakenBackup:
    """Write a backup of the whole database. `to` is a directory, or a new file ending in `.zip`.

    In a directory, the file is named by database and time, and only the newest `keep` of that database are
    kept. Raises BackupFailed, Conflict, InvalidInput, DatabaseUnavailable; then no file is left behind.
    """
    kind, name = _existing_files(database.engine.url)
    is_file = to.suffix == ".zip" and not to.is_dir()
    if is_file and keep is not None:
        raise InvalidInput("--keep applies to a folder, not to a file.", field="keep")
    path = to if is_file else to / backup_name(name, at)
    with _storage_errors(path), new_file(path) as (file, scratch):

        def pour(write: Write) -> BackupContents:
            if kind is BackupKind.SPATIALITE:
                return sqlite.pour(_file_of(database.engine.url), write, scratch=scratch)
            return postgres.pour(database, write)

        audit = _audit_head(database, at=at)  # first: the backup contains all of these
        manifest = write_archive(file, kind=kind, at=at, progress=progress, pour=pour, audit=audit)
    removed = delete_old_backups(to, name, keep) if keep is not None else []
    return TakenBackup(path, manifest, tuple(removed))


def _audit_head(database: Database, *, at: datetime) -> dict[str, Any] | None:
    """Return the last entry of the audit log; None without a database, or before entries were signed."""
    kind, _ = _existing_files(database.engine.url)
    if kind is BackupKind.SPATIALITE and not _file_of(database.engine.url).is_file():
        return None  # connecting would create the file
    with read_session(database) as session:
        connection = session.connection()
        if schema_revision(connection, own_tables(connection)) != migrations.head():
            return None
        return audit_head(session, at=at).model_dump(mode="json")


def check(backup: Path, *, progress: Progress) -> Manifest:
    """Verify the checksum of a backup, and return its manifest. Raises BackupUnusable."""
    manifest = read_manifest(backup)
    for _ in read_payload(backup, manifest, progress):
        pass
    return manifest


@dataclass(frozen=True, slots=True)
class RestoredBackup:
    manifest: Manifest
    set_aside: Path | None
    """The path of the replaced database, if it contained anything (SpatiaLite only)."""


def restore(
    settings: Settings, database: Database, backup: Path, *, replace: bool, at: datetime, progress: Progress
) -> RestoredBackup:
    """Replace the contents of the database with the backup, migrated to the current schema.

    After an error, the database is unchanged. A database with data is refused unless `replace`. Raises
    BackupUnusable for a file that is damaged, of the other kind of database, or of a schema that this program
    does not know; Conflict, BackupFailed, DatabaseUnavailable.
    """
    manifest = read_manifest(backup)
    kind, _ = _existing_files(database.engine.url)
    if manifest.kind is not kind:
        raise BackupUnusable(
            "{backup} is a backup of a {kind} database, but AED_DATABASE_URL names a {kind_2} database.",
            backup=backup,
            kind=manifest.kind,
            kind_2=kind,
        )
    if not migrations.is_known(manifest.schema_revision):
        raise BackupUnusable(
            "{backup} has schema {schema_revision}, but this program supports schemas up "
            "to {head}. Restore it with version {program} or newer.",
            backup=backup,
            schema_revision=manifest.schema_revision,
            head=migrations.head(),
            program=manifest.program,
        )
    if kind is BackupKind.POSTGIS:
        with _storage_errors(backup):
            postgres.restore(database, backup, manifest, replace=replace, progress=progress)
        return RestoredBackup(manifest, None)
    file = _file_of(database.engine.url)
    with _storage_errors(file):
        aside = sqlite.restore(settings, file, backup, manifest, replace=replace, at=at, progress=progress)
    return RestoredBackup(manifest, aside)


def _existing_files(url: URL) -> tuple[BackupKind, str]:
    """Return the kind of database, and the name for its backups."""
    is_sqlite = url.get_backend_name() == "sqlite"
    name = Path(url.database or "").stem if is_sqlite else url.database or url.username or ""
    return (BackupKind.SPATIALITE if is_sqlite else BackupKind.POSTGIS), re.sub(
        r"[^\w-]+", "_", name
    ) or "database"


def _file_of(url: URL) -> Path:
    return Path(url.database or "")


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system (no space, no permission) into errors with an explanation."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackupFailed("There is no space left for {value}.", value=error.filename or path) from error
        raise BackupFailed(
            "{value}: {value_2}.", value=error.filename or path, value_2=error.strerror or error
        ) from error
