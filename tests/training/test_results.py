"""Attendance, assessments, awarded certificates and revocations."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.certificates.awards.actions import revoke_awarded
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from aed.registry.changes import PutOutcome
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind, ResponderState
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import Assessment, TrainingSession
from aed.training.rosters.actions import Result, open_for_results, save_results
from aed.training.rules import SIGN_IN_BEFORE, AttendanceState, MarkedBy, SessionState
from aed.training.sessions.actions import cancel_session
from tests import make
from tests.make import ADMINISTRATOR, ANYONE, NOW

CAME, STAYED_AWAY = AttendanceState.ATTENDED, AttendanceState.NO_SHOW


def put(
    session: Session,
    training: TrainingSession,
    *results: Result,
    who: Viewer = ADMINISTRATOR,
    at: datetime | None = None,
) -> list[PutOutcome]:
    at = at or training.ends_at
    found = open_for_results(session, who, training.id, at=at)
    return save_results(session, who, found, results, how=MarkedBy.HAND, at=at)


def test_results_are_for_those_who_run_the_session(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    training = make.training(session, estate=home, audience="public")
    enrolment = make.enrolment(session, training)
    came = Result(enrolment.id, CAME)

    with pytest.raises(NotSignedIn):
        put(session, training, came, who=ANYONE)
    with pytest.raises(NotAllowed):
        put(session, training, came, who=make.member(other, writes=True))
    with pytest.raises(NotAllowed):
        put(session, training, came, who=make.member(home))
    assert put(session, training, came, who=make.member(home, writes=True)) == [PutOutcome.NEW]


def test_attendance_can_be_marked_from_two_hours_before_and_marks_the_session_as_held(
    session: Session,
) -> None:
    training = make.training(session)
    enrolment = make.enrolment(session, training)
    doors_open = training.starts_at - SIGN_IN_BEFORE

    with pytest.raises(Conflict, match="two hours before"):
        put(session, training, Result(enrolment.id, CAME), at=doors_open - timedelta(seconds=1))
    assert put(session, training, Result(enrolment.id, STAYED_AWAY), at=doors_open) == [PutOutcome.NEW]
    before = training.state
    assert before is SessionState.PLANNED
    assert put(session, training, Result(enrolment.id, CAME)) == [PutOutcome.CHANGED]
    assert training.state is SessionState.HELD
    assert put(session, training, Result(enrolment.id, CAME)) == [PutOutcome.UNCHANGED]
    with pytest.raises(Conflict, match="already held"):
        cancel_session(
            session, ADMINISTRATOR, training.id, reason="Too late.", version=training.version, at=NOW
        )


def test_only_people_with_a_place_can_be_marked_as_attending(session: Session) -> None:
    training = make.training(session, capacity=1)
    make.enrolment(session, training)
    waits = make.enrolment(session, training)
    elsewhere = make.enrolment(session, make.training(session))

    with pytest.raises(Conflict, match="no place in this session"):
        put(session, training, Result(waits.id, CAME))
    with pytest.raises(NotFound, match="no enrolment"):
        put(session, training, Result(elsewhere.id, CAME))


def test_a_person_who_attended_cannot_withdraw(session: Session) -> None:
    training = make.training(session)
    enrolment = make.enrolment(session, training)
    early = training.starts_at - timedelta(hours=1)
    put(session, training, Result(enrolment.id, CAME), at=early)

    with pytest.raises(Conflict, match="already been recorded"):
        enrolment_actions.withdraw(session, ADMINISTRATOR, enrolment.id, version=1, at=early)
    with pytest.raises(Conflict, match="has begun"):
        enrolment_actions.withdraw(session, ADMINISTRATOR, enrolment.id, version=1, at=training.starts_at)


def test_passing_awards_one_certificate_and_does_not_make_a_responder(session: Session) -> None:
    estate = make.estate(session)
    training = make.training(session, make.course(session, "CPR"), estate=estate)
    enrolment = make.enrolment(session, training, "王小明")
    with pytest.raises(Conflict, match="has no recorded attendance"):
        put(session, training, Result(enrolment.id, passed=True))

    put(session, training, Result(enrolment.id, CAME, passed=True, note="计时 1:40"))
    again = put(session, training, Result(enrolment.id, CAME, passed=True, note="计时 1:40"))

    assert again == [PutOutcome.UNCHANGED]
    (certificate,) = session.scalars(select(Certificate)).all()
    assert (certificate.kind, certificate.issuer) == (CertificateKind.CPR_AED, "Test issuer")
    assert (certificate.issued_on, certificate.valid_until) == (date(2026, 10, 2), date(2028, 10, 1))
    assert certificate.number is not None
    assert certificate.number.startswith("CPR-2026-")
    (responder,) = session.scalars(select(Responder)).all()
    assert (responder.state, responder.estate_id) == (ResponderState.WITHDRAWN, estate.id)
    (row,) = enrolment_queries.roster(session, ADMINISTRATOR, training.id)
    assert (row.attendance, row.passed, row.note, row.certificate) == (
        CAME,
        True,
        "计时 1:40",
        certificate.number,
    )


def test_the_day_of_issue_is_in_local_time(session: Session) -> None:
    ends_in_the_next_day_there = datetime(2026, 10, 2, 13, 0, tzinfo=UTC)  # 21:00 to 01:00 in China
    training = make.training(session, starts_at=ends_in_the_next_day_there)
    put(session, training, Result(make.enrolment(session, training).id, CAME, passed=True))

    assert session.scalars(select(Certificate.issued_on)).all() == [date(2026, 10, 3)]


def test_a_responder_who_passes_can_be_alerted_for_longer(session: Session) -> None:
    responder_id = make.responder(session, valid_until=date(2026, 12, 1))
    name, phone = session.execute(select(Person.name, Person.phone)).one()
    training = make.training(session)
    enrolment = make.enrolment(session, training, name, phone=phone)

    put(session, training, Result(enrolment.id, CAME, passed=True))

    assert session.scalars(select(Responder.id)).all() == [responder_id]
    assert session.scalar(select(func.max(Certificate.valid_until))) == date(2028, 10, 1)


def test_a_course_without_a_certificate_awards_none(session: Session) -> None:
    refresher = make.course(session, certificate_kind=None, issuer=None, validity_months=None)
    training = make.training(session, refresher)

    put(session, training, Result(make.enrolment(session, training).id, CAME, passed=True))

    assert session.scalars(select(Assessment.passed)).all() == [True]
    assert session.scalars(select(Certificate)).all() == []


def test_a_failure_can_be_changed_to_a_pass_but_not_back(session: Session) -> None:
    training = make.training(session)
    enrolment = make.enrolment(session, training)
    put(session, training, Result(enrolment.id, CAME, passed=False))
    assert session.scalars(select(Certificate)).all() == []

    assert put(session, training, Result(enrolment.id, passed=True)) == [PutOutcome.CHANGED]

    assert len(session.scalars(select(Certificate)).all()) == 1
    with pytest.raises(Conflict, match="Revoke the certificate"):
        put(session, training, Result(enrolment.id, passed=False))
    with pytest.raises(Conflict, match="has a result"):
        put(session, training, Result(enrolment.id, STAYED_AWAY))


def test_a_certificate_is_revoked_once_and_by_those_who_awarded_it(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    training = make.training(session, estate=home)
    put(session, training, Result(make.enrolment(session, training).id, CAME, passed=True))
    (certificate,) = session.scalars(select(Certificate)).all()
    number = certificate.number or ""

    with pytest.raises(NotAllowed):
        revoke_awarded(session, make.member(other, writes=True), number, reason="Envy.", at=NOW)
    with pytest.raises(NotFound):
        revoke_awarded(session, ADMINISTRATOR, number + "0", reason="Nothing.", at=NOW)
    revoke_awarded(session, make.member(home, writes=True), number, reason="The wrong person.", at=NOW)
    revoke_awarded(session, ADMINISTRATOR, number, reason="Again.", at=NOW + timedelta(days=1))

    assert (certificate.revoked_at, certificate.revoked_why) == (NOW, "The wrong person.")
    session.commit()
    kept = make.changes(session, "certificates")
    assert [each.who for each in kept] == ["test", "member"]
    assert kept[1].fields["revoked_why"] == [None, "The wrong person."]
