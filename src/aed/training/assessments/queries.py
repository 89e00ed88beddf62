"""Attempts at assessments, and who assessed them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.queries import names_by_actor
from aed.accounts.permissions import Viewer
from aed.training import queries as session_queries
from aed.training.assessments.rules import (
    can_retake,
    has_passed,
    last_day_of_retakes,
    parts_to_take,
    plan_of,
)
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import AssessmentAttempt, TrainingSession
from aed.training.permissions import require_trainer
from aed.training.rules import EnrolmentState


def attempts_of(session: Session, enrolment_ids: Sequence[int]) -> dict[int, list[AssessmentAttempt]]:
    """Return the attempts of each enrolment in order of their number, in one SQL statement.

    visibility: for those who run the session, which the caller checks.
    """
    found: dict[int, list[AssessmentAttempt]] = defaultdict(list)
    statement = (
        select(AssessmentAttempt)
        .where(AssessmentAttempt.enrolment_id.in_(enrolment_ids))
        .order_by(AssessmentAttempt.enrolment_id, AssessmentAttempt.number)
    )
    for attempt in session.scalars(statement):
        found[attempt.enrolment_id].append(attempt)
    return found


@dataclass(frozen=True, slots=True)
class PersonAssessment:
    """The attempts of a person on a roster, and what they still have to pass."""

    enrolment_id: int
    name: str
    attempts: Sequence[AssessmentAttempt]
    passed: bool | None
    parts_to_take: tuple[str, ...]
    """Codes of the parts that no attempt has passed."""
    can_retake: bool
    retake_until: date | None

    @property
    def marks(self) -> Mapping[str, Any]:
        """The marks of the latest attempt."""
        return self.attempts[-1].marks if self.attempts else {}


def assessments(
    session: Session, viewer: Viewer, session_id: int, *, at: datetime
) -> tuple[TrainingSession, list[PersonAssessment], dict[str, str]]:
    """Return a session, the assessments of the people with a place, and the assessors' names by actor.

    Raises NotFound, NotSignedIn or NotAllowed.
    """
    training = session_queries.training_session(session, viewer, session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    rows = [
        row
        for row in enrolment_queries.roster(session, viewer, session_id)
        if row.state is EnrolmentState.ENROLLED
    ]
    found = person_assessments(session, training, rows, at=at)
    actors = {attempt.assessed_by for each in found for attempt in each.attempts}
    return training, found, names_by_actor(session, actors)


def person_assessments(
    session: Session,
    training: TrainingSession,
    rows: Sequence[enrolment_queries.RosterRow],
    *,
    at: datetime,
) -> list[PersonAssessment]:
    """Return the assessments of the people in `rows`; none if the course has no assessment plan.

    visibility: for those who run the session, which the caller checks.
    """
    plan = plan_of(training.course.assessment)
    if plan is None:
        return []
    zone = ZoneInfo(training.time_zone)
    ended_on, today = training.ends_at.astimezone(zone).date(), at.astimezone(zone).date()
    attempts = attempts_of(session, [row.id for row in rows])
    found = []
    for row in rows:
        of_person = attempts.get(row.id, [])
        marks = [each.marks for each in of_person]
        found.append(
            PersonAssessment(
                row.id,
                row.name,
                of_person,
                has_passed(plan, marks),
                tuple(part.code for part in parts_to_take(plan, marks)),
                can_retake(plan, marks, ended_on=ended_on, today=today),
                last_day_of_retakes(plan, ended_on) if plan.retakes else None,
            )
        )
    return found
