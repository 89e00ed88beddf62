"""Store and delete live locations of people on duty, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.sessions import people_by_session, touch_sessions
from aed.database.locks import shared_lock
from aed.errors import AedError, Conflict, NotSignedIn
from aed.geo import Position
from aed.responders import queries
from aed.responders.actions.consents import WITHDRAWAL_LOCK
from aed.responders.live import live_places_of
from aed.responders.queries import LocationSharing
from aed.responders.rules import live_location


@dataclass(frozen=True, slots=True)
class LocationReport:
    """A location reported by one phone."""

    key_hash: str
    """The hash of the session key."""
    here: Position
    at: datetime
    """When the phone was at that location."""


def take_live_locations(
    session: Session, reports: Sequence[LocationReport], *, resolution: int, at: datetime
) -> list[AedError | None]:
    """Store the locations of people who may share one; return, for each report, None or the error.

    1. Take the shared lock, so that earlier withdrawals are visible and later ones wait and then delete.
    2. Check that they are signed in, active, not paused and have consented, in two statements for all.
    3. Store the latest location of each, as a cell.

    visibility: each report is from the person's own phone.
    """
    shared_lock(session, WITHDRAWAL_LOCK)
    people = people_by_session(session, {each.key_hash for each in reports}, at=at)
    touch_sessions(session, {each.key_hash for each in reports}, at=at)
    sharing = queries.sharing(session, set(people.values()))
    kept, refused = [], []
    for each in reports:
        person = people.get(each.key_hash)
        found = None if person is None else sharing.get(person)
        reason = _refusal(person, found, at=at)
        refused.append(reason)
        if reason is None and found is not None:
            kept.append(live_location(found.responder_id, each.here, at=each.at, resolution=resolution))
    live_places_of(session).put(session.connection(), kept, at=at)
    return refused


def _refusal(person_id: int | None, found: LocationSharing | None, *, at: datetime) -> AedError | None:
    if person_id is None:
        return NotSignedIn("Sign in as the person whose phone this is.")
    if found is None:
        return Conflict("You have no offer to help: create one before you share your location.")
    if found.paused_until is not None and found.paused_until > at:
        until = found.paused_until.isoformat()
        return Conflict(
            "Your offer is paused until {until}: end the pause before you share your location.", until=until
        )
    if not found.has_consented:
        return Conflict(
            "Give the consent live_place before you share your location.",
            field="consents.live_place",
        )
    return None


def delete_live_location(session: Session, person_id: int) -> None:
    """Delete the live location of the person's phone; raise LivePlacesUnavailable if the store is down."""
    ids = queries.responder_ids_of(session, person_id)
    live_places_of(session).forget(session.connection(), ids)
