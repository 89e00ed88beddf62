"""Advisory locks of PostgreSQL, held until the transaction ends."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from aed.errors import TooBusy

_LOCK_NOT_AVAILABLE: Final = "55P03"


def exclusive_lock(session: Session, what: str) -> None:
    """Hold an exclusive advisory lock on `what` until commit. (SQLite already serialises writers.)

    Raises TooBusy if the lock is not available within the settings' lock timeout.
    """
    exclusive_locks(session, [what])


def exclusive_locks(session: Session, whats: Collection[str]) -> None:
    """Hold several locks until commit. Every caller takes them in one order, so that none block each other.

    Raises TooBusy if one is not available within the settings' lock timeout.
    """
    if session.get_bind().dialect.name != "postgresql" or not whats:
        return
    try:
        session.execute(
            text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key"),
            {"keys": sorted({_key_of_lock(what) for what in whats})},
        )
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            what = min(whats)
            raise TooBusy(
                "The server is busy with another operation ({what}). Try again when it has ended.", what=what
            ) from None
        raise


def try_exclusive_lock(session: Session, what: str) -> bool:
    """Hold the lock until commit if nobody else does; return whether that is so. Never waits."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    found = session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _key_of_lock(what)})
    return bool(found.scalar_one())


def _key_of_lock(what: str) -> int:
    return zlib.crc32(what.encode())


def shared_lock(session: Session, what: str) -> None:
    """Hold a shared advisory lock on `what` until the transaction ends; it excludes `exclusive_lock` only.

    Within `translate_database_errors`, raises DatabaseUnavailable if the lock timeout expires.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _key_of_lock(what)})
