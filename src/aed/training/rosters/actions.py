"""Record the results of a session: attendance, assessments and awarded certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from aed.training.assessments.actions import Assessor, assessor_of, record_marks
from aed.training.assessments.queries import attempts_of
from aed.training.assessments.rules import PartMark, PartMarks, has_passed, plan_of, was_present_enough
from aed.training.enrolments import queries as enrolment_queries
from aed.training.messages import notify
from aed.training.models import Assessment, Attendance, Enrolment, TrainingSession
from aed.training.permissions import require_trainer
from aed.training.rosters.schemas import AssessmentRow
from aed.training.rules import (
    THEORY,
    AttendanceState,
    EnrolmentState,
    LinkNotice,
    MarkedBy,
    SessionState,
    can_sign_in,
    last_valid_day,
)
from aed.training.trainers.actions import require_valid_grade


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one person; None leaves a value unchanged."""

    enrolment_id: int
    attendance: AttendanceState | None = None
    passed: bool | None = None
    note: str | None = None
    marks: PartMarks | None = None
    """PartMarks by code of the part, for a course with an assessment plan."""
    attempt: int | None = None
    """The number of the attempt that the marks belong to; the latest by default."""
    parts_present: int | None = None
    """For how many parts of the course the person was present."""


def result_of(row: AssessmentRow) -> Result:
    """Return an assessed row of a request as a result."""
    marks: dict[str, PartMark] = dict(row.stations)
    if row.theory is not None:
        marks[THEORY] = row.theory
    return Result(
        row.enrolment_id, passed=row.passed, note=row.note, marks=marks or None, attempt=row.attempt
    )


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
    assessor: str | None = None,
) -> list[PutOutcome]:
    """Record attendance and assessments, in the given order. `training` comes from `open_for_results`.

    1. Record attendance of enrolled people. The first person who attended marks the session as held.
    2. Record the marks of people who attended, if the course is assessed by parts.
    3. Record the result. Passing awards the certificate of the course.

    `assessor` is the name of who assessed, if that is not the viewer.

    Raises NotFound for an enrolment of another session, or Conflict. The caller must then roll back its
    transaction or savepoint, so that either all results are stored or none.
    """
    known = enrolment_queries.results(session, [each.enrolment_id for each in given])
    plan = plan_of(training.course.assessment)
    attempts = attempts_of(session, list(known)) if plan is not None else {}
    is_assessed = any(each.passed is not None or each.marks for each in given)
    assessed_by = assessor_of(session, who, training, assessor) if is_assessed else None
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
        before = _stored(attendance, assessment)
        is_marked = False
        if each.attendance is not None or each.parts_present is not None:
            attendance = _attended(
                session, who, training, enrolment, attendance, assessment, each, how, field, at=at
            )
        if each.marks and assessed_by is not None:
            if plan is None:
                raise InvalidInput(
                    "The course {code} has no assessment by parts. Give passed instead.",
                    field=f"{field}.stations",
                    code=training.course.code,
                )
            _require_present(training, enrolment, attendance, f"{field}.stations")
            of_person = attempts.setdefault(enrolment.id, [])
            is_marked = record_marks(
                session,
                who,
                training,
                enrolment,
                plan,
                of_person,
                each.marks,
                number=each.attempt,
                assessor=assessed_by,
                field=field,
                at=at,
            )
        result = each
        if plan is not None and (each.marks or each.passed is not None):
            of_person = attempts.get(enrolment.id, [])
            passed = has_passed(plan, [attempt.marks for attempt in of_person])
            if each.passed is not None and each.passed != passed:
                raise Conflict(
                    "{name}: the result of this course follows from its parts. Give the marks of each part.",
                    field=f"{field}.passed",
                    name=enrolment.person.name,
                )
            note = each.note if each.note is not None or assessment is None else assessment.note
            result = replace(each, passed=passed, note=note, attempt=len(of_person))
        if result.passed is not None and assessed_by is not None:
            assessment = _assessed(
                session, who, training, enrolment, attendance, assessment, result, assessed_by, field, at=at
            )
        known[each.enrolment_id] = (enrolment, attendance, assessment)
        after = _stored(attendance, assessment)
        is_new = before == (None, None, None)
        outcomes.append(PutOutcome.of(None if before == after and not is_marked else is_new))
    return outcomes


def _stored(
    attendance: Attendance | None, assessment: Assessment | None
) -> tuple[AttendanceState | None, int | None, tuple[bool, str | None] | None]:
    """Return what is stored of a person, to see whether anything changed."""
    return (
        attendance.state if attendance is not None else None,
        attendance.parts_present if attendance is not None else None,
        (assessment.passed, assessment.note) if assessment is not None else None,
    )


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
    given: Result,
    how: MarkedBy,
    field: str,
    *,
    at: datetime,
) -> Attendance:
    """Record attendance, and for how many parts of the course.

    Raises Conflict if the person has no place, or was assessed but is marked absent; InvalidInput for more
    parts than the course has.
    """
    state = given.attendance or AttendanceState.ATTENDED
    if enrolment.state is not EnrolmentState.ENROLLED:
        raise Conflict(
            "{name} has no place in this session (enrolment: {state}).",
            field=f"{field}.enrolment_id",
            name=enrolment.person.name,
            state=enrolment.state,
        )
    parts, most = given.parts_present, training.course.parts
    if parts is not None and not 0 <= parts <= most:
        raise InvalidInput(
            "parts_present must be from 0 to {most}, the number of parts of the course.",
            field=f"{field}.parts_present",
            most=most,
        )
    if state is AttendanceState.NO_SHOW:
        parts = None
    elif parts is None and attendance is not None:
        parts = attendance.parts_present
    if attendance is not None and (attendance.state, attendance.parts_present) == (state, parts):
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
    attendance.state, attendance.how, attendance.parts_present = state, how, parts
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
    assessed_by: Assessor,
    field: str,
    *,
    at: datetime,
) -> Assessment:
    """Record the assessment. Raise Conflict if the person did not attend, or a pass would become a fail."""
    _require_present(training, enrolment, attendance, f"{field}.passed", is_passed=given.passed is True)
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
    assessment.assessed_at, assessment.assessed_by = at, assessed_by.actor
    if given.passed and assessment.certificate_id is None:
        require_valid_grade(session, training)
        passed_at = at if (given.attempt or 1) > 1 else training.ends_at
        awarded = _award(session, who, training, enrolment, passed_at=passed_at, at=at)
        assessment.certificate_id = awarded.id if awarded is not None else None
    _save_row(session, who, assessment, is_new=is_new, at=at)
    if given.passed and not had_passed:
        notify(session, [enrolment], training, LinkNotice.PASSED, at=at)
    return assessment


def _require_present(
    training: TrainingSession,
    enrolment: Enrolment,
    attendance: Attendance | None,
    field: str,
    *,
    is_passed: bool = True,
) -> None:
    """Raise Conflict unless the person attended, and to pass, enough parts of the course."""
    name, course = enrolment.person.name, training.course
    if attendance is None or attendance.state is not AttendanceState.ATTENDED:
        raise Conflict("{name} has no recorded attendance. Record it first.", field=field, name=name)
    if is_passed and not was_present_enough(
        attendance.parts_present, course.parts, course.min_presence_percent
    ):
        raise Conflict(
            "{name} was present for {present} of {parts} parts. The course demands {percent} %, so they "
            "cannot be assessed.",
            field=field,
            name=name,
            present=attendance.parts_present,
            parts=course.parts,
            percent=course.min_presence_percent,
        )


def _award(
    session: Session,
    who: Viewer,
    training: TrainingSession,
    enrolment: Enrolment,
    *,
    passed_at: datetime,
    at: datetime,
) -> Certificate | None:
    """Award the certificate of the course, issued on the local day of passing; None if there is none.

    That is the day on which the session ended, or the day of a retake.
    """
    course = training.course
    if course.certificate_kind is None or course.issuer is None or course.validity_months is None:
        return None
    issued_on = passed_at.astimezone(ZoneInfo(training.time_zone)).date()
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
