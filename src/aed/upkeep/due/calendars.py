"""Reading the addresses at which calendars ask what is due."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions import Region, region_by_code
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, NotFound, NotSignedIn
from aed.registry.estates import queries as estate_queries
from aed.upkeep.due.queries import Duties
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.due.schemas import DueCalendarIn
from aed.upkeep.models import DueCalendar
from aed.upkeep.rules import short_number


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


MAX_CALENDARS: Final = 20
KEY_PREFIX: Final = "due_"


def make_calendar(
    session: Session, who: Viewer, new: DueCalendarIn, *, at: datetime
) -> tuple[DueCalendar, str]:
    """A new address, and the key in it, which is stored nowhere. It tells what the person may know when it is
    read, not when it was made.

    Raises NotSignedIn, NotFound for an estate that the person may not see, Conflict for too many.
    """
    person_id = own_person_id(who)
    if len(calendars_of(session, who)) >= MAX_CALENDARS:
        raise Conflict(f"One person has at most {MAX_CALENDARS} addresses: revoke one.")
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


def due_calendar(duties: Duties, *, at: datetime) -> bytes:
    """One whole day for each thing that is due: what is overdue stands on today, so that it is seen.

    The same matter keeps its UID from one fetch to the next, so that a calendar moves it.
    """
    from icalendar import Calendar, Event  # imported late to save 3 MB

    calendar = Calendar()
    calendar.add("prodid", "-//AED network//upkeep//ZH")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "AED 维护 upkeep")
    calendar.add("refresh-interval", timedelta(hours=12), parameters={"VALUE": "DURATION"})
    for due in duties.dues:
        device, today = duties.devices[due.device_id], duties.today[due.device_id]
        en, zh = DUE_WORDS[due.matter]
        late = due.overdue_days(today)
        day = max(due.due_on, today)
        event = Event()
        event.add("uid", f"due-{due.device_id}-{due.matter}@aed")
        event.add("dtstamp", at)
        event.add("dtstart", day)
        event.add("dtend", day + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        overdue = f"（逾期{late}天 {late} days late）" if late else ""
        event.add("summary", f"AED {short_number(due.device_id)} {zh} {en}{overdue}")
        places = (device.estate_zh or device.estate_en, device.place_zh or device.place_en)
        if where := " ".join(each for each in places if each):
            event.add("location", where)
        model = " ".join(each for each in (device.maker, device.model, device.serial) if each)
        event.add("description", f"{due.due_on:%Y-%m-%d} {zh} {en}" + (f"\n{model}" if model else ""))
        calendar.add_component(event)
    made: bytes = calendar.to_ical()
    return made
