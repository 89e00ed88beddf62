"""What people agreed to: given, stated by lists, withdrawn; and who may be called follows from it.

A responder is active only while the consent to being called is in force: every function here keeps the two in
step, so that the lookup asks for the state alone.
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
from aed.database.session import exclusive_lock
from aed.errors import InvalidInput, LivePlacesUnavailable
from aed.registry.changes import flush
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
"""Whoever withdraws does so alone: no place comes in between that would be kept although it may not be."""


def give_consent(
    session: Session, who: Viewer, person_id: int, kind: ConsentKind, *, wording: str, at: datetime
) -> None:
    """The consent is in force, in the words that are asked for today. One that stands in them stays as it is.

    A statement of a list gives way to the person's own word. Raises InvalidInput for other words.
    """
    now = current_wording(kind)
    if wording != now.version:
        raise InvalidInput(
            f"The words that count are those of {now.version}: show them, and send that version.",
            field=f"consents.{kind}",
        )
    standing = consents_in_force(session, person_id).get(kind)
    if standing is not None:
        if standing.wording == wording and standing.stated_by is None:
            return
        standing.withdrawn_at, standing.withdrawn_by = at, who.name
        session.flush()
    session.add(Consent(person_id=person_id, kind=kind, wording=wording, given_at=at, given_by=who.name))
    flush(session, "This consent is being given at this moment. Read it again.", f"consents.{kind}")


def record_stated_consents(
    session: Session, who: Viewer, person_id: int, source: str, places: Iterable[PlaceKind], *, at: datetime
) -> bool:
    """A list says that the person may be called, and where: whoever keeps it has the consents, which is put
    down as the list's word. Whether it counts.

    What the person said counts more: whoever withdrew, or gave the own word, is not spoken for.
    """
    standing = consents_in_force(session, person_id)
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
        if kind not in standing
    )
    session.flush()
    return True


def withdraw_consent(
    session: Session, who: Viewer, person_id: int, kind: ConsentKind, *, at: datetime
) -> bool:
    """It is no longer in force, and what was kept because of it is gone. False: it was not in force.

    Without the consent to being called nobody calls the person, and no place is kept. Places of phones that
    come at this moment wait, and are refused then.
    """
    exclusive_lock(session, WITHDRAWAL_LOCK)
    standing = consents_in_force(session, person_id).get(kind)
    if standing is not None:
        standing.withdrawn_at, standing.withdrawn_by = at, who.name
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
    return standing is not None


def delete_live_location(session: Session, person_id: int) -> None:
    """No place of the person's phone is kept. Where that cannot be reached, it expires; nobody is told it."""
    try:
        live_places_of(session).forget(session.connection(), responder_ids_of(session, person_id))
    except LivePlacesUnavailable as error:  # who withdraws is not kept waiting for it
        log.warning("live place not forgotten before it expires", why=error.detail)


def _deactivate(session: Session, person_id: int) -> None:
    """visibility: the person's own."""
    delete_live_location(session, person_id)
    theirs = select(Responder.id).where(Responder.person_id == person_id)
    session.execute(
        update(Responder)
        .where(Responder.person_id == person_id)
        .values(state=ResponderState.WITHDRAWN, availability=None, paused_until=None)
    )
    session.execute(delete(ResponderPlace).where(ResponderPlace.responder_id.in_(theirs)))


def merge_consents(session: Session, who: Viewer, kept_id: int, other_id: int, *, at: datetime) -> None:
    """Before two entries of one person become one, one word of the two counts for each consent.

    1. What the person said themselves, in whichever entry, counts more than what a list says of the other.
    2. Of two words of the person the later one counts.
    3. Where both agree, the kept entry's consent stands, and the other's ends.

    visibility: whoever calls has seen to it that `who` may join the two.
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
            standing = consents_in_force(session, one).get(kind)
            withdrawn_at = session.scalar(
                select(func.max(Consent.withdrawn_at)).where(
                    Consent.person_id == another, Consent.kind == kind, Consent.withdrawn_by != MERGED
                )
            )
            is_later = standing is not None and withdrawn_at is not None and withdrawn_at > standing.given_at
            if is_later and kind not in consents_in_force(session, another):
                withdraw_consent(session, who, one, kind, at=at)
        mine, theirs = (consents_in_force(session, each).get(kind) for each in ids)
        if mine is not None and theirs is not None:
            theirs.withdrawn_at, theirs.withdrawn_by = at, MERGED
    session.flush()


def withdraw_all_consents(session: Session, who: Viewer, person: Person, *, at: datetime) -> bool:
    """The person is called no more; every consent is withdrawn. False: there was nothing to withdraw."""
    withdrawn = [withdraw_consent(session, who, person.id, kind, at=at) for kind in ConsentKind]
    return any(withdrawn)
