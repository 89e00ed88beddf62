"""The log of security events: sign-ins, lock-outs, role and token changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    delete,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from aed.accounts.permissions import Viewer
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column
from aed.errors import NotAllowed, NotSignedIn


class SecurityEventKind(StrEnum):
    SIGN_IN = "sign_in"
    SIGN_IN_FAILED = "sign_in_failed"
    LOCKED_OUT = "locked_out"
    """Too many attempts from an address, or from all unknown browsers together."""
    SIGN_OUT = "sign_out"
    """Sessions were ended by the person or an administrator."""
    PASSWORD_SET = "password_set"
    SECOND_FACTOR = "second_factor"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    ROLE_GRANTED = "role_granted"
    ROLE_REVOKED = "role_revoked"
    TOKEN_MADE = "token_made"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_EXPIRED_USED = "token_expired_used"


class SecurityEvent(Table):
    """A security event. It holds no phone number."""

    __tablename__ = "security_events"
    __table_args__ = (Index("ix_security_events_account_key", "account_key"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[SecurityEventKind] = mapped_column(enum_column(SecurityEventKind))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    account_key: Mapped[str | None] = mapped_column(String(64))
    """Keyed hash of the phone number, with or without an account."""
    address: Mapped[str | None] = mapped_column(Encrypted("security_events.address"))
    detail: Mapped[str | None] = mapped_column(String(200))
    """A token's name, a role, who did it."""


def security_events(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    before_id: int | None = None,
    kind: SecurityEventKind | None = None,
    person_id: int | None = None,
) -> Sequence[SecurityEvent]:
    """Return a page of security events, newest first. Raises NotSignedIn, NotAllowed.

    visibility: only for a network administrator.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("This requires a network administrator. Send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator may read security events.")
    asked = select(SecurityEvent)
    if before_id is not None:
        asked = asked.where(SecurityEvent.id < before_id)
    if kind is not None:
        asked = asked.where(SecurityEvent.kind == kind)
    if person_id is not None:
        asked = asked.where(SecurityEvent.person_id == person_id)
    return session.scalars(asked.order_by(SecurityEvent.id.desc()).limit(limit)).all()


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
    """Log a security event. Accounts are identified by a keyed hash, never by their number."""
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
    """Log the use of an expired token, at most once an hour.

    visibility: only whether it was logged already.
    """
    lately = select(SecurityEvent.id).where(
        SecurityEvent.kind == SecurityEventKind.TOKEN_EXPIRED_USED,
        SecurityEvent.detail == name[:200],
        SecurityEvent.at > at - timedelta(hours=1),
    )
    if session.scalar(lately.limit(1)) is None:
        kind = SecurityEventKind.TOKEN_EXPIRED_USED
        log_event(session, kind, at=at, address=address, detail=name)


def delete_events(session: Session, *, before: datetime) -> None:
    """Delete events before a moment."""
    session.execute(delete(SecurityEvent).where(SecurityEvent.at < before))
