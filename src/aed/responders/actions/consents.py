"""Give, record and withdraw consents, and update the state of responders accordingly.

A responder is active only while the consent to being called is in force, so that the lookup only needs to
read the state.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.database.locks import exclusive_lock
from aed.errors import InvalidInput, LivePlacesUnavailable
from aed.registry.changes import flush_or_conflict
from aed.responders.live import live_places_of
from aed.responders.models import Consent, Responder, ResponderPlace
from aed.responders.queries import consents_in_force, responder_ids_of, speaks_for_themselves
from aed.responders.rules import (
    MERGED,
    STATED_BY_A_LIST,
    ConsentKind,
    PlaceKind,
    ResponderState,
    current_wording,
)

log = structlog.get_logger("aed")

WITHDRAWAL_LOCK: Final = "withdrawing of consents"
"""Name of the lock that withdrawals hold exclusively, so that no location is stored during a withdrawal."""


def give_consent(
    session: Session, who: Viewer, person_id: int, kind: ConsentKind, *, wording: str, at: datetime
) -> None:
    """Record a consent to the current wording; do nothing if the person has already given it.

    It replaces a consent stated by a list. Raises InvalidInput if `wording` is not the current version.
    """
    now = current_wording(kind)
    if wording != now.version:
        raise InvalidInput(
            "The current wording is version {version}: show it to the person, and send that version.",
            field=f"consents.{kind}",
            version=now.version,
        )
    current = consents_in_force(session, person_id).get(kind)
    if current is not None:
        if current.wording == wording and current.stated_by is None:
            return
        current.withdrawn_at, current.withdrawn_by = at, who.name
        session.flush()
    session.add(Consent(person_id=person_id, kind=kind, wording=wording, given_at=at, given_by=who.name))
    flush_or_conflict(
        session,
        "This consent was given at the same time by another request. Read it again.",
        f"consents.{kind}",
    )


def record_stated_consents(
    session: Session, who: Viewer, person_id: int, source: str, places: Iterable[PlaceKind], *, at: datetime
) -> bool:
    """Record the consents that a list states for a person; return whether they apply.

    They do not apply if the person ever gave or withdrew a consent, which overrides the list.
    """
    current = consents_in_force(session, person_id)
    if speaks_for_themselves(session, person_id):
        return False
    wanted = [ConsentKind.BEING_CALLED]
    if PlaceKind.WORK in places:
        wanted.append(ConsentKind.PLACE_ON_DUTY)
    session.add_all(
        Consent(
            person_id=person_id,
            kind=kind,
            wording=STATED_BY_A_LIST,
            given_at=at,
            given_by=who.name,
            stated_by=source,
        )
        for kind in wanted
        if kind not in current
    )
    session.flush()
    return True


def withdraw_consent(
    session: Session, who: Viewer, person_id: int, kind: ConsentKind, *, at: datetime
) -> bool:
    """Withdraw a consent and delete the data stored because of it; return False if it was not in force.

    Without the consent to being called the person is no longer called, and their places are deleted. Location
    reports that arrive at the same time wait for the lock and are then refused.
    """
    exclusive_lock(session, WITHDRAWAL_LOCK)
    current = consents_in_force(session, person_id).get(kind)
    if current is not None:
        current.withdrawn_at, current.withdrawn_by = at, who.name
    if kind is ConsentKind.BEING_CALLED:
        _deactivate(session, person_id)
    elif kind is ConsentKind.LIVE_PLACE:
        delete_live_location(session, person_id)
    else:
        theirs = select(Responder.id).where(Responder.person_id == person_id)  # visibility: the person's own
        session.execute(
            delete(ResponderPlace).where(
                ResponderPlace.responder_id.in_(theirs), ResponderPlace.kind == PlaceKind.WORK
            )
        )
    session.flush()
    return current is not None


def delete_live_location(session: Session, person_id: int) -> None:
    """Delete the live location of the person's phone; if the store is unavailable, let it expire."""
    try:
        live_places_of(session).forget(session.connection(), responder_ids_of(session, person_id))
    except LivePlacesUnavailable as error:  # do not make the withdrawal fail
        log.warning("live location not deleted before it expires", reason=error.detail)


def _deactivate(session: Session, person_id: int) -> None:
    """Deactivate the person's entries, and delete their places and live location.

    visibility: only rows of the person.
    """
    delete_live_location(session, person_id)
    theirs = select(Responder.id).where(Responder.person_id == person_id)
    session.execute(
        update(Responder)
        .where(Responder.person_id == person_id)
        .values(state=ResponderState.WITHDRAWN, availability=None, paused_until=None)
    )
    session.execute(delete(ResponderPlace).where(ResponderPlace.responder_id.in_(theirs)))


def merge_consents(session: Session, who: Viewer, kept_id: int, other_id: int, *, at: datetime) -> None:
    """Reconcile the consents of two entries of one person before they are merged.

    1. Consents that the person gave or withdrew, in either entry, override those stated by a list.
    2. Of two decisions of the person the later one applies.
    3. If both entries have the consent, that of the kept entry stays and the other ends.

    visibility: the caller has checked that `who` may merge the two.
    """
    ids = (kept_id, other_id)
    speaking = [each for each in ids if speaks_for_themselves(session, each)]
    for person_id in ids if speaking else ():
        if person_id not in speaking:
            for stated in consents_in_force(session, person_id).values():
                stated.withdrawn_at, stated.withdrawn_by = at, MERGED
            _deactivate(session, person_id)
    for kind in ConsentKind:
        for one, another in (ids, ids[::-1]):
            current = consents_in_force(session, one).get(kind)
            withdrawn_at = session.scalar(
                select(func.max(Consent.withdrawn_at)).where(
                    Consent.person_id == another, Consent.kind == kind, Consent.withdrawn_by != MERGED
                )
            )
            is_later = current is not None and withdrawn_at is not None and withdrawn_at > current.given_at
            if is_later and kind not in consents_in_force(session, another):
                withdraw_consent(session, who, one, kind, at=at)
        mine, theirs = (consents_in_force(session, each).get(kind) for each in ids)
        if mine is not None and theirs is not None:
            theirs.withdrawn_at, theirs.withdrawn_by = at, MERGED
    session.flush()


def withdraw_all_consents(session: Session, who: Viewer, person: Person, *, at: datetime) -> bool:
    """Withdraw all consents, so that the person is no longer called; return False if there were none."""
    withdrawn = [withdraw_consent(session, who, person.id, kind, at=at) for kind in ConsentKind]
    return any(withdrawn)
