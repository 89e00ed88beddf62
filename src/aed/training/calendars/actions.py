"""Create, renew and revoke private calendar addresses.

The row itself holds who did so and when, so that there is no separate change record.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import InvalidInput, NotAllowed, NotFound
from aed.registry.changes import flush_or_conflict
from aed.registry.estates import queries as estate_queries
from aed.training.calendars import queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import CalendarAddress
from aed.training.permissions import require_trainer, require_write, runs_training
from aed.training.rules import CalendarKind

KEY_PREFIX: Final = "cal_"


def create_address(
    session: Session,
    who: Viewer,
    kind: CalendarKind,
    *,
    person_id: int | None = None,
    estate_id: int | None = None,
    at: datetime,
) -> tuple[CalendarAddress, str]:
    """Create an address and return it with its key, which is not stored.

    People create addresses for themselves; those who run an estate's training create the estate's.

    Raises NotSignedIn, NotAllowed, NotFound or InvalidInput, and Conflict if an active address exists.
    """
    require_write(who)
    if (kind is CalendarKind.ESTATE) != (estate_id is not None):
        raise InvalidInput("Give estate_id for an estate's calendar, and only for that.", field="estate_id")
    if kind is not CalendarKind.ESTATE:
        person_id = person_id if person_id is not None else who.person_id
        if person_id is None:
            raise InvalidInput("A token has no calendar of its own. Give person_id.", field="person_id")
    _may_have(session, who, person_id=person_id, estate_id=estate_id)
    return _made(session, who, kind, person_id=person_id, estate_id=estate_id, at=at)


def renew_address(
    session: Session, who: Viewer, address_id: int, *, at: datetime
) -> tuple[CalendarAddress, str]:
    """Revoke the address and return a new one in its place, with its key."""
    before = revoke_address(session, who, address_id, at=at)
    return _made(session, who, before.kind, person_id=before.person_id, estate_id=before.estate_id, at=at)


def revoke_address(session: Session, who: Viewer, address_id: int, *, at: datetime) -> CalendarAddress:
    """Revoke an address, which then stops working. Revoking twice changes nothing."""
    require_write(who)
    found = queries.address(session, who, address_id)
    _may_have(session, who, person_id=found.person_id, estate_id=found.estate_id)
    if found.revoked_at is None:
        found.revoked_at, found.revoked_by = at, who.name
        session.flush()
    return found


def _may_have(session: Session, who: Viewer, *, person_id: int | None, estate_id: int | None) -> None:
    """Raise unless the viewer may hold this calendar address.

    visibility: people for themselves, those who run an estate's training for the estate, and administrators.
    """
    if estate_id is not None:
        region_id = enrolment_queries.region_of_estate(session, estate_id)
        if region_id is None or not runs_training(who, estate_id, region_id):
            estate = estate_queries.estate(session, who, estate_id)  # NotFound if the viewer may not see it
            require_trainer(who, estate.id, estate.region_id)
        return
    if not who.is_administrator and who.person_id != person_id:
        raise NotAllowed("Only the person whose sessions it shows may have this calendar.")
    if session.get(Person, person_id) is None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=person_id)


def _made(
    session: Session,
    who: Viewer,
    kind: CalendarKind,
    *,
    person_id: int | None,
    estate_id: int | None,
    at: datetime,
) -> tuple[CalendarAddress, str]:
    """Create an address with a new random key. Raise Conflict if an active one exists."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    made = CalendarAddress(
        kind=kind,
        person_id=person_id,
        estate_id=estate_id,
        key_hash=hash_key(key),
        created_at=at,
        created_by=who.name,
    )
    session.add(made)
    flush_or_conflict(session, "This calendar already exists. Renew it to get a new URL.", "kind")
    return made, key
