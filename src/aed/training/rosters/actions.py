"""Record the results of a session: attendance, assessments and awarded certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, quote
from aed.accounts.permissions import Viewer
from aed.errors import Conflict, InvalidInput, NotFound
from aed.issuers.actions import managed_issuer
from aed.notifications.outbox import Notice, notify_person
from aed.notifications.rules import MessageTopic
from aed.registry.changes import PutOutcome, flush_or_conflict, record_amendment, record_creation
from aed.responders.actions import Award, award_certificate
from aed.responders.models import Certificate
from aed.training import queries as session_queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.messages import notify
from aed.training.models import Assessment, Attendance, Enrolment, TrainingSession
from aed.training.permissions import require_trainer
from aed.training.rules import (
    AttendanceState,
    EnrolmentState,
    LinkNotice,
    MarkedBy,
    SessionState,
    can_sign_in,
    last_valid_day,
)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one person; None leaves a value unchanged."""

    enrolment_id: int
    attendance: AttendanceState | None = None
    passed: bool | None = None
    note: str | None = None


def open_for_results(session: Session, who: Viewer, session_id: int, *, at: datetime) -> TrainingSession:
    """Return the session, locked, if attendance can be recorded.

    Raises NotFound, NotSignedIn or NotAllowed; Conflict if it was cancelled or begins in more than two
    hours.
    """
    training = session_queries.locked(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    if training.state is SessionState.CANCELLED:
        raise Conflict("The session was cancelled, so nobody attended it.", field="session_id")
    if not can_sign_in(at, training.starts_at):
        raise Conflict(
            "The session begins at {starts_at:%Y-%m-%d %H:%M} UTC. Attendance can be "
            "recorded from two hours before.",
            field="session_id",
            starts_at=training.starts_at,
        )
    return training


def save_results(
    session: Session,
    who: Viewer,
    training: TrainingSession,
    given: Sequence[Result],
    *,
    how: MarkedBy,
    at: datetime,
) -> list[PutOutcome]:
    """Record attendance and assessments, in the given order. `training` comes from `open_for_results`.

    1. Record attendance of enrolled people. The first person who attended marks the session as held.
    2. Record the assessment of people who attended. Passing awards the certificate of the course.

    Raises NotFound for an enrolment of another session, or Conflict. The caller must then roll back its
    transaction or savepoint, so that either all results are stored or none.
    """
    known = enrolment_queries.results(session, [each.enrolment_id for each in given])
    outcomes = []
    for number, each in enumerate(given):
        found = known.get(each.enrolment_id)
        if found is None or found[0].session_id != training.id:
            raise NotFound(
                "This session has no enrolment {enrolment_id}.",
                field=f"rows.{number}.enrolment_id",
                enrolment_id=each.enrolment_id,
            )
        enrolment, attendance, assessment = found
        field = f"rows.{number}"
        before = (
            attendance.state if attendance is not None else None,
            (assessment.passed, assessment.note) if assessment is not None else None,
        )
        if each.attendance is not None:
            attendance = _attended(
                session, who, training, enrolment, attendance, assessment, each.attendance, how, field, at=at
            )
        if each.passed is not None:
            assessment = _assessed(
                session, who, training, enrolment, attendance, assessment, each, field, at=at
            )
        known[each.enrolment_id] = (enrolment, attendance, assessment)
        after = (
            attendance.state if attendance is not None else None,
            (assessment.passed, assessment.note) if assessment is not None else None,
        )
        is_new = before == (None, None)
        outcomes.append(PutOutcome.of(None if before == after else is_new))
    return outcomes


class MessageGroup(StrEnum):
    """Which people of a session get a message."""

    ENROLLED = "enrolled"
    WAITING = "waiting"
    ATTENDED = "attended"
    ABSENT = "absent"
    """Marked as absent."""


def message_people(
    session: Session, who: Viewer, session_id: int, group: MessageGroup, text: str, *, at: datetime
) -> int:
    """Send a text of the trainer to a group of people of a session; return their number.

    Each gets it in one message that names the course and the day, without links and phone numbers. Raises
    InvalidInput for an empty text, and Conflict if nobody is in the group.
    """
    training = session_queries.training_session(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    words = quote(text, limit=MAX_MESSAGE_CHARACTERS)
    if not words:
        raise InvalidInput("Enter the text of the message.", field="text")
    people = enrolment_queries.people_in(
        session,
        training.id,
        states=(EnrolmentState.WAITING, EnrolmentState.OFFERED)
        if group is MessageGroup.WAITING
        else (EnrolmentState.ENROLLED,),
        attendance=_ATTENDANCE_OF.get(group),
    )
    if not people:
        raise Conflict("Nobody of this session is in that group.", field="group")
    day = f"{training.starts_at.astimezone(ZoneInfo(training.time_zone)):%Y-%m-%d}"
    course = training.course
    notice = Notice(
        f"{quote(course.name_en, limit=MAX_PLACE_CHARACTERS)}, {day}: {words}",
        f"{quote(course.name_zh, limit=MAX_PLACE_CHARACTERS)}（{day}）：{words}",
        topic=MessageTopic.TRAINING,
    )
    for person_id in people:
        notify_person(session, person_id, notice, at, country=training.region.country)
    return len(people)


MAX_MESSAGE_CHARACTERS: Final = 300
_ATTENDANCE_OF: Final = {
    MessageGroup.ATTENDED: AttendanceState.ATTENDED,
    MessageGroup.ABSENT: AttendanceState.NO_SHOW,
}


def _attended(
    session: Session,
    who: Viewer,
    training: TrainingSession,
    enrolment: Enrolment,
    attendance: Attendance | None,
    assessment: Assessment | None,
    state: AttendanceState,
    how: MarkedBy,
    field: str,
    *,
    at: datetime,
) -> Attendance:
    """Record attendance. Raise Conflict if the person has no place, or was assessed but is marked absent."""
    if enrolment.state is not EnrolmentState.ENROLLED:
        raise Conflict(
            "{name} has no place in this session (enrolment: {state}).",
            field=f"{field}.enrolment_id",
            name=enrolment.person.name,
            state=enrolment.state,
        )
    if attendance is not None and attendance.state is state:
        return attendance
    if assessment is not None and state is AttendanceState.NO_SHOW:
        raise Conflict(
            "{name} has a result, and therefore attended.",
            field=f"{field}.attendance",
            name=enrolment.person.name,
        )
    is_new = attendance is None
    if attendance is None:
        attendance = Attendance(enrolment_id=enrolment.id)
        session.add(attendance)
    attendance.state, attendance.how = state, how
    attendance.marked_at, attendance.marked_by = at, who.name
    _save_row(session, who, attendance, is_new=is_new, at=at)
    if state is AttendanceState.ATTENDED and training.state is SessionState.PLANNED:
        training.state = SessionState.HELD
        record_amendment(session, who, training, at=at)
        flush_or_conflict(session, "The session cannot be marked as held.", None)
    return attendance


def _assessed(
    session: Session,
    who: Viewer,
    training: TrainingSession,
    enrolment: Enrolment,
    attendance: Attendance | None,
    assessment: Assessment | None,
    given: Result,
    field: str,
    *,
    at: datetime,
) -> Assessment:
    """Record the assessment. Raise Conflict if the person did not attend, or a pass would become a fail."""
    if attendance is None or attendance.state is not AttendanceState.ATTENDED:
        raise Conflict(
            "{name} has no recorded attendance. Record it first.",
            field=f"{field}.passed",
            name=enrolment.person.name,
        )
    if assessment is not None and (assessment.passed, assessment.note) == (given.passed, given.note):
        return assessment
    if assessment is not None and assessment.passed and not given.passed:
        raise Conflict(
            "{name} has passed and was awarded a certificate. Revoke the certificate instead.",
            field=f"{field}.passed",
            name=enrolment.person.name,
        )
    is_new, had_passed = assessment is None, assessment is not None and assessment.passed
    if assessment is None:
        assessment = Assessment(enrolment_id=enrolment.id)
        session.add(assessment)
    assessment.passed, assessment.note = given.passed is True, given.note
    assessment.assessed_at, assessment.assessed_by = at, who.name
    if given.passed and assessment.certificate_id is None:
        awarded = _award(session, who, training, enrolment, at=at)
        assessment.certificate_id = awarded.id if awarded is not None else None
    _save_row(session, who, assessment, is_new=is_new, at=at)
    if given.passed and not had_passed:
        notify(session, [enrolment], training, LinkNotice.PASSED, at=at)
    return assessment


def _award(
    session: Session, who: Viewer, training: TrainingSession, enrolment: Enrolment, *, at: datetime
) -> Certificate | None:
    """Award the certificate of the course, issued on the local day of the session's end; None if there is
    none.
    """
    course = training.course
    if course.certificate_kind is None or course.issuer is None or course.validity_months is None:
        return None
    issued_on = training.ends_at.astimezone(ZoneInfo(training.time_zone)).date()
    award = Award(
        person_id=enrolment.person_id,
        region_id=training.region_id,
        estate_id=enrolment.estate_id,
        kind=course.certificate_kind,
        issuer=course.issuer,
        issuer_id=course.issuer_id or managed_issuer(session, who, course.issuer, at=at).id,
        number_begins=course.code,
        issued_on=issued_on,
        valid_until=last_valid_day(issued_on, course.validity_months),
    )
    return award_certificate(session, who, award, at=at)


def _save_row(
    session: Session, who: Viewer, row: Attendance | Assessment, *, is_new: bool, at: datetime
) -> None:
    """Save the row and record the change. Raise Conflict if another request changed it at the same time."""
    taken = "The attendance of this person is being recorded by someone else. Read it again."
    if is_new:
        flush_or_conflict(session, taken, None)
        record_creation(session, who, row, at=at)
    else:
        record_amendment(session, who, row, at=at)
        flush_or_conflict(session, taken, None)
