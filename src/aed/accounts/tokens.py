"""API tokens of programs."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.permissions import TokenRole, TokenScope
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.database.types import BigIntId, Table, enum_column
from aed.errors import Conflict, InvalidInput, NotFound


class Token(Table):
    """A program's key to the API. Only its hash is stored; the key is shown once."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("(role = 'member') = (estate_id IS NOT NULL)", name="member_of_an_estate"),
        CheckConstraint("(role = 'dispatcher') = (region_id IS NOT NULL)", name="dispatcher_of_a_region"),
        Index("uq_tokens_name", "name", unique=True),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 in hexadecimal of a key of 256 random bits, for which a slower hash is not needed."""
    role: Mapped[TokenRole] = mapped_column(enum_column(TokenRole))
    scopes: Mapped[list[str]]
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def valid_token(session: Session, key_hash: str, *, at: datetime) -> Token | None:
    """Return the token with that hash; None if revoked or expired at `at`."""
    token = session.scalar(select(Token).where(Token.key_hash == key_hash))
    if token is None or token.revoked_at is not None:
        return None
    return None if token.expires_at is not None and token.expires_at <= at else token


def expired_token(session: Session, key_hash: str, *, at: datetime) -> Token | None:
    """Return the token with that hash if it has expired and was not revoked."""
    token = session.scalar(select(Token).where(Token.key_hash == key_hash))
    is_expired = token is not None and token.expires_at is not None and token.expires_at <= at
    return token if token is not None and is_expired and token.revoked_at is None else None


def tokens(session: Session) -> Sequence[Token]:
    return session.scalars(select(Token).order_by(Token.id)).all()


KEY_PREFIX = "aed_"
"""A recognisable prefix, for secret scanners."""


def hash_key(key: str) -> str:
    """Return the hex SHA-256 of a secret key: of tokens, sessions and links only this is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def create_token(
    session: Session,
    *,
    name: str,
    role: TokenRole,
    scopes: Iterable[TokenScope],
    at: datetime,
    estate_id: int | None = None,
    region_id: int | None = None,
    expires_at: datetime | None = None,
    who: str = "program",
) -> str:
    """Create a token and return its key, of which only the hash is stored."""
    scopes = list(scopes)
    if (role is TokenRole.MEMBER) != (estate_id is not None):
        raise InvalidInput(
            "A token with the role member must name an estate; other tokens must not.", field="estate"
        )
    if (role is TokenRole.DISPATCHER) != (region_id is not None):
        raise InvalidInput(
            "A token with the role dispatcher must name a region; other tokens must not.", field="region"
        )
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    session.add(
        Token(
            name=name,
            key_hash=hash_key(key),
            role=role,
            scopes=sorted(scopes),
            estate_id=estate_id,
            region_id=region_id,
            created_at=at,
            expires_at=expires_at,
        )
    )
    try:
        session.flush()
    except IntegrityError:
        raise Conflict(
            "A token named '{name}' already exists, or its estate is unknown.", field="name", name=name
        ) from None
    log_event(session, SecurityEventKind.TOKEN_MADE, at=at, detail=name)
    made = session.execute(select(Token.id, Token.key_hash).where(Token.name == name)).one()
    add_audit_entry(
        session,
        who,
        AuditSubject.TOKEN,
        made.id,
        "made",
        at=at,
        role=role.value,
        key_hash=made.key_hash,
        scopes=sorted(each.value for each in scopes),
        estate=estate_id,
        region=region_id,
    )
    return key


def revoke_token(session: Session, *, name: str, at: datetime, who: str = "program") -> Token:
    """Revoke a token. Revoking twice changes nothing."""
    token = session.scalar(select(Token).where(Token.name == name))
    if token is None:
        raise NotFound("There is no token named '{name}'.", field="name", name=name)
    if token.revoked_at is None:
        token.revoked_at = at
        log_event(session, SecurityEventKind.TOKEN_REVOKED, at=at, detail=name)
        add_audit_entry(session, who, AuditSubject.TOKEN, token.id, "revoked", at=at)
        session.flush()
    return token
