"""Calendar feeds of due upkeep: secret addresses and the iCalendar file."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, NotFound, NotSignedIn
from aed.registry.estates import queries as estate_queries
from aed.upkeep.due.queries import Duties
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.due.schemas import DueCalendarIn
from aed.upkeep.models import DueCalendar
from aed.upkeep.rules import short_number


def calendar_by_key(session: Session, key: str) -> tuple[DueCalendar, str | None]:
    """Return an active calendar feed and the code of its region. Raises NotFound if unknown or revoked.

    visibility: the key is known only to the person who created it and to their calendar program.
    """
    row = session.execute(
        select(DueCalendar, Region.code)
        .outerjoin(Region, Region.id == DueCalendar.region_id)
        .where(DueCalendar.key_hash == hash_key(key), DueCalendar.revoked_at.is_(None))
    ).first()
    if row is None:
        raise NotFound("This calendar does not exist or was revoked: create a new one.", field="key")
    return row[0], row[1]


def calendars_of(session: Session, viewer: Viewer) -> Sequence[DueCalendar]:
    """Return the signed-in person's active calendar feeds. Raises NotSignedIn for other viewers.

    visibility: a person's own.
    """
    return session.scalars(
        select(DueCalendar)
        .where(DueCalendar.person_id == own_person_id(viewer), DueCalendar.revoked_at.is_(None))
        .order_by(DueCalendar.id)
    ).all()


def own_person_id(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn for other viewers."""
    if viewer.person_id is None:
        raise NotSignedIn("Only people can have a calendar: sign in as a person.")
    return viewer.person_id


MAX_CALENDARS: Final = 20
KEY_PREFIX: Final = "due_"


def make_calendar(
    session: Session, who: Viewer, new: DueCalendarIn, *, at: datetime
) -> tuple[DueCalendar, str]:
    """Create a calendar feed; return it with its key, of which only a hash is stored.

    The feed covers what the person may see when it is read. Raises NotSignedIn, NotFound for an estate that
    the person may not see or an unknown region, and Conflict if they have MAX_CALENDARS feeds.
    """
    person_id = own_person_id(who)
    if len(calendars_of(session, who)) >= MAX_CALENDARS:
        raise Conflict(
            "You can have at most {max_calendars} calendars: revoke one first.", max_calendars=MAX_CALENDARS
        )
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
    """Revoke a calendar feed. Raises NotFound if the person has no active feed with that id."""
    own = {each.id: each for each in calendars_of(session, who)}
    if calendar_id not in own:
        raise NotFound(
            "Calendar {calendar_id} does not exist, or is not yours.",
            field="calendar_id",
            calendar_id=calendar_id,
        )
    own[calendar_id].revoked_at = at
    session.flush()


def due_calendar(duties: Duties, *, at: datetime) -> bytes:
    """Return an iCalendar file with one whole-day event per due task.

    Overdue tasks are shown on the current day. Each task keeps its UID between fetches, so that calendar
    programs move the event instead of duplicating it.
    """
    from icalendar import Calendar, Event  # imported late to save 3 MB

    calendar = Calendar()
    calendar.add("prodid", "-//AED network//upkeep//ZH")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "AED 维护 upkeep")
    calendar.add("refresh-interval", timedelta(hours=12), parameters={"VALUE": "DURATION"})
    for due in duties.dues:
        device, today = duties.devices[due.device_id], duties.today[due.device_id]
        en, zh = DUE_WORDS[due.due_kind]
        late = due.overdue_days(today)
        day = max(due.due_on, today)
        event = Event()
        event.add("uid", f"due-{due.device_id}-{due.due_kind}@aed")
        event.add("dtstamp", at)
        event.add("dtstart", day)
        event.add("dtend", day + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        overdue = f"（逾期{late}天 {late} days overdue）" if late else ""
        event.add("summary", f"AED {short_number(due.device_id)} {zh} {en}{overdue}")
        places = (device.estate_zh or device.estate_en, device.place_zh or device.place_en)
        if where := " ".join(each for each in places if each):
            event.add("location", where)
        model = " ".join(each for each in (device.maker, device.model, device.serial) if each)
        event.add("description", f"{due.due_on:%Y-%m-%d} {zh} {en}" + (f"\n{model}" if model else ""))
        calendar.add_component(event)
    made: bytes = calendar.to_ical()
    return made
