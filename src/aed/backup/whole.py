"""Taking and restoring backups, whichever database it is."""

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
    """Older ones that made room."""


def take(database: Database, *, to: Path, keep: int | None, at: datetime, progress: Progress) -> TakenBackup:
    """A backup of the whole database is on disk. `to` names a folder, or a new file ending in `.zip`.

    In a folder it is named by database and moment, and of that database's only the newest `keep` stay.
    Raises BackupFailed, Conflict, InvalidInput, DatabaseUnavailable; then nothing has been left behind.
    """
    kind, name = _what_is_at(database.engine.url)
    is_file = to.suffix == ".zip" and not to.is_dir()
    if is_file and keep is not None:
        raise InvalidInput("--keep goes with a folder, not with a file.", field="keep")
    path = to if is_file else to / backup_name(name, at)
    with _room_and_rights(path), new_file(path) as (file, scratch):

        def pour(write: Write) -> BackupContents:
            if kind is BackupKind.SPATIALITE:
                return sqlite.pour(_file_of(database.engine.url), write, scratch=scratch)
            return postgres.pour(database, write)

        audit = _audit_head(database, at=at)  # before: so all that it tells of is in the backup
        manifest = write_archive(file, kind=kind, at=at, progress=progress, pour=pour, audit=audit)
    removed = delete_old_backups(to, name, keep) if keep is not None else []
    return TakenBackup(path, manifest, tuple(removed))


def _audit_head(database: Database, *, at: datetime) -> dict[str, Any] | None:
    """How the records stand; None for a database of a release before they were signed, or none at all."""
    kind, _ = _what_is_at(database.engine.url)
    if kind is BackupKind.SPATIALITE and not _file_of(database.engine.url).is_file():
        return None  # to look would make one
    with read_session(database) as session:
        connection = session.connection()
        if schema_revision(connection, own_tables(connection)) != migrations.head():
            return None
        return audit_head(session, at=at).model_dump(mode="json")


def check(backup: Path, *, progress: Progress) -> Manifest:
    """What the backup says of itself, once its sum has been found right. Raises BackupUnusable."""
    manifest = read_manifest(backup)
    for _ in read_payload(backup, manifest, progress):
        pass
    return manifest


@dataclass(frozen=True, slots=True)
class RestoredBackup:
    manifest: Manifest
    set_aside: Path | None
    """Where the replaced database is now, if it held anything (SpatiaLite only)."""


def restore(
    settings: Settings, database: Database, backup: Path, *, replace: bool, at: datetime, progress: Progress
) -> RestoredBackup:
    """The database holds exactly what the backup holds, brought to the program's schema, or is as it was.

    A database in which somebody has entered something is refused unless `replace`. Raises BackupUnusable for
    a file that is damaged, of the other kind of database, or of a schema that this program doesn't know;
    Conflict, BackupFailed, DatabaseUnavailable.
    """
    manifest = read_manifest(backup)
    kind, _ = _what_is_at(database.engine.url)
    if manifest.kind is not kind:
        raise BackupUnusable(
            f"{backup} is of a {manifest.kind} database, and AED_DATABASE_URL names a {kind} one."
        )
    if not migrations.is_known(manifest.schema_revision):
        raise BackupUnusable(
            f"{backup} is of schema {manifest.schema_revision}, and this program knows up to "
            f"{migrations.head()}: restore it with version {manifest.program} or a newer one."
        )
    if kind is BackupKind.POSTGIS:
        with _room_and_rights(backup):
            postgres.restore(database, backup, manifest, replace=replace, progress=progress)
        return RestoredBackup(manifest, None)
    file = _file_of(database.engine.url)
    with _room_and_rights(file):
        aside = sqlite.restore(settings, file, backup, manifest, replace=replace, at=at, progress=progress)
    return RestoredBackup(manifest, aside)


def _what_is_at(url: URL) -> tuple[BackupKind, str]:
    """The kind of database, and a name for its backups."""
    is_sqlite = url.get_backend_name() == "sqlite"
    name = Path(url.database or "").stem if is_sqlite else url.database or url.username or ""
    return (BackupKind.SPATIALITE if is_sqlite else BackupKind.POSTGIS), re.sub(
        r"[^\w-]+", "_", name
    ) or "database"


def _file_of(url: URL) -> Path:
    return Path(url.database or "")


@contextmanager
def _room_and_rights(path: Path) -> Iterator[None]:
    """Says in a sentence what the operating system refuses."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackupFailed(f"There is no room left for {error.filename or path}.") from error
        raise BackupFailed(f"{error.filename or path}: {error.strerror or error}.") from error
