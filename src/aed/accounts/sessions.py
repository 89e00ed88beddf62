"""Signed-in browser sessions: reading, renewing and ending them; their cookie and CSRF token."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    ForeignKey,
    String,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.tokens import hash_key
from aed.database.encryption.columns import Encrypted
from aed.database.session import SETTINGS
from aed.database.types import BigIntId, Table
from aed.errors import NotFound, NotSignedIn

SESSION_COOKIE: Final = "__Host-aed"
"""The prefix makes browsers refuse it unless Secure, with Path=/ and without Domain."""
SESSION_KEY_PREFIX: Final = "aeds_"
"""Begins the keys of sessions without a cookie: apps send them as `Authorization: Bearer aeds_…`."""
CSRF_HEADER: Final = "X-CSRF-Token"
LAST_SEEN_PRECISION: Final = timedelta(minutes=15)
"""`last_seen_at` is updated at most this often; otherwise every request would write."""


def active_sessions(session: Session, person_id: int, *, at: datetime) -> Sequence[SignIn]:
    """Return the person's active sessions, newest first.

    visibility: for the person and for administrators.
    """
    return session.scalars(
        select(SignIn)
        .where(SignIn.person_id == person_id, *is_active_session(session, at))
        .order_by(SignIn.id.desc())
    ).all()


def is_active_session(session: Session, at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Select sessions that have not ended, expired or become idle.

    visibility: it is a predicate itself.
    """
    return (
        SignIn.ended_at.is_(None),
        SignIn.expires_at > at,
        func.coalesce(SignIn.last_seen_at, SignIn.created_at) > idle_since(session, at),
    )


class SignIn(Table):
    """A browser session, by the hash of the key in its cookie."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    """Updated every 15 minutes at most; None: not used since it began. An idle session expires."""
    user_agent: Mapped[str | None] = mapped_column(String(200))
    """User-Agent of the browser, shown in the person's own list."""
    address: Mapped[str | None] = mapped_column(Encrypted("sign_ins.address"))
    """IP address at sign-in."""
    is_limited: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The session needs a second factor, and permits nothing else until it is given."""
    second_factor_at: Mapped[datetime | None]
    challenge: Mapped[str | None] = mapped_column(String(128))
    """The WebAuthn challenge, valid once until `challenge_until`."""
    challenge_until: Mapped[datetime | None]


def idle_since(session: Session, at: datetime) -> datetime:
    """Return the moment before which a session must have been used last to count as idle."""
    hours: int = session.info[SETTINGS].sign_in_idle_hours
    return at - timedelta(hours=hours)


def active_session(session: Session, key_hash: str, *, at: datetime) -> SignIn | None:
    """Return the session with that key hash; None if it ended, expired or was idle for too long at `at`.

    It may be limited: then it permits nothing but giving a second factor.
    """
    found = session.scalar(select(SignIn).where(SignIn.key_hash == key_hash))
    if found is None or found.ended_at is not None or found.expires_at <= at:
        return None
    return found if (found.last_seen_at or found.created_at) > idle_since(session, at) else None


def people_by_session(session: Session, key_hashes: Collection[str], *, at: datetime) -> dict[str, int]:
    """Return {key hash: person id} of those sessions that are active at `at` and not limited."""
    found = session.execute(
        select(SignIn.key_hash, SignIn.person_id).where(
            SignIn.key_hash.in_(key_hashes),
            SignIn.ended_at.is_(None),
            SignIn.expires_at > at,
            func.coalesce(SignIn.last_seen_at, SignIn.created_at) > idle_since(session, at),
            or_(~SignIn.is_limited, SignIn.second_factor_at.is_not(None)),
        )
    )
    return {row.key_hash: row.person_id for row in found}


def end_sessions(session: Session, person_id: int, *, at: datetime) -> int:
    """End all sessions of a person; return how many there were."""
    ended = session.execute(
        update(SignIn).where(SignIn.person_id == person_id, SignIn.ended_at.is_(None)).values(ended_at=at)
    )
    assert isinstance(ended, CursorResult)
    return ended.rowcount


def touch_sessions(session: Session, key_hashes: Collection[str], *, at: datetime) -> None:
    """Update `last_seen_at` of the active ones among these sessions."""
    session.execute(
        update(SignIn)
        .where(
            SignIn.key_hash.in_(key_hashes),
            func.coalesce(SignIn.last_seen_at, SignIn.created_at) <= at - LAST_SEEN_PRECISION,
            func.coalesce(SignIn.last_seen_at, SignIn.created_at) > idle_since(session, at),
            SignIn.ended_at.is_(None),
        )
        .values(last_seen_at=at),
        execution_options={"synchronize_session": False},
    )


def end_session(session: Session, person_id: int, session_id: int, *, at: datetime) -> None:
    """End one session of the person. Raises NotFound."""
    found = session.get(SignIn, session_id)
    if found is None or found.person_id != person_id or found.ended_at is not None:
        raise NotFound("You have no such session.", field="session_id")
    found.ended_at = at
    kind = SecurityEventKind.SIGN_OUT
    log_event(session, kind, at=at, person_id=person_id, detail=f"session {session_id}")
    session.flush()


def sign_out(session: Session, key: str, *, at: datetime) -> None:
    """End the session with that key. An unknown key changes nothing."""
    session.execute(
        update(SignIn).where(SignIn.key_hash == hash_key(key), SignIn.ended_at.is_(None)).values(ended_at=at)
    )


def csrf_token(key: str) -> str:
    """Return the CSRF token of a session key; pages send it with every change."""
    return hmac.new(key.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def is_csrf_token(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(
        given.encode("utf-8", "replace"), csrf_token(key).encode()
    )


def sign_in_by_key(session: Session, key: str, *, at: datetime, lock: bool = False) -> SignIn:
    """Return the session of a browser, limited or not. Raises NotSignedIn."""
    found = active_session(session, hash_key(key), at=at)
    if found is None:
        raise NotSignedIn("Sign in first.")
    if lock:
        session.refresh(found, with_for_update=True)
    return found
