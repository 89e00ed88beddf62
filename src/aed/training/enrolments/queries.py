"""Rosters with attendance and results, for those who run the training or enrolled the people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session, aliased, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.errors import NotFound
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate, Responder
from aed.training.models import Assessment, Attendance, Course, Enrolment, TrainingSession
from aed.training.queries import on_rosters_of
from aed.training.rules import ACTIVE_STATES, AttendanceState, EnrolmentState


class RosterRow(NamedTuple):
    """A person on a roster or waiting list, with attendance and result."""

    id: int
    session_id: int
    name: str
    phone: str | None
    estate_id: int | None
    state: EnrolmentState
    enrolled_at: datetime
    waiting_place: int | None
    offer_expires_at: datetime | None
    moved_to_id: int | None
    attendance: AttendanceState | None
    passed: bool | None
    note: str | None
    certificate: str | None
    parts_present: int | None
    issuer_number: str | None
    version: int


def _rows(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    """Select the columns of RosterRow, in its order, restricted to what the viewer may see."""
    before = aliased(Enrolment)
    ahead = (
        select(func.count())
        .select_from(before)
        .where(
            before.session_id == Enrolment.session_id,
            before.state == EnrolmentState.WAITING,
            before.id <= Enrolment.id,
        )
        .correlate(Enrolment)
        .scalar_subquery()
    )
    return (
        select(
            Enrolment.id,
            Enrolment.session_id,
            Person.name,
            Person.phone,
            Enrolment.estate_id,
            Enrolment.state,
            Enrolment.enrolled_at,
            case((Enrolment.state == EnrolmentState.WAITING, ahead)),
            Enrolment.offer_expires_at,
            Enrolment.moved_to_id,
            Attendance.state,
            Assessment.passed,
            Assessment.note,
            Certificate.number,
            Attendance.parts_present,
            Assessment.issuer_number,
            Enrolment.version,
        )
        .join(Person, Person.id == Enrolment.person_id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .outerjoin(Assessment, Assessment.enrolment_id == Enrolment.id)
        .outerjoin(Certificate, Certificate.id == Assessment.certificate_id)
        .where(seen_by(viewer))
        .order_by(Enrolment.id)
    )


def seen_by(viewer: Viewer) -> ColumnElement[bool]:
    """Return a condition: the viewer may see the enrolment. The statement must join TrainingSession."""
    return on_rosters_of(
        viewer,
        TrainingSession.estate_id,
        Enrolment.estate_id,
        region_id=TrainingSession.region_id,
        person_id=Enrolment.person_id,
    )


def roster_row(session: Session, viewer: Viewer, enrolment_id: int) -> RosterRow:
    """Return one enrolment as a roster row. Raise NotFound if none is visible to the viewer."""
    found = session.execute(_rows(viewer).where(Enrolment.id == enrolment_id)).one_or_none()
    if found is None:
        raise _no_enrolment(enrolment_id)
    return RosterRow(*found)


def roster(
    session: Session, viewer: Viewer, session_id: int, *, limit: int | None = None, after_id: int = 0
) -> list[RosterRow]:
    """Return the enrolments of a session in order of arrival, including people who left.

    One SQL statement, whatever the size of the roster.
    """
    statement = _rows(viewer).where(Enrolment.session_id == session_id, Enrolment.id > after_id)
    return [RosterRow(*row) for row in session.execute(statement.limit(limit))]


def enrolment(session: Session, viewer: Viewer, enrolment_id: int) -> Enrolment:
    """Return the enrolment with its person, reloaded from the database.

    Raises NotFound if none is visible to the viewer.
    """
    found = session.scalar(
        select(Enrolment)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .where(
            Enrolment.id == enrolment_id,
            seen_by(viewer),
        )
        .options(joinedload(Enrolment.person))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise _no_enrolment(enrolment_id)
    return found


def _no_enrolment(enrolment_id: int) -> NotFound:
    return NotFound(
        "There is no enrolment {enrolment_id}, or you may not see it.",
        field="enrolment_id",
        enrolment_id=enrolment_id,
    )


def active_enrolments(
    session: Session, session_id: int, *states: EnrolmentState, limit: int | None = None
) -> Sequence[Enrolment]:
    """Return the enrolments of a session in these states (default: all active ones), in order of arrival.

    visibility: for actions, which check permission first.
    """
    return session.scalars(
        select(Enrolment)
        .where(Enrolment.session_id == session_id, Enrolment.state.in_(states or ACTIVE_STATES))
        .order_by(Enrolment.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    ).all()


def active_enrolment_of(session: Session, session_id: int, person_id: int) -> Enrolment | None:
    """Return the person's active enrolment in the session, or None.

    visibility: for those who enrol the person.
    """
    return session.scalar(
        select(Enrolment).where(
            Enrolment.session_id == session_id,
            Enrolment.person_id == person_id,
            Enrolment.state.in_(ACTIVE_STATES),
        )
    )


def person_of_enrolment(session: Session, enrolment_id: int) -> int | None:
    """Return the id of the enrolled person, or None.

    visibility: for anyone with the secret link of that enrolment.
    """
    return session.scalar(select(Enrolment.person_id).where(Enrolment.id == enrolment_id))


def results(
    session: Session, enrolment_ids: Sequence[int]
) -> dict[int, tuple[Enrolment, Attendance | None, Assessment | None]]:
    """Return enrolments by id, each with its attendance and assessment, in one SQL statement.

    visibility: for actions, which check permission first.
    """
    found = session.execute(
        select(Enrolment, Attendance, Assessment)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .outerjoin(Assessment, Assessment.enrolment_id == Enrolment.id)
        .where(Enrolment.id.in_(enrolment_ids))
        .options(joinedload(Enrolment.person))
    )
    return {each.id: (each, attendance, assessment) for each, attendance, assessment in found}


def people_in(
    session: Session,
    session_id: int,
    *,
    states: Sequence[EnrolmentState],
    attendance: AttendanceState | None = None,
) -> Sequence[int]:
    """Return the ids of the people of a session in these states, and with that attendance if one is given.

    visibility: for actions, which check permission first.
    """
    statement = select(Enrolment.person_id).where(
        Enrolment.session_id == session_id, Enrolment.state.in_(states)
    )
    if attendance is not None:
        statement = statement.join(Attendance, Attendance.enrolment_id == Enrolment.id).where(
            Attendance.state == attendance
        )
    return session.scalars(statement.order_by(Enrolment.id)).all()


def estate_of_person(session: Session, person_id: int) -> int | None:
    """Return the estate of the person's responder entry, or None.

    visibility: used when the person is enrolled; not shown to the caller.
    """
    return session.scalar(
        select(Responder.estate_id)
        .where(Responder.person_id == person_id, Responder.estate_id.is_not(None))
        .order_by(Responder.id)
        .limit(1)
    )


def lacking(session: Session, person_id: int, needed: Sequence[Course], *, on: date) -> list[Course]:
    """Return the courses among `needed` that the person has not completed by that day.

    A course that awards a certificate counts while a certificate of that kind is valid, from any issuer.
    Any other course counts once it was passed.

    visibility: for those who enrol the person.
    """
    if not needed:
        return []
    held = set(
        session.scalars(
            select(Certificate.kind)
            .join(Responder, Responder.id == Certificate.responder_id)
            .where(
                Responder.person_id == person_id,
                Certificate.valid_until >= on,
                Certificate.revoked_at.is_(None),
            )
        )
    )
    passed = set(
        session.scalars(
            select(TrainingSession.course_id)
            .join(Enrolment, Enrolment.session_id == TrainingSession.id)
            .join(Assessment, Assessment.enrolment_id == Enrolment.id)
            .where(Enrolment.person_id == person_id, Assessment.passed)
        )
    )
    return [
        each
        for each in needed
        if (each.certificate_kind not in held if each.certificate_kind else each.id not in passed)
    ]


def region_of_estate(session: Session, estate_id: int | None) -> int | None:
    """Return the region of an estate, or None.

    visibility: the region id only, used for permission checks.
    """
    return session.scalar(select(Estate.region_id).where(Estate.id == estate_id)) if estate_id else None


class OwnEnrolment(NamedTuple):
    """An enrolment as the enrolled person sees it in a list."""

    id: int
    state: EnrolmentState
    starts_at: datetime
    time_zone: str
    course_en: str
    course_zh: str
    place_en: str
    place_zh: str
    attendance: AttendanceState | None
    passed: bool | None


def enrolments_of_person(session: Session, person_id: int, *, limit: int) -> list[OwnEnrolment]:
    """List the enrolments of a person, the latest session first.

    visibility: for the person alone.
    """
    statement: Select[*tuple[Any, ...]] = (
        select(
            Enrolment.id,
            Enrolment.state,
            TrainingSession.starts_at,
            func.coalesce(Estate.time_zone, Region.time_zone),
            Course.name_en,
            Course.name_zh,
            TrainingSession.place_en,
            TrainingSession.place_zh,
            Attendance.state,
            Assessment.passed,
        )
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .join(Course, Course.id == TrainingSession.course_id)
        .join(Region, Region.id == TrainingSession.region_id)
        .outerjoin(Estate, Estate.id == TrainingSession.estate_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .outerjoin(Assessment, Assessment.enrolment_id == Enrolment.id)
        .where(Enrolment.person_id == person_id)
        .order_by(TrainingSession.starts_at.desc(), Enrolment.id.desc())
        .limit(limit)
    )
    return [OwnEnrolment(*row) for row in session.execute(statement)]
