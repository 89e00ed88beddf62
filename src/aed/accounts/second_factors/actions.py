"""Second factors: add, confirm, verify and remove them; and recovery codes for a lost factor.

Changing factors needs a session in which one was given, except for the first."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.sessions import SignIn
from aed.accounts.sign_in import queries as sign_in_queries
from aed.accounts.sign_in.models import RecoveryCode, SecondFactor
from aed.accounts.sign_in.rules import MAX_FACTORS, RECOVERY_CODE_COUNT, FactorKind
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn

ISSUER: Final = "AED network"
WRONG_CODE: Final = "The code is wrong or was already used. Wait for the next code and enter it."
STEP_SECONDS: Final = 30
_STEPS_OFF: Final = (0, -1, 1)
"""The clock of a phone may be off by half a minute."""


def require_second_factor(session: Session, sign_in: SignIn) -> None:
    """Raise NotAllowed if the person has a second factor that was not given in this session."""
    if sign_in.second_factor_at is None and sign_in_queries.second_factors(session, sign_in.person_id):
        raise NotAllowed("The session needs a second factor first: POST /v1/sign-in/second-factor.")


# --- Adding ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewApp:
    """An authenticator app that is being added. The secret is shown until the app is confirmed."""

    factor_id: int
    secret: str
    uri: str


def add_app(session: Session, sign_in: SignIn, name: str, *, at: datetime) -> NewApp:
    """Begin to add an authenticator app; it becomes active with its first code.

    visibility: the person's own session.
    """
    require_second_factor(session, sign_in)
    _require_room_for_factor(session, sign_in.person_id)
    session.execute(
        delete(SecondFactor).where(
            SecondFactor.person_id == sign_in.person_id, SecondFactor.confirmed_at.is_(None)
        )
    )
    secret = pyotp.random_base32()
    factor = SecondFactor(
        person_id=sign_in.person_id, kind=FactorKind.TOTP, name=name, secret=secret, added_at=at
    )
    session.add(factor)
    session.flush()
    return _new_app(session, factor)


def _new_app(session: Session, factor: SecondFactor) -> NewApp:
    # visibility: the person's own session
    person = session.get_one(Person, factor.person_id)
    assert factor.secret is not None
    uri = pyotp.TOTP(factor.secret).provisioning_uri(name=person.name, issuer_name=ISSUER)
    return NewApp(factor.id, factor.secret, uri)


def app_being_added(session: Session, sign_in: SignIn, factor_id: int) -> NewApp:
    """Return the authenticator app that the person is adding, to show it again after a wrong code.

    Raises NotFound.

    visibility: the person's own session.
    """
    return _new_app(session, _unconfirmed(session, sign_in, factor_id))


def _unconfirmed(session: Session, sign_in: SignIn, factor_id: int) -> SecondFactor:
    """Return the app that the person is adding. Raises NotFound.

    visibility: the person's own session.
    """
    factor = session.get(SecondFactor, factor_id)
    if factor is None or factor.person_id != sign_in.person_id or factor.confirmed_at is not None:
        raise NotFound("No authenticator app is being added under that id. Start again.", field="factor_id")
    return factor


def confirm_app(session: Session, sign_in: SignIn, factor_id: int, code: str, *, at: datetime) -> list[str]:
    """Activate an app by its first code; return new recovery codes if it is the first factor.

    Raises NotFound, NotSignedIn for a wrong code.
    """
    require_second_factor(session, sign_in)
    factor = _unconfirmed(session, sign_in, factor_id)
    if not _accepts_app_code(session, factor, code, at=at):
        raise NotSignedIn(WRONG_CODE)
    return record_factor_added(session, sign_in, factor, at=at)


def record_factor_added(
    session: Session, sign_in: SignIn, factor: SecondFactor, *, at: datetime
) -> list[str]:
    """Activate a factor, also for this session; return new recovery codes if it is the first factor."""
    is_first = not sign_in_queries.second_factors(session, sign_in.person_id)
    factor.confirmed_at = factor.last_used_at = at
    sign_in.second_factor_at = at
    _end_others(session, sign_in, at=at)
    by = f"person:{sign_in.person_id}"
    add_audit_entry(session, by, AuditSubject.PERSON, sign_in.person_id, "second factor added", at=at)
    kind = SecurityEventKind.SECOND_FACTOR_ADDED
    log_event(session, kind, at=at, person_id=sign_in.person_id, detail=factor.kind.value)
    session.flush()
    return new_recovery_codes(session, sign_in) if is_first else []


def _require_room_for_factor(session: Session, person_id: int) -> None:
    if len(sign_in_queries.second_factors(session, person_id)) >= MAX_FACTORS:
        raise Conflict("You have {max_factors} second factors. Remove one first.", max_factors=MAX_FACTORS)


def _end_others(session: Session, sign_in: SignIn, *, at: datetime) -> None:
    """End sessions that were opened without the factor."""
    session.execute(
        update(SignIn)
        .where(
            SignIn.person_id == sign_in.person_id,
            SignIn.id != sign_in.id,
            SignIn.ended_at.is_(None),
            SignIn.second_factor_at.is_(None),
        )
        .values(ended_at=at)
    )


def new_recovery_codes(session: Session, sign_in: SignIn) -> list[str]:
    """Create recovery codes, which replace the previous ones. Only their hashes are stored."""
    require_second_factor(session, sign_in)
    if not sign_in_queries.second_factors(session, sign_in.person_id):
        raise Conflict("Recovery codes replace a second factor. Add a second factor first.")
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == sign_in.person_id))
    codes = [pyotp.random_base32(length=32)[:16].lower() for _ in range(RECOVERY_CODE_COUNT)]
    session.add_all(RecoveryCode(person_id=sign_in.person_id, code_hash=hash_key(each)) for each in codes)
    session.flush()
    return [f"{each[:4]}-{each[4:8]}-{each[8:12]}-{each[12:]}" for each in codes]


# --- Verifying ------------------------------------------------------------------------------------------


def verify_code(session: Session, sign_in: SignIn, code: str, *, address: str, at: datetime) -> bool:
    """Verify an app's code or a recovery code and lift the session's limit; return False if it is wrong."""
    plain = "".join(code.split()).replace("-", "").lower()
    for factor in sign_in_queries.second_factors(session, sign_in.person_id):
        if factor.kind is FactorKind.TOTP and _accepts_app_code(session, factor, plain, at=at):
            record_second_factor(session, sign_in, factor, address=address, at=at)
            return True
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.person_id == sign_in.person_id,
            RecoveryCode.code_hash == hash_key(plain),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=at)
    )
    assert isinstance(used, CursorResult)
    if used.rowcount == 1:
        sign_in.second_factor_at = at
        kind = SecurityEventKind.RECOVERY_CODE_USED
        log_event(session, kind, at=at, person_id=sign_in.person_id, address=address)
        return True
    return False


def record_second_factor(
    session: Session, sign_in: SignIn, factor: SecondFactor, *, address: str, at: datetime
) -> None:
    """Lift the session's limit: the person has given that factor."""
    factor.last_used_at = sign_in.second_factor_at = at
    kind = SecurityEventKind.SECOND_FACTOR
    log_event(session, kind, at=at, person_id=sign_in.person_id, address=address, detail=factor.kind.value)
    session.flush()


def _accepts_app_code(session: Session, factor: SecondFactor, code: str, *, at: datetime) -> bool:
    """Return True for the app's code of this step or a neighbouring one, unless it was used already."""
    totp, now = pyotp.TOTP(factor.secret), int(at.timestamp()) // STEP_SECONDS
    plain = "".join(code.split())
    for step in (now + off for off in _STEPS_OFF):
        if not secrets.compare_digest(totp.at(step * STEP_SECONDS).encode(), plain.encode()):
            continue
        taken = session.execute(
            update(SecondFactor)
            .where(
                SecondFactor.id == factor.id,
                or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step),
            )
            .values(last_step=step)
        )
        assert isinstance(taken, CursorResult)
        return taken.rowcount == 1
    return False


# --- Removing -------------------------------------------------------------------------------------------


def remove_factor(session: Session, sign_in: SignIn, factor_id: int, *, at: datetime) -> None:
    """Remove one of the person's own factors, and with the last one the recovery codes. Raises NotFound."""
    require_second_factor(session, sign_in)
    factor = session.get(SecondFactor, factor_id)
    if factor is None or factor.person_id != sign_in.person_id:
        raise NotFound("You have no such second factor.", field="factor_id")
    session.delete(factor)
    session.flush()
    if not sign_in_queries.second_factors(session, sign_in.person_id):
        session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == sign_in.person_id))
    by = f"person:{sign_in.person_id}"
    add_audit_entry(session, by, AuditSubject.PERSON, sign_in.person_id, "second factor removed", at=at)
    kind = SecurityEventKind.SECOND_FACTOR_REMOVED
    log_event(session, kind, at=at, person_id=sign_in.person_id, detail=factor.kind.value)


def remove_all_factors(session: Session, who: Viewer, person_id: int, *, at: datetime) -> int:
    """Remove all factors of a person who has lost them, and end their sessions; return how many there were.

    For a network administrator, who has verified the person's identity.
    """
    require_administrator(who)
    people_queries.person(session, who, person_id)
    factors = session.scalars(select(SecondFactor).where(SecondFactor.person_id == person_id)).all()
    for each in factors:
        session.delete(each)
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    session.execute(
        update(SignIn).where(SignIn.person_id == person_id, SignIn.ended_at.is_(None)).values(ended_at=at)
    )
    if factors:
        add_audit_entry(session, who.name, AuditSubject.PERSON, person_id, "second factors removed", at=at)
        kind = SecurityEventKind.SECOND_FACTOR_REMOVED
        log_event(session, kind, at=at, person_id=person_id, detail=f"all, by {who.name}")
    return len(factors)
