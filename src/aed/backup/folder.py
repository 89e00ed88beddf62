"""Write backup files atomically, never overwrite one, and delete old ones."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from aed.errors import BackupFailed, Conflict, InvalidInput

PARTIAL = ".partial"
SCRATCH = ".sqlite"
"""The suffix of SQLite's temporary copy, before it is compressed."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def backup_name(database: str, at: datetime) -> str:
    """Return a file name such as `aed-20260922T020000Z.zip`; names sort by time."""
    return f"{database}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"


def _is_backup_of(database: str, name: str) -> bool:
    return re.fullmatch(re.escape(database) + r"-\d{8}T\d{6}Z\.zip", name) is not None


@contextmanager
def new_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Create the file `path` atomically: it exists, synced to disk, only if the block succeeds.

    Yields the open file and a path for temporary data. Only the owner may read the file, since it contains
    phone numbers. Files left in the folder by a process that was killed are removed: its lock is gone.

    Raises Conflict if `path` exists.
    """
    if path.exists() or path.is_symlink():
        raise Conflict("{path} already exists. Backups are never overwritten.", path=path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}{PARTIAL}")
    _remove_leftovers(path.parent)
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("Another backup to {path} is in progress.", path=path) from None
        scratch = partial.with_name(partial.name + SCRATCH)
        try:
            file.truncate()
            _remove_scratch(scratch)
            os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            yield file, scratch
            file.flush()
            os.fsync(file.fileno())
            _publish(partial, path)
        finally:
            _remove_scratch(scratch)
            partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def _remove_scratch(scratch: Path) -> None:
    """Remove SQLite's temporary copy, with the journal that it leaves behind when the disk is full."""
    for suffix in ("", "-journal"):
        scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)


def _publish(partial: Path, path: Path) -> None:
    try:
        os.link(partial, path)  # unlike a rename, this fails if the target exists
    except FileExistsError:
        raise Conflict("{path} already exists. Backups are never overwritten.", path=path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS or path.exists():
            raise
        partial.rename(path)


def _remove_leftovers(folder: Path) -> None:
    for partial in folder.glob(f".*.zip{PARTIAL}"):
        try:
            with partial.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove_scratch(partial.with_name(partial.name + SCRATCH))
                partial.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError, PermissionError):
            continue  # in use, already removed, or owned by another user


def sync_folder(folder: Path) -> None:
    """Sync a directory, so that the names in it are on disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def delete_old_backups(folder: Path, database: str, count: int) -> list[Path]:
    """Delete all backups of that database except the newest `count`; return the deleted paths."""
    if count < 1:
        raise InvalidInput("At least one backup must be kept.", field="keep")
    found = sorted(path for path in folder.iterdir() if _is_backup_of(database, path.name))
    removed = found[:-count]
    for path in removed:
        try:
            path.unlink()
        except OSError as error:
            raise BackupFailed(
                "The backup was made, but the older {path} cannot be deleted: {strerror}.",
                path=path,
                strerror=error.strerror,
            ) from error
    return removed
