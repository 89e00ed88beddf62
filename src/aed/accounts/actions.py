"""Adding regions, people and tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts import queries
from aed.accounts.models import Person, Region, Token
from aed.accounts.rules import Role, Scope
from aed.accounts.schemas import RegionIn
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


def put_region(session: Session, region: RegionIn) -> tuple[Region, bool | None]:
    """The region with that code is as given; beside it True when new, False when changed, else None.

    What is not given stays as it is.
    """
    parent = queries.region_by_code(session, region.parent) if region.parent else None
    found = session.scalar(select(Region).where(Region.code == region.code))
    is_new = found is None
    if found is None:
        found = Region(code=region.code)
        session.add(found)
    elif parent is not None and parent.id in queries.regions_below(session, found.id):
        raise InvalidInput("A region cannot lie below itself.", field="parent")
    found.name_en, found.name_zh = region.name_en, region.name_zh
    if "parent" in region.model_fields_set:
        found.parent_id = parent.id if parent else None
    if "holiday_calendar" in region.model_fields_set:
        found.holiday_calendar = region.holiday_calendar
    found.country, found.time_zone = region.country, region.time_zone
    found.emergency_number = region.emergency_number
    has_changed = session.is_modified(found)
    try:
        session.flush()
    except IntegrityError:
        raise InvalidInput(
            f"There is no holiday calendar '{region.holiday_calendar}'.", field="holiday_calendar"
        ) from None
    return found, is_new or (False if has_changed else None)


def people(
    session: Session, wanted: Iterable[tuple[str, str | None]]
) -> dict[tuple[str, str | None], Person]:
    """The people with these names and phones, those added that are unknown. In few statements for many.

    visibility: whoever gives a name and a phone knows both already.
    """
    missing = dict.fromkeys(wanted)
    if not missing:
        return {}
    found: dict[tuple[str, str | None], Person] = {}
    phones = sorted({phone for _, phone in missing if phone is not None})
    for condition in (
        Person.phone.in_(phones),
        Person.phone.is_(None) & Person.name.in_(sorted({name for name, phone in missing if phone is None})),
    ):
        for known in session.scalars(select(Person).where(condition).order_by(Person.id)):
            found.setdefault((known.name, known.phone), known)
    made = [
        Person(name=name, phone=phone, language="zh") for name, phone in missing if (name, phone) not in found
    ]
    session.add_all(made)
    session.flush()
    found |= {(new.name, new.phone): new for new in made}
    return {identity: found[identity] for identity in missing}


def person(session: Session, *, name: str, phone: str | None, language: str = "zh") -> Person:
    """The person with that name and phone, added when unknown.

    visibility: whoever gives a name and a phone knows both already.
    """
    known = select(Person).where(Person.name == name)
    known = known.where(Person.phone == phone) if phone is not None else known.where(Person.phone.is_(None))
    found = session.scalars(known.limit(1)).first()
    if found is None:
        found = Person(name=name, phone=phone, language=language)
        session.add(found)
        session.flush()
    return found
