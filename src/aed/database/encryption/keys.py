"""Load encryption keys from AED_ENCRYPTION_KEYS or a file.

For a SQLite database a key file is created beside it, so that no setup is needed. Servers get their keys from
the environment, so that keys are not stored next to the data.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from aed.database.encryption.keyring import FORM, EncryptionKey, KeyRing, generate_key, parse_keys
from aed.errors import InvalidInput, KeysUnusable
from aed.settings import Settings

SETTING: Final = "AED_ENCRYPTION_KEYS"
FOLLOWED_AFTER_SECONDS: Final = 1.0
"""Maximum time until a running process notices a changed key file."""


def keyring_from_settings(settings: Settings) -> KeyRing:
    """Return the keys named in the settings; create a key file beside a new SQLite database.

    Raises InvalidInput for an invalid key, and KeysUnusable if there is none and none may be created.
    """
    given = settings.encryption_keys.get_secret_value().strip() if settings.encryption_keys else ""
    if given:
        keys = parse_keys(given.replace(",", " ").split(), field=SETTING)
        return KeyRing(lambda: keys, source=SETTING)
    file = key_file_path(settings)
    if file is None:
        raise KeysUnusable(
            "This database needs encryption keys and has none. Make one with `aed keys "
            "new`, store it apart from the database, and set {setting}, the same for every "
            "process.",
            setting=SETTING,
        )
    if not file.exists():
        if settings.encryption_key_file is not None or not settings.database_url.startswith("sqlite"):
            raise KeysUnusable("There is no key file {file}. `aed keys new --first` creates it.", file=file)
        _make(file, Path(make_url(settings.database_url).database or ""))
    return KeyRing(_Following(file), source=str(file))


def key_file_path(settings: Settings) -> Path | None:
    """Return the path of the key file: the configured one, or the one beside a SQLite database."""
    if settings.encryption_key_file is not None:
        return settings.encryption_key_file
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(url.database).with_suffix(".keys")


def _make(file: Path, database: Path) -> None:
    """Create a key file, safely if several processes start at once.

    Raises KeysUnusable if the database already contains encrypted values.
    """
    if database.exists() and _holds_sealed(database):
        raise KeysUnusable(
            "The personal data in {database} is encrypted, and its key file {file} is "
            "missing. Restore that file, or set {setting} to its contents. Without it the "
            "data cannot be read.",
            database=database,
            file=file,
            setting=SETTING,
        )
    prepend_key(file, generate_key())


def _holds_sealed(database: Path) -> bool:
    """Return whether the database contains encrypted values.

    visibility: only whether there are any, none of them are returned.
    """
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as raw:
        try:
            found = raw.execute(f"SELECT 1 FROM people WHERE phone LIKE '{FORM}:%' LIMIT 1").fetchone()  # noqa: S608 - a constant
        except sqlite3.DatabaseError:
            return False  # no table yet, or not a database; opening it reports the error
    return found is not None


def prepend_key(file: Path, key: str) -> tuple[EncryptionKey, ...]:
    """Insert a key at the start of a key file, creating the file, readable by its owner only, if missing.

    Raises InvalidInput if the file would have too many keys.
    """
    before = file.read_text().split() if file.exists() else []
    found = parse_keys([key, *before], field=str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    opened = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "w") as written:
            written.write("\n".join([key, *before]) + "\n")
            written.flush()
            os.fsync(written.fileno())
        if before:
            scratch.replace(file)
        else:
            with contextlib.suppress(FileExistsError):  # another process was first: use its key
                file.hardlink_to(scratch)
    finally:
        scratch.unlink(missing_ok=True)
    return found


class _Following:
    """The keys of a file, reloaded when the file changes, so that a running server follows it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._stamp = self._stamped()
        self._keys = self._read()

    def __call__(self) -> tuple[EncryptionKey, ...]:
        if time.monotonic() - self._looked > FOLLOWED_AFTER_SECONDS:
            with self._lock:
                self._looked = time.monotonic()
                stamp = self._stamped()
                if stamp != self._stamp and stamp is not None:
                    self._keys, self._stamp = self._read(), stamp
        return self._keys

    def _stamped(self) -> tuple[int, int] | None:
        """Return modification time and inode; None if the file is missing, which keeps the loaded keys."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> tuple[EncryptionKey, ...]:
        try:
            written = self._file.read_text()
        except OSError as error:
            raise KeysUnusable(
                "The key file {file} cannot be read: {strerror}.", file=self._file, strerror=error.strerror
            ) from error
        return parse_keys(written.split(), field=str(self._file))


__all__ = ["SETTING", "InvalidInput", "key_file_path", "keyring_from_settings", "prepend_key"]
