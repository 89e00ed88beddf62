"""Reading tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.models import Token


def valid_token(session: Session, key_hash: str, *, at: datetime) -> Token | None:
    """The token with that hash, unless revoked or expired at `at`."""
    token = session.scalar(select(Token).where(Token.key_hash == key_hash))
    if token is None or token.revoked_at is not None:
        return None
    return None if token.expires_at is not None and token.expires_at <= at else token


def expired_token(session: Session, key_hash: str, *, at: datetime) -> Token | None:
    """The token with that hash, if it has expired and was not revoked."""
    token = session.scalar(select(Token).where(Token.key_hash == key_hash))
    is_expired = token is not None and token.expires_at is not None and token.expires_at <= at
    return token if token is not None and is_expired and token.revoked_at is None else None


def tokens(session: Session) -> Sequence[Token]:
    return session.scalars(select(Token).order_by(Token.id)).all()
