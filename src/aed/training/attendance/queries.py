"""Which codes were used, and how many are there."""

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
    """visibility: of a code that the caller holds."""
    return session.get(PresenceCodeUsed, nonce) is not None


class Here(NamedTuple):
    attended: int
    enrolled: int


def here(session: Session, session_id: int) -> Here:
    """How many of those with a place are there.

    visibility: numbers alone, for who runs the session.
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
    return Here(*session.execute(counted).one())


def standing_by_number(
    session: Session, session_id: int, person: Person, *, country: str
) -> Enrolment | None:
    """The enrolment of somebody of the same name whose number, however it was written, is the one with which
    the person signs in: a lead who sent the list need not have written it as the account has it.

    visibility: for the person, who proved to have that number.
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
    try:
        return e164(phone, country=country)
    except InvalidInput:
        return None
