"""The lease of the worker: one worker is active at a time; a dead one is replaced when its lease expires.

All times are by the database's clock, so the clocks of workers do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.orm import Session

from aed.database.session import database_now
from aed.database.types import UtcDateTime
from aed.worker.models import Lease
from aed.worker.rules import WORKER

_TAKE: Final = text(
    "INSERT INTO leases (name, token, holder, taken_at, expires_at) "
    "VALUES (:name, :token, :holder, :at, :until) ON CONFLICT (name) DO UPDATE "
    "SET token = excluded.token, holder = excluded.holder, expires_at = excluded.expires_at, "
    "taken_at = CASE WHEN leases.token = excluded.token THEN leases.taken_at ELSE excluded.taken_at END "
    "WHERE leases.token = excluded.token OR leases.expires_at <= excluded.taken_at RETURNING token"
).bindparams(bindparam("at", type_=UtcDateTime), bindparam("until", type_=UtcDateTime))


@dataclass(frozen=True, slots=True)
class TakenLease:
    """A lease that this worker holds, from `at` on."""

    at: datetime
    """By the database's clock."""
    before: str | None
    """The token of the previous holder, if it was another."""


def take_lease(session: Session, *, token: str, holder: str, lasts: timedelta) -> TakenLease | None:
    """Take or renew the lease for this token; return None while another token holds it.

    A single conditional statement, so that only one of two workers gets a free lease. The time is read before
    any wait for a lock, so that a wait can only shorten the lease. visibility: for the worker.
    """
    before = session.scalar(select(Lease.token).where(Lease.name == WORKER))
    at = database_now(session)
    taken = session.execute(
        _TAKE, {"name": WORKER, "token": token, "holder": holder, "at": at, "until": at + lasts}
    ).first()
    if taken is None:
        return None
    return TakenLease(at, before if before != token else None)


def holds_lease(session: Session, token: str) -> bool:
    """Return True if this token holds the lease; on PostgreSQL it is locked until the transaction ends.

    visibility: for the worker.
    """
    asked = select(Lease.token).where(Lease.name == WORKER).with_for_update(read=True)
    return session.scalar(asked) == token


def release_lease(session: Session, *, token: str) -> None:
    """Release the lease, so that another worker can take it at once."""
    session.execute(delete(Lease).where(Lease.name == WORKER, Lease.token == token))
