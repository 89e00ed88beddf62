"""Used check-in codes and attendance counts."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Account, Person
from aed.accounts.people.rules import e164
from aed.errors import InvalidInput
from aed.training.models import Attendance, Enrolment, PresenceCodeUsed
from aed.training.rules import ACTIVE_STATES, AttendanceState, EnrolmentState


def is_used(session: Session, nonce: str) -> bool:
    """Return True if the code with this nonce has been used.

    visibility: the caller already holds the code.
    """
    return session.get(PresenceCodeUsed, nonce) is not None


class PresentPerson(NamedTuple):
    """Counts for the trainer's screen: people marked as attending, and people enrolled."""

    attended: int
    enrolled: int


def present_people(session: Session, session_id: int) -> PresentPerson:
    """Return how many enrolled people are marked as attending, and how many are enrolled.

    visibility: counts only, shown to those who run the session.
    """
    counted = (
        select(
            func.count().filter(Attendance.state == AttendanceState.ATTENDED),
            func.count(),
        )
        .select_from(Enrolment)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Enrolment.session_id == session_id, Enrolment.state == EnrolmentState.ENROLLED)
    )
    return PresentPerson(*session.execute(counted).one())


def enrolments_by_number(
    session: Session, session_id: int, person: Person, *, country: str
) -> Enrolment | None:
    """Return an active enrolment that matches the person's name and account phone number, or None.

    The person who submitted the list may have written the number differently, for example without the
    country code.

    visibility: for the person, who has proved that the number is theirs.
    """
    account = session.get(Account, person.id)
    if account is None:
        return None
    found = session.execute(
        select(Enrolment, Person.phone)
        .join(Person, Person.id == Enrolment.person_id)
        .where(
            Enrolment.session_id == session_id, Enrolment.state.in_(ACTIVE_STATES), Person.name == person.name
        )
        .order_by(Enrolment.id)
    )
    for enrolment, phone in found:
        if phone is not None and _as_account(phone, country) == account.phone:
            return enrolment
    return None


def _as_account(phone: str, country: str) -> str | None:
    """Return the number in E.164 format, as accounts store it; None if it is not valid."""
    try:
        return e164(phone, country=country)
    except InvalidInput:
        return None
