"""Private calendar addresses, and the due upkeep that some of them show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.tokens import hash_key
from aed.accounts.viewers import viewer_of_person
from aed.calendars.models import CalendarAddress, CalendarKind
from aed.errors import NotFound
from aed.registry.estates.models import Estate
from aed.training.queries import on_rosters_of
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import Duties, duties
from aed.upkeep.due.rules import CALENDAR_KINDS


def address_by_key(session: Session, key: str) -> CalendarAddress:
    """Return the active address with this key. Raise NotFound if there is none.

    visibility: the caller holds the key.
    """
    found = session.scalar(
        select(CalendarAddress).where(
            CalendarAddress.key_hash == hash_key(key), CalendarAddress.revoked_at.is_(None)
        )
    )
    if found is None:
        raise NotFound("There is no calendar at this URL. It was revoked or renewed.", field="key")
    return found


def addresses(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0
) -> Sequence[CalendarAddress]:
    """Return a page of addresses, revoked ones included, in order of id: the viewer's and those of their
    estates.
    """
    shared = case((CalendarAddress.kind == CalendarKind.ESTATE, CalendarAddress.estate_id))
    statement = (
        select(CalendarAddress)
        .outerjoin(Estate, Estate.id == shared)
        .where(
            on_rosters_of(viewer, shared, region_id=Estate.region_id, person_id=CalendarAddress.person_id),
            CalendarAddress.id > after_id,
        )
        .order_by(CalendarAddress.id)
        .limit(limit)
    )
    return session.scalars(statement).all()


def address(session: Session, viewer: Viewer, address_id: int) -> CalendarAddress:
    """Return an address. Raise NotFound if none is visible to the viewer."""
    found = addresses(session, viewer, limit=1, after_id=address_id - 1)
    if not found or found[0].id != address_id:
        raise NotFound(
            "There is no calendar {address_id}, or you may not see it.",
            field="calendar_id",
            address_id=address_id,
        )
    return found[0]


def due_upkeep(session: Session, of: CalendarAddress, *, at: datetime) -> Duties:
    """Return the due upkeep of a calendar: what its owner may see now.

    visibility: the caller holds the key; the duties are read as the owner of the calendar.
    """
    assert of.person_id is not None
    region = session.get_one(Region, of.region_id).code if of.region_id is not None else None
    keeper_id = of.person_id if of.is_mine else None
    device_filter = DeviceFilter(estate_id=of.estate_id, region=region, keeper_id=keeper_id)
    owner = viewer_of_person(session, of.person_id)
    return duties(session, owner, device_filter, at=at, within_days=366, due_kinds=CALENDAR_KINDS)
