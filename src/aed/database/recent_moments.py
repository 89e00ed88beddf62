"""Recent moments by key, for limits. Processes of one machine may share them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Lock
from typing import Final
from weakref import finalize

import structlog

from aed.errors import InvalidInput
from aed.settings import Settings

log = structlog.get_logger("aed")

BUSY_SECONDS: Final = 0.5
"""Time to wait for another process; it needs a fraction of a millisecond."""


class RecentMoments:
    """Moments of the last `kept_seconds` by key, in seconds of a clock of the caller's choice. Thread-safe.

    A file that cannot be read or written is logged, and counts as empty: a limit never stops a lookup.
    """

    def __init__(self, file: Path | None = None, *, kept_seconds: float) -> None:
        """Keep the moments in a file that processes share, or in the memory of this process."""
        self._kept_seconds = kept_seconds
        self._lock = Lock()
        self._connection = sqlite3.connect(
            ":memory:" if file is None else file,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        finalize(self, self._connection.close)  # an application that was never started is never stopped
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = OFF",  # nothing here must outlive the machine
            "CREATE TABLE IF NOT EXISTS moments (key BLOB NOT NULL, at REAL NOT NULL)",
            "CREATE INDEX IF NOT EXISTS moments_by_key ON moments (key, at)",
            "CREATE INDEX IF NOT EXISTS moments_by_age ON moments (at)",
        ):
            self._connection.execute(statement)

    def add(self, key: bytes, at: float, *, limit: int | None = None) -> int | None:
        """Add a moment and return how many of the key are kept; None, and add none, if they are `limit`."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    self._connection.execute("DELETE FROM moments WHERE at <= ?", (at - self._kept_seconds,))
                    known = self._count(key)
                    if limit is not None and known >= limit:
                        return None
                    self._connection.execute("INSERT INTO moments VALUES (?, ?)", (key, at))
                    return known + 1
                finally:
                    self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                log.warning("shared counts not written", reason=str(error))
                return 1

    def has(self, key: bytes, at: float) -> bool:
        """True if a moment of the key is within `kept_seconds` before `at`."""
        with self._lock:
            try:
                return self._count(key, after=at - self._kept_seconds) > 0
            except sqlite3.Error as error:
                log.warning("shared counts not read", reason=str(error))
                return False

    def _count(self, key: bytes, *, after: float = float("-inf")) -> int:
        found = self._connection.execute(
            "SELECT count(*) FROM moments WHERE key = ? AND at > ?", (key, after)
        )
        count: int = found.fetchone()[0]
        return count


def recent_moments(settings: Settings, name: str, *, kept_seconds: float) -> RecentMoments:
    """Return the moments of that name, shared through AED_SHARED_FOLDER if it is set.

    Raises InvalidInput if nothing can be written there.
    """
    folder = settings.shared_folder
    if folder is None:
        return RecentMoments(kept_seconds=kept_seconds)
    try:
        return RecentMoments(folder / f"{name}.sqlite", kept_seconds=kept_seconds)
    except sqlite3.Error as error:
        raise InvalidInput(
            "AED_SHARED_FOLDER: {folder} is not a folder that the program may write to.",
            field="AED_SHARED_FOLDER",
            folder=folder,
        ) from error
