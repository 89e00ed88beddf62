"""Certificates that expire soon, and people who should practise again."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.certificates.awards.actions import revoke_awarded
from aed.certificates.awards.queries import lapsing, to_refresh
from aed.certificates.rules import Refresher
from aed.responders.models import Certificate
from aed.training.models import Course, TrainingSession
from aed.training.rosters.actions import Result, open_for_results, save_results
from aed.training.rules import AttendanceState, MarkedBy
from tests import make
from tests.make import ADMINISTRATOR, ANYONE, NOW

TODAY = date(2026, 9, 22)


def trained(
    session: Session, course: Course, name: str, *, on: datetime, passed: bool | None = True, **given: Any
) -> TrainingSession:
    """Record that the person attended a session of the course on that day and, by default, passed."""
    training = make.training(session, course, starts_at=on, **given)
    enrolment = make.enrolment(session, training, name, at=on - timedelta(days=5))
    found = open_for_results(session, ADMINISTRATOR, training.id, at=training.ends_at)
    result = Result(enrolment.id, AttendanceState.ATTENDED, passed)
    save_results(session, ADMINISTRATOR, found, [result], how=MarkedBy.HAND, at=training.ends_at)
    return training


def test_certificates_that_expire_soon_are_listed_by_date_without_renewed_ones(session: Session) -> None:
    first = make.responder(session, valid_until=date(2026, 10, 1))
    today = make.responder(session, valid_until=TODAY)
    renewed = make.responder(session, valid_until=date(2026, 10, 5))
    for until in (date(2026, 9, 21), date(2026, 12, 22)):
        make.responder(session, valid_until=until)
    session.add(
        Certificate(responder_id=renewed, kind="cpr_aed", issuer="Another", valid_until=date(2029, 1, 1))
    )
    session.flush()

    found = lapsing(session, ADMINISTRATOR, today=TODAY, within_days=90)

    assert [each.responder_id for each in found] == [today, first]


def test_each_estate_sees_only_its_own_people(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    ours = make.responder(session, valid_until=date(2026, 10, 1), estate_id=home.id)
    make.responder(session, valid_until=date(2026, 10, 1), estate_id=other.id)

    def expiring_for(viewer: Viewer) -> list[int]:
        return [each.responder_id for each in lapsing(session, viewer, today=TODAY, within_days=90)]

    assert expiring_for(ANYONE) == []
    assert expiring_for(make.member(home)) == []
    assert expiring_for(make.member(home, writes=True)) == [ours]


def test_a_revoked_certificate_neither_expires_nor_renews(session: Session) -> None:
    course = make.course(session, validity_months=120)
    make.responder(session, valid_until=date(2026, 10, 1))
    name, phone = session.execute(select(Person.name, Person.phone)).one()
    training = make.training(session, course)
    enrolment = make.enrolment(session, training, name, phone=phone)
    found = open_for_results(session, ADMINISTRATOR, training.id, at=training.ends_at)
    result = Result(enrolment.id, AttendanceState.ATTENDED, passed=True)
    save_results(session, ADMINISTRATOR, found, [result], how=MarkedBy.HAND, at=training.ends_at)
    assert lapsing(session, ADMINISTRATOR, today=TODAY, within_days=90) == []

    number = session.scalar(select(Certificate.number).where(Certificate.is_awarded)) or ""
    revoke_awarded(session, ADMINISTRATOR, number, reason="Mistaken.", at=NOW)

    (lapses,) = lapsing(session, ADMINISTRATOR, today=TODAY, within_days=90)
    assert (lapses.name, lapses.valid_until) == (name, date(2026, 10, 1))


def test_practice_is_due_independently_of_the_certificate_and_renewed_by_attending(session: Session) -> None:
    course = make.course(session, "CPR", validity_months=36)
    refresher = make.course(
        session,
        "REFRESH",
        certificate_kind=None,
        issuer=None,
        validity_months=None,
        refresher_months=None,
        prerequisites=["CPR"],
    )
    for name, months_ago in (
        ("long ago", 8),
        ("a while ago", 4),
        ("lately", 2),
        ("refreshed", 9),
        ("again", 10),
    ):
        trained(session, course, name, on=NOW - timedelta(days=31 * months_ago))
    trained(session, refresher, "refreshed", on=NOW - timedelta(days=10), passed=None)
    trained(session, course, "again", on=NOW - timedelta(days=130), passed=False)
    trained(session, course, "failed", on=NOW - timedelta(days=300), passed=False)

    found = to_refresh(session, ADMINISTRATOR, today=TODAY)

    assert [(each.name, each.course, each.refresher) for each in found] == [
        ("long ago", "CPR", Refresher.DUE),
        ("again", "CPR", Refresher.SUGGESTED),
        ("a while ago", "CPR", Refresher.SUGGESTED),
    ]


def test_refreshers_are_suggested_to_those_who_ran_the_training(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    trained(session, make.course(session), "Wang", on=NOW - timedelta(days=300), estate=home)

    assert to_refresh(session, ANYONE, today=TODAY) == []
    assert to_refresh(session, make.member(other, writes=True), today=TODAY) == []
    assert [each.name for each in to_refresh(session, make.member(home, writes=True), today=TODAY)] == [
        "Wang"
    ]
