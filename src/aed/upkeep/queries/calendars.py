"""Reading the addresses at which calendars ask what is due."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions import Region
from aed.accounts.tokens import hash_key
from aed.errors import NotFound, NotSignedIn
from aed.upkeep.models import DueCalendar


def calendar_by_key(session: Session, key: str) -> tuple[DueCalendar, str | None]:
    """With the code of its region. Raises NotFound for a key that is unknown or revoked.

    visibility: the key is known to whoever made it, and to the calendar that asks.
    """
    row = session.execute(
        select(DueCalendar, Region.code)
        .outerjoin(Region, Region.id == DueCalendar.region_id)
        .where(DueCalendar.key_hash == hash_key(key), DueCalendar.revoked_at.is_(None))
    ).first()
    if row is None:
        raise NotFound("There is no such calendar, or it was revoked: make a new address.", field="key")
    return row[0], row[1]


def calendars_of(session: Session, viewer: Viewer) -> Sequence[DueCalendar]:
    """The person's own that stand. Raises NotSignedIn for anyone else.

    visibility: a person's own.
    """
    return session.scalars(
        select(DueCalendar)
        .where(DueCalendar.person_id == own_person_id(viewer), DueCalendar.revoked_at.is_(None))
        .order_by(DueCalendar.id)
    ).all()


def own_person_id(viewer: Viewer) -> int:
    """Raises NotSignedIn for whoever is not signed in as a person."""
    if viewer.person_id is None:
        raise NotSignedIn("A calendar is a person's: sign in as one.")
    return viewer.person_id
