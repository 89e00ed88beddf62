"""Check-in at a training session with the QR code on the trainer's screen."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import SCHEDULER, Viewer
from aed.errors import Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.registry.changes import flush_or_conflict
from aed.settings import Settings
from aed.signatures import TokenPurpose, opened, signing_keys
from aed.training import queries as session_queries
from aed.training.attendance import queries
from aed.training.attendance.rules import PresenceCode, can_sign_in_until, closed_reason, read_code
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import Enrolment, PresenceCodeUsed, TrainingSession
from aed.training.permissions import require_trainer
from aed.training.rosters.actions import Result, save_results
from aed.training.rules import AttendanceState, EnrolmentState, MarkedBy, SessionState, can_sign_in

NO_CODE: Final = (
    "这不是签到码，或已损坏；请扫描培训现场屏幕上的二维码。This is not an attendance "
    "code, or it was altered. Scan the code on the trainer's screen."
)


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """A recorded check-in; `is_new` is False if the attendance was already recorded."""

    enrolment_id: int
    session_id: int
    is_new: bool


def new_code(
    session: Session, who: Viewer, session_id: int, *, at: datetime
) -> tuple[TrainingSession, PresenceCode]:
    """Return the session and a new code for the trainer's screen. The code is stored only once it is used.

    Raises NotFound, NotSignedIn or NotAllowed for viewers who do not run the session, and Conflict if
    check-in is closed.
    """
    training = session_queries.training_session(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    _open(training, at=at)
    return training, PresenceCode(training.id, at.replace(microsecond=0), secrets.token_urlsafe(9))


def sign_in(session: Session, who: Viewer, code: PresenceCode | None, *, at: datetime) -> CheckedIn:
    """Record the signed-in person's attendance with a scanned code. Repeating it changes nothing.

    1. Require a signed-in person; an API token alone cannot attend.
    2. Check that the code is authentic and unexpired, and that check-in to its session is open.
    3. Require an enrolment with a place. Return early if the attendance is already recorded.
    4. Refuse a code that another person has used, so that a forwarded code does not work twice.

    Raises NotSignedIn, NotAllowed, InvalidInput or Conflict, each with a message that says what to do.
    """
    person = _person(session, who)
    if code is None:
        raise InvalidInput(NO_CODE, field="token")
    training = session_queries.locked(session, SCHEDULER, code.session_id)
    over = closed_reason(code, at=at, time_zone=training.time_zone)
    if over is not None:
        raise Conflict(over, field="token")
    _open(training, at=at)
    enrolment = _with_a_place(session, training, person)
    _, attendance, _ = enrolment_queries.results(session, [enrolment.id])[enrolment.id]
    if attendance is not None and attendance.state is AttendanceState.ATTENDED:
        return CheckedIn(enrolment.id, training.id, is_new=False)
    if queries.is_used(session, code.nonce):
        raise Conflict(
            "此码已被他人使用，请扫描屏幕上的新二维码。Someone else has used this code. Scan "
            "the new code on the screen.",
            field="token",
        )
    session.add(PresenceCodeUsed(nonce=code.nonce, enrolment_id=enrolment.id, used_at=at))
    flush_or_conflict(
        session,
        "此码正被他人使用，请扫描屏幕上的新二维码。Someone else is using this code. Scan "
        "the new code on the screen.",
        "token",
    )
    result = Result(enrolment.id, attendance=AttendanceState.ATTENDED)
    save_results(session, who, training, [result], how=MarkedBy.CODE, at=at)
    return CheckedIn(enrolment.id, training.id, is_new=True)


def _person(session: Session, who: Viewer) -> Person:
    """Return the signed-in person.

    visibility: people can always see themselves.
    """
    if not who.is_signed_in:
        raise NotSignedIn(
            "请先登录，再扫描屏幕上的二维码。Sign in first, then scan the code on the screen again."
        )
    if who.person_id is None:
        raise NotAllowed(
            "Only a person can sign in to a session, not a token. Sign in as the person who is enrolled."
        )
    return session.get_one(Person, who.person_id)


def _open(training: TrainingSession, *, at: datetime) -> None:
    """Raise Conflict unless check-in to the session is open at `at`."""
    if training.state is SessionState.CANCELLED:
        raise Conflict("场次已取消。The session was cancelled.", field="session_id")
    if not can_sign_in(at, training.starts_at):
        begins = training.starts_at.astimezone(ZoneInfo(training.time_zone))
        raise Conflict(
            "培训于 {begins:%Y-%m-%d %H:%M} 开始，开始前两小时起可以签到。The session begins at "
            "{begins:%Y-%m-%d %H:%M}. You can sign in from two hours before.",
            field="session_id",
            begins=begins,
        )
    if at > can_sign_in_until(training.ends_at):
        raise Conflict(
            "培训已结束，请联系讲师补登。The session has ended. Ask the trainer to record your attendance.",
            field="session_id",
        )


def _with_a_place(session: Session, training: TrainingSession, person: Person) -> Enrolment:
    """Return the person's enrolment in the session.

    Raises NotAllowed if there is none, and Conflict while it is on the waiting list or its offer is not
    accepted.
    """
    found = enrolment_queries.active_enrolment_of(session, training.id, person.id)
    if found is None:
        found = queries.enrolments_by_number(session, training.id, person, country=training.region.country)
    if found is None:
        raise NotAllowed(
            "您未报名此场次，请联系讲师。You are not enrolled in this session. Ask the trainer.",
            field="session_id",
        )
    if found.state is EnrolmentState.WAITING:
        raise Conflict(
            "您仍在候补名单上，请联系讲师。You are still on the waiting list. Ask the trainer.",
            field="session_id",
        )
    if found.state is EnrolmentState.OFFERED:
        raise Conflict(
            "已为您保留名额，请先确认，再扫码。A place is reserved for you. Accept it first, "
            "then scan again.",
            field="session_id",
        )
    return found


def read_token(settings: Settings, token: str) -> PresenceCode | None:
    """Return the presence code in a token; None if its signature is not valid."""
    text = opened(signing_keys(settings), TokenPurpose.PRESENCE, token)
    return read_code(text) if text is not None else None


def session_of_code(session: Session, code: PresenceCode | None, *, at: datetime) -> TrainingSession:
    """Return the session of a code that is valid now. Raise InvalidInput or Conflict otherwise."""
    if code is None:
        raise InvalidInput(NO_CODE, field="token")
    training = session_queries.training_session(session, SCHEDULER, code.session_id)
    over = closed_reason(code, at=at, time_zone=training.time_zone)
    if over is not None:
        raise Conflict(over, field="token")
    return training
