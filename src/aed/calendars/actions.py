"""Create, renew and revoke private calendar addresses.

The row itself holds who did so and when, so that there is no separate change record.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.accounts.tokens import hash_key
from aed.calendars import queries
from aed.calendars.models import CalendarAddress, CalendarKind
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.registry.changes import flush_or_conflict
from aed.registry.estates import queries as estate_queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.permissions import require_trainer, require_write, runs_training

KEY_PREFIX: Final = "cal_"
MAX_DUE: Final = 20
"""Active addresses of due upkeep for each person."""


def create_address(
    session: Session,
    who: Viewer,
    kind: CalendarKind,
    *,
    person_id: int | None = None,
    estate_id: int | None = None,
    region: str | None = None,
    is_mine: bool = False,
    at: datetime,
) -> tuple[CalendarAddress, str]:
    """Create an address and return it with its key, which is not stored.

    People create addresses for themselves; those who run an estate's training create the estate's. For due
    upkeep, the estate, the region (a code) and `is_mine` limit the devices.

    Raises NotSignedIn, NotAllowed, NotFound or InvalidInput, and Conflict if an active address exists, or
    MAX_DUE of due upkeep.
    """
    require_write(who)
    is_due = kind is CalendarKind.DUE
    if not is_due and (kind is CalendarKind.ESTATE) != (estate_id is not None):
        raise InvalidInput("Give estate_id for an estate's calendar, and only for that.", field="estate_id")
    if not is_due and (region is not None or is_mine):
        raise InvalidInput("Give region and mine only for a calendar of due upkeep.", field="region")
    if kind is not CalendarKind.ESTATE:
        person_id = person_id if person_id is not None else who.person_id
        if person_id is None:
            raise InvalidInput("A token has no calendar of its own. Give person_id.", field="person_id")
    new = CalendarAddress(
        kind=kind,
        person_id=person_id,
        estate_id=estate_id,
        region_id=region_by_code(session, region).id if region is not None else None,
        is_mine=is_mine,
    )
    _require_owner(session, who, new)
    if is_due:
        _require_due(session, who, new)
    return _save(session, who, new, at=at)


def renew_address(
    session: Session, who: Viewer, address_id: int, *, at: datetime
) -> tuple[CalendarAddress, str]:
    """Revoke the address and return a new one in its place, with its key."""
    before = revoke_address(session, who, address_id, at=at)
    new = CalendarAddress(
        kind=before.kind,
        person_id=before.person_id,
        estate_id=before.estate_id,
        region_id=before.region_id,
        is_mine=before.is_mine,
    )
    return _save(session, who, new, at=at)


def revoke_address(session: Session, who: Viewer, address_id: int, *, at: datetime) -> CalendarAddress:
    """Revoke an address, which then stops working. Revoking twice changes nothing."""
    require_write(who)
    found = queries.address(session, who, address_id)
    _require_owner(session, who, found)
    if found.revoked_at is None:
        found.revoked_at, found.revoked_by = at, who.name
        session.flush()
    return found


def _require_owner(session: Session, who: Viewer, address: CalendarAddress) -> None:
    """Raise unless the viewer may hold this calendar address.

    visibility: people for themselves, those who run an estate's training for the estate, and administrators.
    """
    if address.kind is CalendarKind.ESTATE:
        assert address.estate_id is not None
        region_id = enrolment_queries.region_of_estate(session, address.estate_id)
        if region_id is None or not runs_training(who, address.estate_id, region_id):
            # NotFound if the viewer may not see it
            estate = estate_queries.estate(session, who, address.estate_id)
            require_trainer(who, estate.id, estate.region_id)
        return
    if not who.is_administrator and who.person_id != address.person_id:
        raise NotAllowed("Only the person whom it is about may have this calendar.")
    if session.get(Person, address.person_id) is None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=address.person_id)


def _require_due(session: Session, who: Viewer, address: CalendarAddress) -> None:
    """Raise NotFound for an estate that the viewer may not see; Conflict if the person has MAX_DUE addresses.

    visibility: counts the addresses of the person alone.
    """
    if address.estate_id is not None:
        estate_queries.estate(session, who, address.estate_id)
    active = session.scalar(
        select(func.count()).where(
            CalendarAddress.kind == CalendarKind.DUE,
            CalendarAddress.person_id == address.person_id,
            CalendarAddress.revoked_at.is_(None),
        )
    )
    if (active or 0) >= MAX_DUE:
        raise Conflict(
            "You can have at most {max_calendars} calendars: revoke one first.", max_calendars=MAX_DUE
        )


def _save(
    session: Session, who: Viewer, new: CalendarAddress, *, at: datetime
) -> tuple[CalendarAddress, str]:
    """Add the address with a new random key. Raise Conflict if an active one exists."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    new.key_hash, new.created_at, new.created_by = hash_key(key), at, who.name
    session.add(new)
    flush_or_conflict(session, "This calendar already exists. Renew it to get a new URL.", "kind")
    return new, key
