"""Reading regions and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import column, select, table
from sqlalchemy.orm import Session

from aed.accounts.models import Region, Token
from aed.errors import NotFound

_estates = table("estates", column("id"), column("neighbourhood"))


def regions_below(session: Session, region_id: int) -> tuple[int, ...]:
    """The region and every region under it."""
    below = select(Region.id).where(Region.id == region_id).cte("below", recursive=True)
    below = below.union_all(select(Region.id).join(below, Region.parent_id == below.c.id))
    return tuple(session.scalars(select(below.c.id).order_by(below.c.id)))


def estates_sharing(session: Session, estate_id: int) -> tuple[int, ...]:
    """The estate and those of its neighbourhood. Its table lies above this floor: asked for by name.

    visibility: it is what the predicates are made of, and answers ids alone.
    """
    here = select(_estates.c.neighbourhood).where(_estates.c.id == estate_id).scalar_subquery()
    neighbours = select(_estates.c.id).where(_estates.c.neighbourhood == here)
    return tuple(sorted({estate_id, *session.scalars(neighbours)}))


def region_by_code(session: Session, code: str) -> Region:
    """Raises NotFound with the codes that exist, when they are few."""
    region = session.scalar(select(Region).where(Region.code == code))
    if region is None:
        known = list(session.scalars(select(Region.code).order_by(Region.code).limit(20)))
        names = ", ".join(known) or "none yet: aed regions put"
        raise NotFound(f"There is no region '{code}'. Known: {names}.", field="region")
    return region


def regions(session: Session) -> Sequence[Region]:
    return session.scalars(select(Region).order_by(Region.code)).all()


def valid_token(session: Session, key_hash: str, *, at: datetime) -> Token | None:
    """The token with that hash, unless revoked or expired at `at`."""
    token = session.scalar(select(Token).where(Token.key_hash == key_hash))
    if token is None or token.revoked_at is not None:
        return None
    return None if token.expires_at is not None and token.expires_at <= at else token


def tokens(session: Session) -> Sequence[Token]:
    return session.scalars(select(Token).order_by(Token.id)).all()
