"""Keys of programs, made and revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.models import Token
from aed.accounts.rules import Role, Scope
from aed.errors import Conflict, InvalidInput, NotFound

KEY_PREFIX = "aed_"
"""So that a key lying about is recognised for what it is."""


def key_hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def create_token(
    session: Session,
    *,
    name: str,
    role: Role,
    scopes: Iterable[Scope],
    at: datetime,
    estate_id: int | None = None,
    region_id: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A new token; returns its key, which is stored nowhere."""
    if (role is Role.MEMBER) != (estate_id is not None):
        raise InvalidInput("A member's token names its estate, and no other token does.", field="estate")
    if (role is Role.DISPATCHER) != (region_id is not None):
        raise InvalidInput("A dispatcher's token names its region, and no other token does.", field="region")
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    session.add(
        Token(
            name=name,
            key_hash=key_hash(key),
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
            f"There is a token named '{name}' already, or its estate is unknown.", field="name"
        ) from None
    return key


def revoke_token(session: Session, *, name: str, at: datetime) -> Token:
    """From now on the token opens nothing. Revoking twice changes nothing."""
    token = session.scalar(select(Token).where(Token.name == name))
    if token is None:
        raise NotFound(f"There is no token named '{name}'.", field="name")
    if token.revoked_at is None:
        token.revoked_at = at
        session.flush()
    return token
