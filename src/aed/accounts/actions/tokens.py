"""Keys of programs, made and revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.actions.audit import record
from aed.accounts.actions.security import log_event
from aed.accounts.models import Token
from aed.accounts.rules import Role, Scope
from aed.accounts.rules.audit import AuditSubject
from aed.accounts.rules.security import SecurityEventKind
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
    who: str = "program",
) -> str:
    """A new token; returns its key, which is stored nowhere."""
    scopes = list(scopes)
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
    log_event(session, SecurityEventKind.TOKEN_MADE, at=at, detail=name)
    made = session.execute(select(Token.id, Token.key_hash).where(Token.name == name)).one()
    record(
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
    """From now on the token opens nothing. Revoking twice changes nothing."""
    token = session.scalar(select(Token).where(Token.name == name))
    if token is None:
        raise NotFound(f"There is no token named '{name}'.", field="name")
    if token.revoked_at is None:
        token.revoked_at = at
        log_event(session, SecurityEventKind.TOKEN_REVOKED, at=at, detail=name)
        record(session, who, AuditSubject.TOKEN, token.id, "revoked", at=at)
        session.flush()
    return token
