"""Addresses at which calendars ask what is due."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions import region_by_code
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, NotFound
from aed.registry.estates import queries as estate_queries
from aed.upkeep.models import DueCalendar
from aed.upkeep.queries.calendars import calendars_of, own_person_id
from aed.upkeep.schemas.due import DueCalendarIn

MOST_OF_ONE: Final = 20
KEY_PREFIX: Final = "due_"


def make_calendar(
    session: Session, who: Viewer, new: DueCalendarIn, *, at: datetime
) -> tuple[DueCalendar, str]:
    """A new address, and the key in it, which is stored nowhere. It tells what the person may know when it is
    read, not when it was made.

    Raises NotSignedIn, NotFound for an estate that the person may not see, Conflict for too many.
    """
    person_id = own_person_id(who)
    if len(calendars_of(session, who)) >= MOST_OF_ONE:
        raise Conflict(f"One person has at most {MOST_OF_ONE} addresses: revoke one.")
    if new.estate_id is not None:
        estate_queries.estate(session, who, new.estate_id)
    region = region_by_code(session, new.region) if new.region is not None else None
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    made = DueCalendar(
        key_hash=hash_key(key),
        person_id=person_id,
        estate_id=new.estate_id,
        region_id=region.id if region is not None else None,
        is_mine=new.mine,
        created_at=at,
    )
    session.add(made)
    session.flush()
    return made, key


def revoke_calendar(session: Session, who: Viewer, calendar_id: int, *, at: datetime) -> None:
    """Nobody reads it any longer. Raises NotFound where it is not the person's own, or was revoked."""
    own = {each.id: each for each in calendars_of(session, who)}
    if calendar_id not in own:
        raise NotFound(f"You have no calendar {calendar_id}.", field="calendar_id")
    own[calendar_id].revoked_at = at
    session.flush()
