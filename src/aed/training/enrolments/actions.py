"""Enrolment, the waiting list, offers, withdrawal and moves between sessions.

Every change to a roster locks the row of its session (`training.queries.locked`), so that concurrent
requests see the places that earlier ones took. Under the lock, the order of `Enrolment.id` is the order of
arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Person
from aed.accounts.permissions import SCHEDULER, Viewer
from aed.database.types import require_version
from aed.errors import Conflict, NotAllowed, NotFound
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.training import queries as session_queries
from aed.training.courses import queries as course_queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.messages import notify
from aed.training.models import Enrolment, TrainingSession
from aed.training.permissions import require_enroller, require_trainer, require_write, runs_training
from aed.training.rules import (
    ACTIVE_STATES,
    HOLDS_A_PLACE,
    EnrolmentNotice,
    EnrolmentState,
    LinkNotice,
    SessionAudience,
    SessionState,
    offer_until,
    places_to_offer,
    state_on_arrival,
)


def enrol(session: Session, who: Viewer, session_id: int, new: EnrolmentIn, *, at: datetime) -> Enrolment:
    """Enrol a person: give them a free place, or add them to the end of the waiting list.

    1. Lock the session. Check that `who` runs it or may enrol people of that estate.
    2. Settle expired offers.
    3. Check that the session is open for enrolment and that the person is eligible.
    4. Assign a place if one is free and nobody waits; otherwise append to the waiting list.

    Raises NotFound, NotSignedIn or NotAllowed, and Conflict with a suggested alternative.
    """
    of_estate = new.estate_id if new.estate_id is not None else who.estate_id
    require_write(who)
    training = session_queries.locked(session, who, session_id)
    person = _own_person(session, who, new)
    region_id = enrolment_queries.region_of_estate(session, of_estate)
    if not runs_training(who, training.estate_id, training.region_id):
        require_enroller(who, of_estate, region_id=region_id, is_self=person is not None)
    settle(session, who, training, at=at)
    _open_to_enrolment(training, at=at)
    if person is None:
        person = people_actions.find_or_add_person(
            session, name=new.name, phone=new.phone, language=new.language
        )
    known = enrolment_queries.estate_of_person(session, person.id)
    if new.estate_id is not None and region_id is None:
        raise NotFound("There is no estate {estate_id}.", field="estate_id", estate_id=new.estate_id)
    _require_eligible(session, training, person, of_estate if of_estate is not None else known, known=known)
    made = _add(session, who, training, person, of_estate if of_estate is not None else known, at=at)
    if made.state is EnrolmentState.ENROLLED:
        notify(session, [made], training, EnrolmentNotice.ENROLLED, at=at)
    else:
        place = session_queries.places_of(session, training.id).waiting
        notify(session, [made], training, LinkNotice.WAITING, at=at, waiting_place=place)
    return made


def accept(session: Session, who: Viewer, enrolment_id: int, *, version: int, at: datetime) -> Enrolment:
    """Accept an offered place. Accepting twice changes nothing.

    Raises Conflict if no place is offered.
    """
    enrolment, training = _locked(session, who, enrolment_id, at=at)
    match enrolment.state:
        case EnrolmentState.ENROLLED:
            return enrolment
        case EnrolmentState.OFFERED:
            require_version(enrolment, version)
            _become(session, who, enrolment, EnrolmentState.ENROLLED, at=at)
            notify(session, [enrolment], training, EnrolmentNotice.ENROLLED, at=at)
            return enrolment
        case EnrolmentState.WAITING:
            raise Conflict("No place is free yet. One is offered as soon as it becomes free.", field="state")
        case EnrolmentState.LAPSED:
            raise Conflict(
                "The offer expired and the place was offered to another person. Enrol again in session {id}.",
                field="state",
                id=training.id,
            )
        case _:
            raise Conflict("This enrolment is {state}. Enrol again.", field="state", state=enrolment.state)


def withdraw(session: Session, who: Viewer, enrolment_id: int, *, version: int, at: datetime) -> Enrolment:
    """Withdraw an enrolment and offer the place to the next person. Withdrawing twice changes nothing."""
    enrolment, training = _locked(session, who, enrolment_id, at=at)
    if enrolment.state is EnrolmentState.WITHDRAWN:
        return enrolment
    _require_withdrawable(session, enrolment, training, at=at)
    require_version(enrolment, version)
    _become(session, who, enrolment, EnrolmentState.WITHDRAWN, at=at)
    offer_free_places(session, who, training, at=at)
    return enrolment


def move(
    session: Session, who: Viewer, enrolment_id: int, *, to_session_id: int, version: int, at: datetime
) -> Enrolment:
    """Move an enrolment to another session, by the same rules as a new enrolment, and return the new one.

    Someone who has a place can move only to a free place. Raises Conflict otherwise.
    """
    enrolment, training = _locked(session, who, enrolment_id, at=at, also=to_session_id)
    if to_session_id == training.id:
        raise Conflict("The person is already in this session.", field="session_id")
    _require_withdrawable(session, enrolment, training, at=at)
    require_version(enrolment, version)
    other = session_queries.locked(session, who, to_session_id)
    settle(session, who, other, at=at)
    _open_to_enrolment(other, at=at)
    known = enrolment_queries.estate_of_person(session, enrolment.person_id)
    _require_eligible(session, other, enrolment.person, enrolment.estate_id, known=known)
    arrived = _add(session, who, other, enrolment.person, enrolment.estate_id, at=at)
    if enrolment.state in HOLDS_A_PLACE and arrived.state is EnrolmentState.WAITING:
        raise Conflict(
            "That session is full. Keep this place, and also enrol there for its waiting list.",
            field="session_id",
        )
    enrolment.moved_to_id = arrived.id
    _become(session, who, enrolment, EnrolmentState.MOVED, at=at)
    if arrived.state is EnrolmentState.ENROLLED:
        notify(session, [arrived], other, EnrolmentNotice.MOVED, at=at)
    offer_free_places(session, who, training, at=at)
    return arrived


def expire_offers(session: Session, now: datetime) -> int:
    """End all expired offers, offer their places to the next people, and return the number of offers ended.

    Run by the scheduler. It is safe to run concurrently with enrolments and with itself.
    """
    ended = 0
    for session_id in session_queries.with_offers_over(session, at=now):  # in order of id, to avoid deadlocks
        ended += settle(session, SCHEDULER, session_queries.locked(session, SCHEDULER, session_id), at=now)
    return ended


def settle(session: Session, who: Viewer, training: TrainingSession, *, at: datetime) -> int:
    """End the expired offers of a locked session, offer the places again, and return the number of offers
    ended.
    """
    over = [
        each
        for each in enrolment_queries.active_enrolments(session, training.id, EnrolmentState.OFFERED)
        if each.offer_expires_at is not None and each.offer_expires_at <= at
    ]
    for each in over:
        _become(session, who, each, EnrolmentState.LAPSED, at=at)
    if over:
        notify(session, over, training, EnrolmentNotice.LAPSED, at=at)
        offer_free_places(session, who, training, at=at)
    return len(over)


def offer_free_places(session: Session, who: Viewer, training: TrainingSession, *, at: datetime) -> None:
    """Offer the free places of a locked session to the waiting list, in order of arrival.

    Does nothing once the session has begun; the trainer then records who attended.
    """
    until = offer_until(at, training.starts_at)
    if until is None or training.state is not SessionState.PLANNED:
        return
    held, waiting = session_queries.places_of(session, training.id)
    count = places_to_offer(capacity=training.capacity, places_held=held, waiting=waiting)
    if count == 0:
        return
    next_ones = enrolment_queries.active_enrolments(session, training.id, EnrolmentState.WAITING, limit=count)
    for each in next_ones:
        each.offer_expires_at = until
        _become(session, who, each, EnrolmentState.OFFERED, at=at)
    notify(session, next_ones, training, EnrolmentNotice.OFFERED, at=at)


def notify_of_change(session: Session, who: Viewer, training: TrainingSession, *, at: datetime) -> None:
    """Notify everyone on the roster and waiting list of a locked session of its new time or place.

    Offers that would last longer than the new start allows are shortened.
    """
    until = offer_until(at, training.starts_at)
    found = enrolment_queries.active_enrolments(session, training.id)
    for each in found:
        ends = each.offer_expires_at
        if until is not None and ends is not None and ends > until:
            each.offer_expires_at = until
            _become(session, who, each, EnrolmentState.OFFERED, at=at)
    notify(session, found, training, EnrolmentNotice.CHANGED, at=at)


def end_all(
    session: Session, who: Viewer, training: TrainingSession, *, reason: str, at: datetime
) -> Sequence[Enrolment]:
    """Cancel all enrolments of a locked session, notify the people, and return the enrolments."""
    found = enrolment_queries.active_enrolments(session, training.id)
    for each in found:
        _become(session, who, each, EnrolmentState.CANCELLED, at=at)
    notify(session, found, training, EnrolmentNotice.CANCELLED, reason=reason, at=at)
    return found


# --- steps ----------------------------------------------------------------------------------------------


def _locked(
    session: Session, who: Viewer, enrolment_id: int, *, at: datetime, also: int | None = None
) -> tuple[Enrolment, TrainingSession]:
    """Return the enrolment and its session, locked and settled.

    `also` is another session that the caller locks afterwards. Sessions are locked in order of id, to avoid
    deadlocks between concurrent moves.
    """
    require_write(who)
    found = enrolment_queries.enrolment(session, who, enrolment_id)
    _require_enrolment_editor(session, who, found)
    if also is not None and also < found.session_id:
        session_queries.locked(session, who, also)
    # Not as the viewer: people enrolled in another estate's session stay in the care of their own estate.
    training = session_queries.locked(session, SCHEDULER, found.session_id)
    settle(session, who, training, at=at)
    return enrolment_queries.enrolment(session, who, enrolment_id), training


def _own_person(session: Session, who: Viewer, new: EnrolmentIn) -> Person | None:
    """Return the signed-in person if the given name and phone number are theirs, else None.

    visibility: people can always see themselves.
    """
    person = session.get(Person, who.person_id) if who.person_id is not None else None
    is_own = person is not None and (person.name, person.phone) == (new.name, new.phone)
    return person if is_own else None


def _require_enrolment_editor(session: Session, who: Viewer, enrolment: Enrolment) -> None:
    """Raise NotAllowed unless the viewer may enrol people of that estate or runs the session."""
    training = session_queries.training_session(session, SCHEDULER, enrolment.session_id)
    try:
        require_enroller(
            who,
            enrolment.estate_id,
            region_id=enrolment_queries.region_of_estate(session, enrolment.estate_id),
            is_self=who.person_id is not None and who.person_id == enrolment.person_id,
        )
    except NotAllowed:
        require_trainer(who, training.estate_id, training.region_id)


def _open_to_enrolment(training: TrainingSession, *, at: datetime) -> None:
    """Raise Conflict unless people can enrol in the session at `at`."""
    if training.state is SessionState.CANCELLED:
        raise Conflict(
            "The session was cancelled: {cancelled_why}",
            field="session_id",
            cancelled_why=training.cancelled_why,
        )
    if training.state is SessionState.HELD or at >= training.starts_at:
        raise Conflict("The session has already begun. Look for a later one.", field="session_id")
    if at >= training.enrolment_closes_at:
        raise Conflict(
            "Enrolment closed at {enrolment_closes_at:%Y-%m-%d %H:%M} UTC. Look for a later one.",
            field="session_id",
            enrolment_closes_at=training.enrolment_closes_at,
        )


def _require_eligible(
    session: Session, training: TrainingSession, person: Person, estate_id: int | None, *, known: int | None
) -> None:
    """Raise Conflict if the person is of another estate, already enrolled, or lacks a prerequisite."""
    if training.audience is SessionAudience.ESTATE:
        if estate_id is None:
            raise Conflict(
                "This session is only for people of its estate. Give estate_id, the person's estate.",
                field="estate_id",
            )
        if training.estate_id != estate_id or known not in (None, training.estate_id):
            raise Conflict(
                "This session is only for people of its estate. Look for a public one.", field="estate_id"
            )
    existing = enrolment_queries.active_enrolment_of(session, training.id, person.id)
    if existing is not None:
        where = "waiting list" if existing.state is EnrolmentState.WAITING else "roster"
        raise Conflict(
            "This person is already on the {where} (enrolment {id}).",
            field="name",
            where=where,
            id=existing.id,
        )
    needed = course_queries.prerequisites(session, [training.course_id]).get(training.course_id, [])
    on = training.starts_at.astimezone(ZoneInfo(training.time_zone)).date()
    missing = enrolment_queries.lacking(session, person.id, needed, on=on)
    if missing:
        codes = " and ".join(each.code for each in missing)
        raise Conflict(
            "This course requires {codes}, passed and valid on the day.", field="session_id", codes=codes
        )


def _require_withdrawable(
    session: Session, enrolment: Enrolment, training: TrainingSession, *, at: datetime
) -> None:
    """Raise Conflict unless the enrolment is active, the session has not begun and attendance is unmarked."""
    if enrolment.state not in ACTIVE_STATES:
        raise Conflict("This enrolment is already {state}.", field="state", state=enrolment.state)
    if at >= training.starts_at:
        raise Conflict("The session has begun. Record the attendance instead.", field="state")
    _, attendance, _ = enrolment_queries.results(session, [enrolment.id])[enrolment.id]
    if attendance is not None:
        raise Conflict("The attendance has already been recorded.", field="state")


def _add(
    session: Session,
    who: Viewer,
    training: TrainingSession,
    person: Person,
    estate_id: int | None,
    *,
    at: datetime,
) -> Enrolment:
    """Add the enrolment to a locked session, with a place or on the waiting list."""
    held, waiting = session_queries.places_of(session, training.id)
    enrolment = Enrolment(
        session_id=training.id,
        person_id=person.id,
        estate_id=estate_id,
        state=state_on_arrival(capacity=training.capacity, places_held=held, waiting=waiting),
        enrolled_at=at,
    )
    session.add(enrolment)
    flush_or_conflict(session, "This person is already on the roster.", "name")
    record_creation(session, who, enrolment, at=at)
    return enrolment


def _become(
    session: Session, who: Viewer, enrolment: Enrolment, state: EnrolmentState, *, at: datetime
) -> None:
    """Set the state of an enrolment, clear its offer unless it is offered, and record the change."""
    enrolment.state = state
    if state is not EnrolmentState.OFFERED:
        enrolment.offer_expires_at = None
    record_amendment(session, who, enrolment, at=at)
    flush_or_conflict(session, "This change would make the enrolment invalid.", None)
