"""Certificates: validity, upcoming expiry, and refreshers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, or_, select, union_all
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.certificates.rules import Refresher, suggested_refresher
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import Assessment, Attendance, Course, Enrolment, Prerequisite, TrainingSession
from aed.training.permissions import require_trainer, runs_training
from aed.training.queries import on_rosters_of, training_session
from aed.training.rules import AttendanceState


class Shown(NamedTuple):
    """A certificate, its holder, and the time zone in which its days count."""

    number: str
    name: str
    valid_until: date
    revoked_at: datetime | None
    time_zone: str


def by_number(session: Session, number: str) -> Shown:
    """Return the certificate awarded here with that number. Raise NotFound if there is none.

    visibility: for anyone who has the number, which cannot be guessed; the caller masks the name.
    """
    found = session.execute(
        select(
            Person.name,
            Certificate.valid_until,
            Certificate.revoked_at,
            Region.time_zone,
        )
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .join(Region, Region.id == Responder.region_id)
        .where(Certificate.number == number, Certificate.is_awarded)
    ).one_or_none()
    if found is None:
        raise NotFound("No certificate with this number was awarded here.", field="number")
    return Shown(number, *found)


class Awarded(NamedTuple):
    """A certificate, with the estate and region of the session that awarded it."""

    certificate: Certificate
    estate_id: int | None
    region_id: int


def awarded(session: Session, number: str) -> Awarded:
    """Return the certificate with the estate and region that awarded it. Raise NotFound if there is none.

    visibility: for `actions`, which checks that the caller runs that training.
    """
    found = session.execute(
        select(Certificate, TrainingSession.estate_id, TrainingSession.region_id)
        .join(Assessment, Assessment.certificate_id == Certificate.id)
        .join(Enrolment, Enrolment.id == Assessment.enrolment_id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .where(Certificate.number == number, Certificate.is_awarded)
    ).one_or_none()
    if found is None:
        raise NotFound("No certificate with this number was awarded here.", field="number")
    return Awarded(*found)


class OnPaper(NamedTuple):
    """The content of a printed certificate, and its holder."""

    number: str
    name: str
    person_id: int
    kind: CertificateKind
    issuer: str
    issued_on: date | None
    valid_until: date
    revoked_at: datetime | None
    course_zh: str
    course_en: str
    hours: float
    emergency_number: str


def on_paper(session: Session, viewer: Viewer, number: str) -> OnPaper:
    """Return the printed content of a certificate, for its holder and those who run the training.

    Raises NotFound, NotSignedIn or NotAllowed, and Conflict for a revoked certificate.

    visibility: checked in this function once the holder is known.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("A paper certificate is visible to its holder only. Sign in, or send a token.")
    found = session.execute(_on_paper().where(Certificate.number == number)).one_or_none()
    if found is None:
        raise NotFound("No certificate with this number was awarded here.", field="number")
    *columns, estate_id, region_id = found
    paper = OnPaper(*columns)
    if viewer.person_id != paper.person_id and not runs_training(viewer, estate_id, region_id):
        raise NotAllowed(
            "A paper certificate is visible only to its holder and those responsible for the training."
        )
    if paper.revoked_at is not None:
        raise Conflict("This certificate was revoked and can no longer be printed.", field="number")
    return paper


def on_paper_of_session(session: Session, viewer: Viewer, session_id: int) -> list[OnPaper]:
    """Return the printed content of a session's certificates, in order of enrolment, without revoked ones.

    Raises NotFound, NotSignedIn or NotAllowed unless the viewer runs the session.

    visibility: for those who run the session.
    """
    training = training_session(session, viewer, session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    statement = (
        _on_paper()
        .where(TrainingSession.id == training.id, Certificate.revoked_at.is_(None))
        .order_by(Enrolment.id)
    )
    return [OnPaper(*row[:-2]) for row in session.execute(statement)]


def _on_paper() -> Select[*tuple[Any, ...]]:
    """Select the columns of OnPaper, then the estate and region of the session.

    visibility: the callers check once the holder, estate and region are known.
    """
    return (
        select(
            Certificate.number,
            Person.name,
            Person.id,
            Certificate.kind,
            Certificate.issuer,
            Certificate.issued_on,
            Certificate.valid_until,
            Certificate.revoked_at,
            Course.name_zh,
            Course.name_en,
            Course.hours,
            Region.emergency_number,
            TrainingSession.estate_id,
            TrainingSession.region_id,
        )
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .join(Assessment, Assessment.certificate_id == Certificate.id)
        .join(Enrolment, Enrolment.id == Assessment.enrolment_id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .join(Course, Course.id == TrainingSession.course_id)
        .join(Region, Region.id == TrainingSession.region_id)
        .where(Certificate.is_awarded)
    )


class ExpiringCertificate(NamedTuple):
    """A person's last certificate of one kind, which expires soon."""

    responder_id: int
    name: str
    phone: str | None
    estate_id: int | None
    kind: CertificateKind
    valid_until: date


class AfterLapsing(NamedTuple):
    """Cursor: the last row of the previous page."""

    valid_until: date
    responder_id: int
    kind: str


def lapsing(
    session: Session,
    viewer: Viewer,
    *,
    today: date,
    within_days: int,
    limit: int | None = None,
    after: AfterLapsing | None = None,
) -> Sequence[ExpiringCertificate]:
    """Return people whose last certificate of a kind expires within that many days, soonest first.

    Excludes certificates that have been renewed and those that expired before today.
    """
    last = func.max(Certificate.valid_until)
    statement = (
        select(
            Responder.id,
            Person.name,
            Person.phone,
            Responder.estate_id,
            Certificate.kind,
            last,
        )
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .where(
            Certificate.revoked_at.is_(None),
            on_rosters_of(
                viewer, Responder.estate_id, region_id=Responder.region_id, person_id=Responder.person_id
            ),
        )
        .group_by(Responder.id, Person.id, Certificate.kind)
        .having(last.between(today, today + timedelta(days=within_days)))
        .order_by(last, Responder.id, Certificate.kind)
        .limit(limit)
    )
    if after is not None:
        follows = and_(Responder.id == after.responder_id, Certificate.kind > after.kind)
        follows = or_(Responder.id > after.responder_id, follows)
        statement = statement.having(or_(last > after.valid_until, and_(last == after.valid_until, follows)))
    return [ExpiringCertificate(*row) for row in session.execute(statement)]


class ToRefresh(NamedTuple):
    """A person who should practise again."""

    person_id: int
    name: str
    phone: str | None
    course: str
    practised_on: date
    refresher: Refresher


class AfterRefresh(NamedTuple):
    """Cursor: the last row of the previous page."""

    practised_on: date
    person_id: int
    course: str


def to_refresh(
    session: Session,
    viewer: Viewer,
    *,
    today: date,
    limit: int | None = None,
    after: AfterRefresh | None = None,
) -> list[ToRefresh]:
    """Return people who passed a course and should practise again, longest without practice first.

    Attending the course again counts as practice, and so does attending a course that requires it. The date
    is that of the session's end in UTC.
    """
    counts_for = union_all(
        select(Course.id.label("course_id"), Course.id.label("by_id")),
        select(Prerequisite.needs_id, Prerequisite.course_id),
    ).subquery("counts_for")
    last = func.max(TrainingSession.ends_at)
    practised = (
        select(Enrolment.person_id, counts_for.c.course_id, last.label("ended_at"))
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .join(counts_for, counts_for.c.by_id == TrainingSession.course_id)
        .where(Attendance.state == AttendanceState.ATTENDED)
        .group_by(Enrolment.person_id, counts_for.c.course_id)
        .subquery("practised")
    )
    passed = (
        select(Enrolment.person_id, TrainingSession.course_id)
        .join(Assessment, Assessment.enrolment_id == Enrolment.id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .where(
            Assessment.passed,
            enrolment_queries.seen_by(viewer),
        )
        .distinct()
        .subquery("passed")
    )
    statement = (
        select(
            Person.id, Person.name, Person.phone, Course.code, practised.c.ended_at, Course.refresher_months
        )
        .select_from(passed)
        .join(
            practised,
            (practised.c.person_id == passed.c.person_id) & (practised.c.course_id == passed.c.course_id),
        )
        .join(Person, Person.id == passed.c.person_id)
        .join(Course, Course.id == passed.c.course_id)
        .where(Course.refresher_months.is_not(None))
        .order_by(practised.c.ended_at, Person.id)
    )
    if after is not None:  # rows of the same day are filtered below
        statement = statement.where(practised.c.ended_at >= datetime.combine(after.practised_on, time(), UTC))
    found = []
    for person_id, name, phone, course, ended_at, months in session.execute(statement):
        practised_on = ended_at.date()
        suggested = suggested_refresher(practised_on=practised_on, refresher_months=months, today=today)
        if suggested is not None:
            found.append(ToRefresh(person_id, name, phone, course, practised_on, suggested))
    found.sort(key=_sort_key)
    return [each for each in found if after is None or _sort_key(each) > after][:limit]


def _sort_key(each: ToRefresh) -> AfterRefresh:
    """Return the sort key of a row."""
    return AfterRefresh(each.practised_on, each.person_id, each.course)
