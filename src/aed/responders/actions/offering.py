"""Make, amend, pause and withdraw offers to help as a responder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, region_of_estate
from aed.database.locks import exclusive_lock
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotFound
from aed.registry.changes import flush_or_conflict
from aed.registry.storeys import floor_from_storey
from aed.responders.actions import consents
from aed.responders.actions.registering import PlaceGiven, save_places
from aed.responders.models import Responder
from aed.responders.queries import HelpOffer, consents_in_force, entry_to_offer, offer_of
from aed.responders.rules import ConsentKind, ResponderState, has_consent_for_places
from aed.responders.schemas import OfferAmend, OfferIn, OfferPlaceIn

OFFERED = "offered"
"""Source of responders who are not on any list."""


def require_offer_access(session: Session, who: Viewer, person_id: int) -> Person:
    """Return the person if the viewer is that person or an administrator.

    Raises the errors of `require_self_or_administrator`, and Conflict if the person's data was erased.
    """
    person = people_queries.require_self_or_administrator(session, who, person_id)
    if person.erased_at is not None:
        raise Conflict("The data of this person was erased: add them as a new person.", field="person_id")
    return person


def make_offer(session: Session, who: Viewer, person_id: int, new: OfferIn, *, at: datetime) -> HelpOffer:
    """Record an offer to help, so that the person may be called if they have a valid certificate.

    If a list has an entry of the person, the offer takes it over, and the person manages their own consents
    from then on. Raises Conflict if the person already has an offer, InvalidInput if a consent is missing.
    """
    person = require_offer_access(session, who, person_id)
    _lock_offer(session, person_id)
    current = consents_in_force(session, person_id).get(ConsentKind.BEING_CALLED)
    if current is not None and current.stated_by is None:
        raise Conflict("You already have an offer: change that one.", field="person_id")
    if ConsentKind.BEING_CALLED not in new.consents:
        raise InvalidInput(
            "An offer needs the consent to be called: send consents.being_called with the version of "
            "its wording.",
            field="consents.being_called",
        )
    for kind, wording in new.consents.items():
        consents.give_consent(session, who, person_id, kind, wording=wording, at=at)
    entry = entry_to_offer(session, person_id)
    estate_id, region_id = _home_of(session, new)
    if entry is None:
        if region_id is None:
            raise InvalidInput("Give estate_id or region, where you are at home.", field="region")
        entry = Responder(
            source=OFFERED,
            source_id=str(person_id),
            person_id=person.id,
            region_id=region_id,
            estate_id=estate_id,
        )
        session.add(entry)
    elif region_id is not None:
        entry.region_id, entry.estate_id = region_id, estate_id
    entry.state = ResponderState.ACTIVE
    entry.availability, entry.paused_until = new.availability, new.paused_until
    entry.of_age = new.of_age
    flush_or_conflict(
        session, "Another request is creating your offer at the same time. Read it again.", "person_id"
    )
    _withdraw_other_entries(session, entry)
    _put_places(session, person_id, entry, new.places)
    return offer_of(session, person_id)


def amend_offer(
    session: Session,
    who: Viewer,
    person_id: int,
    change: OfferAmend,
    *,
    version: int | None = None,
    at: datetime,
) -> HelpOffer:
    """Change hours, places, the pause (null ends it) or consents (null withdraws them) of an offer.

    Without `version` the change is unconditional. Raises NotFound if there is no offer, ChangedMeanwhile if
    its version differs, and Conflict if consents were only stated by a list (unless the change only withdraws
    consents).
    """
    require_offer_access(session, who, person_id)
    _lock_offer(session, person_id)
    current = offer_of(session, person_id)
    entry = current.entry
    if entry is None or entry.state is not ResponderState.ACTIVE:
        raise NotFound("You have no offer yet: create one.", field="person_id")
    if version is not None and version != current.version:
        raise ChangedMeanwhile(
            "The version of the offer is now {version}. Read it again, and send its ETag in If-Match.",
            version=current.version,
        )
    being_called = consents_in_force(session, person_id).get(ConsentKind.BEING_CALLED)
    is_list_speaking = being_called is None or being_called.stated_by is not None
    if is_list_speaking and not change.only_withdraws:
        raise Conflict(
            "This is stated by an imported list, which would state it again: create your own offer first.",
            field="person_id",
        )
    _put_consents(session, who, person_id, change.consents or {}, at=at)
    session.refresh(entry)
    if entry.state is not ResponderState.ACTIVE:
        return offer_of(session, person_id)
    for name in ("availability", "paused_until", "of_age"):
        if name in change.model_fields_set:
            setattr(entry, name, getattr(change, name))
    if change.places is not None:
        _put_places(session, person_id, entry, change.places)
    if entry.paused_until is not None and entry.paused_until > at:
        consents.delete_live_location(session, person_id)
    session.flush()
    return offer_of(session, person_id)


def _put_consents(
    session: Session, who: Viewer, person_id: int, given: Mapping[ConsentKind, str | None], *, at: datetime
) -> None:
    for kind, wording in given.items():
        if wording is None:
            consents.withdraw_consent(session, who, person_id, kind, at=at)
        else:
            consents.give_consent(session, who, person_id, kind, wording=wording, at=at)


def withdraw_offer(session: Session, who: Viewer, person_id: int, *, at: datetime) -> None:
    """Withdraw an offer, so that the person is no longer called. Idempotent."""
    person = require_offer_access(session, who, person_id)
    _lock_offer(session, person_id)
    consents.withdraw_all_consents(session, who, person, at=at)


def _lock_offer(session: Session, person_id: int) -> None:
    """Lock the person's offer against concurrent changes."""
    exclusive_lock(session, f"amending of the offer of person {person_id}")


def _home_of(session: Session, new: OfferIn) -> tuple[int | None, int | None]:
    """Return the ids of the estate and region in an offer."""
    if new.estate_id is not None:
        return new.estate_id, region_of_estate(session, new.estate_id)
    return None, region_by_code(session, new.region).id if new.region is not None else None


def _withdraw_other_entries(session: Session, entry: Responder) -> None:
    """Deactivate the person's other entries, so that they are not called twice."""
    for other in session.scalars(
        # visibility: only rows of the person
        select(Responder).where(Responder.person_id == entry.person_id, Responder.id != entry.id)
    ):
        other.state = ResponderState.WITHDRAWN
        save_places(session, other.id, [])
    consents.delete_live_location(session, entry.person_id)
    session.flush()


def _put_places(session: Session, person_id: int, entry: Responder, places: Sequence[OfferPlaceIn]) -> None:
    in_force = consents_in_force(session, person_id)
    if not has_consent_for_places((place.kind for place in places), in_force):
        raise InvalidInput(
            "A place of work needs the consent to store it: send consents.place_on_duty too.",
            field="places",
        )
    counts = session.get_one(Region, entry.region_id).counts_ground_as_one
    given = [
        PlaceGiven(each.kind, each.position.position(), _floor(each, counts), each.hours) for each in places
    ]
    save_places(session, entry.id, given)


def _floor(place: OfferPlaceIn, counts_ground_as_one: bool) -> int:
    """Return the floor of a place; raise InvalidInput if floor and storey contradict each other."""
    floor = floor_from_storey(
        floor=place.floor if "floor" in place.model_fields_set else None,
        storey=place.storey,
        room=None,
        counts_ground_as_one=counts_ground_as_one,
    )
    return floor if floor is not None else place.floor
