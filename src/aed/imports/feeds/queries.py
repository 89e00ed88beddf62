"""Read feeds: all, one, and those that are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import NotFound
from aed.imports.feeds.models import Feed


def feeds(session: Session) -> Sequence[Feed]:
    """List every feed by name."""
    return session.scalars(select(Feed).order_by(Feed.name)).all()


def feed(session: Session, name: str) -> Feed:
    """Return a feed. Raise NotFound that lists the known names."""
    found = session.get(Feed, name)
    if found is None:
        known = session.scalars(select(Feed.name).order_by(Feed.name).limit(20)).all()
        names = ", ".join(known) or "none yet; `aed feeds add` adds one"
        raise NotFound(
            "There is no feed '{name}'. Known feeds: {names}.", field="name", name=name, names=names
        )
    return found


def feeds_due(session: Session, *, at: datetime) -> Sequence[str]:
    """List the names of feeds that are due and not claimed, the longest due first."""
    is_free = Feed.claimed_until.is_(None) | (Feed.claimed_until < at)
    statement = select(Feed.name).where(Feed.next_due_at <= at, is_free)
    return session.scalars(statement.order_by(Feed.next_due_at, Feed.name)).all()
