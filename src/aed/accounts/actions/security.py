"""Writing the log of security events."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.models import SecurityEvent
from aed.accounts.rules.security import SecurityEventKind


def log_event(
    session: Session,
    kind: SecurityEventKind,
    *,
    at: datetime,
    person_id: int | None = None,
    account_key: str | None = None,
    address: str | None = None,
    detail: str | None = None,
) -> None:
    """Write one event. Nobody's number is in it: an account is known by its keyed hash."""
    session.add(
        SecurityEvent(
            at=at,
            kind=kind,
            person_id=person_id,
            account_key=account_key,
            address=address[:64] if address is not None else None,
            detail=detail[:200] if detail is not None else None,
        )
    )


def log_expired_token(session: Session, name: str, *, address: str, at: datetime) -> None:
    """Write that an expired token was used; once an hour is enough.

    visibility: only whether it was written already.
    """
    lately = select(SecurityEvent.id).where(
        SecurityEvent.kind == SecurityEventKind.TOKEN_EXPIRED_USED,
        SecurityEvent.detail == name[:200],
        SecurityEvent.at > at - timedelta(hours=1),
    )
    if session.scalar(lately.limit(1)) is None:
        kind = SecurityEventKind.TOKEN_EXPIRED_USED
        log_event(session, kind, at=at, address=address, detail=name)


def forget_events(session: Session, *, before: datetime) -> None:
    """Delete what is older."""
    session.execute(delete(SecurityEvent).where(SecurityEvent.at < before))
