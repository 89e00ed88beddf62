"""Record the marks of an attempt: theory and practical stations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict, InvalidInput
from aed.issuers.queries import issuer as issuer_of_course
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.training.assessments.rules import (
    AssessmentPlan,
    PartMarks,
    can_retake,
    has_passed,
    last_day_of_retakes,
    parts_to_take,
)
from aed.training.models import AssessmentAttempt, Enrolment, TrainingSession
from aed.training.trainers.queries import trainers


@dataclass(frozen=True, slots=True)
class Assessor:
    """Who assessed: a person, or the token or operator that sent the marks."""

    actor: str
    person_id: int | None


def assessor_of(session: Session, who: Viewer, training: TrainingSession, name: str | None) -> Assessor:
    """Return who assessed: the person of that name who trains there, by default the viewer.

    Raises InvalidInput if nobody, or more than one person, has that name; Conflict if the issuer demands an
    assessor other than the trainer.
    """
    if name is None:
        found = Assessor(who.name, who.person_id)
    else:
        known = [
            each
            for each in trainers(session, estate_id=training.estate_id, region_id=training.region_id)
            if each.name.casefold() == name.casefold()
        ]
        if len(known) != 1:
            raise InvalidInput(
                "assessor: {count} people who train here are called {name}. Give the name of one trainer, "
                "training officer or holder of a trainer's grade.",
                field="assessor",
                count=len(known),
                name=name,
            )
        found = Assessor(f"person:{known[0].id}", known[0].id)
    if _must_differ(session, training) and found.person_id in (None, training.trainer_id):
        raise Conflict(
            "The issuer demands that somebody other than the trainer assesses. Name the assessor.",
            field="assessor",
        )
    return found


def _must_differ(session: Session, training: TrainingSession) -> bool:
    issuer_id = training.course.issuer_id
    return issuer_id is not None and issuer_of_course(session, issuer_id).assessor_not_trainer


def record_marks(
    session: Session,
    who: Viewer,
    training: TrainingSession,
    enrolment: Enrolment,
    plan: AssessmentPlan,
    attempts: list[AssessmentAttempt],
    given: PartMarks,
    *,
    number: int | None,
    assessor: Assessor,
    field: str,
    at: datetime,
) -> bool:
    """Record marks in an attempt; return whether anything changed. `attempts` is brought up to date.

    1. Without a number they belong to the latest attempt: its missing marks, or corrections.
    2. The next number begins a retake, of the parts that were not passed before.

    Raises InvalidInput for an unknown part or a wrong mark; Conflict for an attempt that is not allowed, and
    if a pass would be taken back.
    """
    by_code = {part.code: part for part in plan.parts}
    for code, mark in given.items():
        if code not in by_code:
            raise InvalidInput(
                "{code} is not a part of this assessment. Its parts are {parts}.",
                field=f"{field}.stations",
                code=code,
                parts=", ".join(by_code),
            )
        if by_code[code].accepts(mark):
            continue
        if by_code[code].pass_mark is None:
            raise InvalidInput("{code} must be passed or failed.", field=f"{field}.{code}", code=code)
        raise InvalidInput("{code} must be a score from 0 to 100.", field=f"{field}.{code}", code=code)
    latest = len(attempts)
    number = number or max(latest, 1)
    if number == latest + 1:
        if latest:
            _require_retake(training, enrolment, plan, attempts, field, at=at)
    elif number != latest:
        raise Conflict(
            "{name}: only the latest attempt can be changed, which is attempt {latest}.",
            field=f"{field}.attempt",
            name=enrolment.person.name,
            latest=latest,
        )
    marks: list[PartMarks] = [each.marks for each in attempts]
    earlier = marks[: number - 1]
    before: Mapping[str, int | bool] = marks[number - 1] if number == latest else {}
    now = {**before, **given}
    unneeded = given.keys() - {part.code for part in parts_to_take(plan, earlier)}
    if unneeded:
        raise Conflict(
            "{name} has passed {code} in an earlier attempt.",
            field=f"{field}.stations",
            name=enrolment.person.name,
            code=", ".join(sorted(unneeded)),
        )
    if now == before:
        return False
    if has_passed(plan, marks) and not has_passed(plan, [*earlier, now]):
        raise Conflict(
            "{name} has passed and was awarded a certificate. Revoke the certificate instead.",
            field=f"{field}.passed",
            name=enrolment.person.name,
        )
    is_new = number > latest
    if is_new:
        attempts.append(AssessmentAttempt(enrolment_id=enrolment.id, number=number))
        session.add(attempts[-1])
    attempt = attempts[-1]
    attempt.marks, attempt.assessed_at, attempt.assessed_by = now, at, assessor.actor
    taken = "The result of this person is being recorded by someone else. Read it again."
    if is_new:
        flush_or_conflict(session, taken, None)
        record_creation(session, who, attempt, at=at)
    else:
        record_amendment(session, who, attempt, at=at)
        flush_or_conflict(session, taken, None)
    return True


def _require_retake(
    training: TrainingSession,
    enrolment: Enrolment,
    plan: AssessmentPlan,
    attempts: list[AssessmentAttempt],
    field: str,
    *,
    at: datetime,
) -> None:
    """Raise Conflict unless the person may begin another attempt now."""
    zone = ZoneInfo(training.time_zone)
    ended_on, today = training.ends_at.astimezone(zone).date(), at.astimezone(zone).date()
    marks = [each.marks for each in attempts]
    if can_retake(plan, marks, ended_on=ended_on, today=today):
        return
    name, field = enrolment.person.name, f"{field}.attempt"
    result = has_passed(plan, marks)
    if result:
        raise Conflict("{name} has passed already.", field=field, name=name)
    if result is None:
        raise Conflict(
            "{name}: attempt {number} lacks marks. Enter them first.",
            field=field,
            name=name,
            number=len(marks),
        )
    if len(marks) > plan.retakes:
        raise Conflict(
            "{name} has used all {count} attempts of this course.", field=field, name=name, count=len(marks)
        )
    raise Conflict(
        "{name} could retake parts until {day}.",
        field=field,
        name=name,
        day=last_day_of_retakes(plan, ended_on),
    )
