"""Count the training funnel of regions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import and_, case, exists, func, select
from sqlalchemy.orm import Session, aliased

from aed.responders.models import Certificate
from aed.training.models import Assessment, Attendance, Course, Enrolment, TrainingSession
from aed.training.rules import AttendanceState, EnrolmentState, SessionState


class TrainingFunnel(NamedTuple):
    """Enrolments in courses that award a certificate; each count is part of the one before it."""

    enrolled: int
    came: int
    passed: int
    valid: int
    """Passed, and the certificate is valid today."""
    recertified: int
    """Of these, the holder had a certificate of the same kind before."""


def training_funnel(
    session: Session,
    region_ids: Collection[int],
    *,
    estate_id: int | None = None,
    since: datetime,
    until: datetime,
    today: date,
) -> TrainingFunnel:
    """Count the enrolments in sessions that began in a period; with `estate_id`, of people of that estate.

    visibility: only sums; the caller has checked that the viewer reads the figures of these regions.
    """
    earlier = aliased(Certificate)
    came = Attendance.state == AttendanceState.ATTENDED
    passed = and_(came, Assessment.passed.is_(True))
    valid = and_(passed, Certificate.valid_until >= today, Certificate.revoked_at.is_(None))
    had_one = exists().where(
        earlier.responder_id == Certificate.responder_id,
        earlier.kind == Certificate.kind,
        earlier.id != Certificate.id,
        earlier.issued_on < Certificate.issued_on,
    )
    statement = (
        select(
            func.count(),
            *(func.count(case((which, 1))) for which in (came, passed, valid, and_(valid, had_one))),
        )
        .select_from(Enrolment)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .join(Course, Course.id == TrainingSession.course_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .outerjoin(Assessment, Assessment.enrolment_id == Enrolment.id)
        .outerjoin(Certificate, Certificate.id == Assessment.certificate_id)
        .where(
            Course.certificate_kind.is_not(None),
            TrainingSession.region_id.in_(region_ids),
            TrainingSession.state != SessionState.CANCELLED,
            TrainingSession.starts_at >= since,
            TrainingSession.starts_at < until,
            Enrolment.state == EnrolmentState.ENROLLED,
        )
    )
    if estate_id is not None:
        statement = statement.where(Enrolment.estate_id == estate_id)
    return TrainingFunnel(*map(int, session.execute(statement).one()))
