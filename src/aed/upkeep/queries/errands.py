"""Reading small questions to people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import NotFound, NotSignedIn
from aed.upkeep.models import CallOut, Errand


def errand(session: Session, viewer: Viewer, which: str, *, for_update: bool = False) -> Errand:
    """By its key, whoever holds it; by its id only for the person who was asked. Raises NotFound.

    visibility: the key is known to whoever was sent it.
    """
    statement = select(Errand).where(Errand.key_hash == hash_key(which))
    if which.isascii() and which.isdecimal() and len(which) < 19:
        if viewer.person_id is None:
            raise NotFound("There is no such question.", field="errand")
        statement = select(Errand).where(Errand.id == int(which), Errand.person_id == viewer.person_id)
    if for_update:
        statement = statement.with_for_update()
    found = session.scalar(statement)
    if found is None:
        raise NotFound("There is no such question.", field="errand")
    return found


def errands_of(session: Session, viewer: Viewer, *, at: datetime, limit: int) -> Sequence[Errand]:
    """What the person who is signed in is asked, the newest first. Raises NotSignedIn.

    visibility: a person's own.
    """
    if viewer.person_id is None:
        raise NotSignedIn("Sign in as a person to see what you are asked.")
    return session.scalars(
        select(Errand)
        .where(Errand.person_id == viewer.person_id, Errand.closed_at.is_(None), Errand.lapses_at > at)
        .order_by(Errand.id.desc())
        .limit(limit)
    ).all()


def open_errands_of(session: Session, device_id: int) -> Sequence[Errand]:
    """visibility: for whoever answers a question about the device, so that it is closed."""
    return session.scalars(
        select(Errand).where(Errand.device_id == device_id, Errand.closed_at.is_(None)).order_by(Errand.id)
    ).all()


def lapse(session: Session, *, at: datetime) -> None:
    """Nobody answers any longer what has lapsed: somebody else is asked.

    visibility: for the timetable.
    """
    session.execute(
        update(Errand).where(Errand.closed_at.is_(None), Errand.lapses_at <= at).values(closed_at=at)
    )


def call_out_of(session: Session, errand: Errand) -> CallOut | None:
    """visibility: of a question that the caller holds."""
    return session.get(CallOut, errand.call_out_id) if errand.call_out_id is not None else None
