"""The lists that are followed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import NotFound
from aed.imports.models import Feed


def feeds(session: Session) -> Sequence[Feed]:
    """Every feed, by name."""
    return session.scalars(select(Feed).order_by(Feed.name)).all()


def feed(session: Session, name: str) -> Feed:
    """Raises NotFound with the names that there are."""
    found = session.get(Feed, name)
    if found is None:
        known = session.scalars(select(Feed.name).order_by(Feed.name).limit(20)).all()
        names = ", ".join(known) or "none yet, see aed feeds add"
        raise NotFound(f"There is no feed '{name}'. Known: {names}.", field="name")
    return found


def feeds_due(session: Session, *, at: datetime) -> Sequence[str]:
    """The names of those that are due and that nobody runs at this moment, the longest due first."""
    is_free = Feed.claimed_until.is_(None) | (Feed.claimed_until < at)
    statement = select(Feed.name).where(Feed.next_due_at <= at, is_free)
    return session.scalars(statement.order_by(Feed.next_due_at, Feed.name)).all()
