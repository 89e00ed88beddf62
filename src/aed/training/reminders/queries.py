"""Sessions that people are to be reminded of, and what they could book: for jobs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.training.models import Course, Enrolment, TrainingReminder, TrainingSession
from aed.training.queries import places
from aed.training.rules import (
    ACTIVE_STATES,
    REMIND_FROM,
    CourseState,
    EnrolmentState,
    SessionAudience,
    SessionState,
)

_WITH_WORDS = (
    joinedload(TrainingSession.course),
    joinedload(TrainingSession.estate),
    joinedload(TrainingSession.region),
)


def sessions_soon(session: Session, *, at: datetime) -> Sequence[TrainingSession]:
    """Return the planned sessions that begin within a day, with what a notice needs.

    visibility: for the scheduler.
    """
    return session.scalars(
        select(TrainingSession)
        .where(
            TrainingSession.state == SessionState.PLANNED,
            TrainingSession.starts_at > at,
            TrainingSession.starts_at <= at + REMIND_FROM,
        )
        .options(*_WITH_WORDS)
        .order_by(TrainingSession.id)
    ).all()


def enrolled_before(session: Session, session_id: int, moment: datetime) -> Sequence[Enrolment]:
    """Return those who have a place in the session and were enrolled before that moment.

    visibility: for the scheduler.
    """
    return session.scalars(
        select(Enrolment)
        .where(
            Enrolment.session_id == session_id,
            Enrolment.state == EnrolmentState.ENROLLED,
            Enrolment.enrolled_at < moment,
        )
        .order_by(Enrolment.id)
    ).all()


def keys_sent(session: Session, keys: Collection[str]) -> set[str]:
    """Return which of these reminders were sent.

    visibility: for the scheduler.
    """
    return set(session.scalars(select(TrainingReminder.key).where(TrainingReminder.key.in_(keys))))


def people_booked(
    session: Session, person_ids: Collection[int], course_ids: Collection[int], *, at: datetime
) -> set[int]:
    """Return which of these people are on the roster or waiting list of a later session of these courses.

    visibility: for the scheduler.
    """
    return set(
        session.scalars(
            select(Enrolment.person_id)
            .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
            .where(
                Enrolment.person_id.in_(person_ids),
                Enrolment.state.in_(ACTIVE_STATES),
                TrainingSession.course_id.in_(course_ids),
                TrainingSession.starts_at > at,
            )
        )
    )


def offered_courses(session: Session) -> Sequence[Course]:
    """Return the courses that people can book."""
    return session.scalars(
        select(Course).where(Course.state == CourseState.OFFERED).order_by(Course.id)
    ).all()


def next_session(session: Session, course_ids: Collection[int], *, at: datetime) -> TrainingSession | None:
    """Return the next public session of these courses with a free place; None if there is none.

    visibility: public sessions alone.
    """
    found = session.scalars(
        select(TrainingSession)
        .where(
            TrainingSession.course_id.in_(course_ids),
            TrainingSession.audience == SessionAudience.PUBLIC,
            TrainingSession.state == SessionState.PLANNED,
            TrainingSession.enrolment_closes_at > at,
        )
        .options(*_WITH_WORDS)
        .order_by(TrainingSession.starts_at, TrainingSession.id)
        .limit(20)
    ).all()
    taken = places(session, [each.id for each in found])
    free = (each for each in found if taken[each.id].waiting == 0 and taken[each.id].held < each.capacity)
    return next(free, None)
