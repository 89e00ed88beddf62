"""Queries for second factors and recovery codes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.regions.queries import is_second_factor_demanded
from aed.accounts.role_grants import role_assignments_of
from aed.accounts.sessions import active_session
from aed.accounts.sign_in.models import RecoveryCode, SecondFactor
from aed.accounts.tokens import hash_key


def second_factors(session: Session, person_id: int) -> Sequence[SecondFactor]:
    """Return the confirmed second factors of a person, oldest first.

    visibility: for the person only.
    """
    return session.scalars(
        select(SecondFactor)
        .where(SecondFactor.person_id == person_id, SecondFactor.confirmed_at.is_not(None))
        .order_by(SecondFactor.id)
    ).all()


def recovery_codes_left(session: Session, person_id: int) -> int:
    """Count the unused recovery codes of a person.

    visibility: for the person; only a number.
    """
    asked = select(func.count()).where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    return session.scalar(asked) or 0


def needs_second_factor(session: Session, person_id: int) -> bool:
    """Return True if the person has a second factor, or a role for which their region requires one.

    visibility: for the person's own sign-in.
    """
    if second_factors(session, person_id):
        return True
    return is_second_factor_demanded(session, role_assignments_of(session, person_id))


def awaits_second_factor(session: Session, key: str, *, at: datetime) -> bool:
    """Return True if the session of a browser permits nothing until a second factor is given.

    The requirement may be newer than the session: the person got a role, or a region began to require it.

    visibility: for the person's own sign-in.
    """
    found = active_session(session, hash_key(key), at=at)
    if found is None or found.second_factor_at is not None:
        return False
    return found.is_limited or is_second_factor_demanded(
        session, role_assignments_of(session, found.person_id)
    )
