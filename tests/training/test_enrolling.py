"""Enrolment, the waiting list, offers, withdrawals, moves and cancellations."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import TokenScope, Viewer
from aed.errors import ChangedMeanwhile, Conflict, NotAllowed, NotFound, NotSignedIn
from aed.training import queries as session_queries
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import OFFER_LASTS, EnrolmentState
from aed.training.sessions.actions import amend_session, cancel_session
from aed.training.sessions.schemas import SessionAmend
from tests import make
from tests.make import ADMINISTRATOR, ANYONE, NOW

ENROLLED, WAITING, OFFERED = EnrolmentState.ENROLLED, EnrolmentState.WAITING, EnrolmentState.OFFERED
LAPSED, WITHDRAWN = EnrolmentState.LAPSED, EnrolmentState.WITHDRAWN


def states(session: Session, of: TrainingSession) -> list[EnrolmentState]:
    """Return the states of all enrolments in order of arrival."""
    session.expire_all()
    return list(
        session.scalars(select(Enrolment.state).where(Enrolment.session_id == of.id).order_by(Enrolment.id))
    )


def withdraw(
    session: Session, enrolment: Enrolment, *, who: Viewer = ADMINISTRATOR, at: datetime = NOW
) -> None:
    version = session.get_one(Enrolment, enrolment.id, populate_existing=True).version
    enrolment_actions.withdraw(session, who, enrolment.id, version=version, at=at)


def accept(session: Session, enrolment: Enrolment, *, at: datetime = NOW) -> Enrolment:
    version = session.get_one(Enrolment, enrolment.id, populate_existing=True).version
    return enrolment_actions.accept(session, ADMINISTRATOR, enrolment.id, version=version, at=at)


# --- permissions ----------------------------------------------------------------------------------------


def test_a_stranger_needs_a_token_to_enrol(session: Session) -> None:
    training = make.training(session)

    with pytest.raises(NotSignedIn):
        make.enrolment(session, training, who=ANYONE)
    with pytest.raises(NotSignedIn):
        enrolment_actions.withdraw(session, ANYONE, make.enrolment(session, training).id, version=1, at=NOW)


def test_an_estate_enrols_only_its_own_people(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    training = make.training(session)
    of_home = make.member(home, writes=True)

    assert make.enrolment(session, training, who=of_home).estate_id == home.id
    with pytest.raises(NotAllowed, match="own estate"):
        make.enrolment(session, training, who=of_home, estate_id=other.id)
    with pytest.raises(NotAllowed, match="read-only"):
        make.enrolment(session, training, who=make.member(home))
    theirs = make.enrolment(session, training, who=make.member(other, writes=True))
    with pytest.raises(NotFound):
        withdraw(session, theirs, who=of_home)


def test_a_session_of_an_estate_is_for_its_people(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    training = make.training(session, estate=home)

    with pytest.raises(NotFound):
        make.enrolment(session, training, who=make.member(other, writes=True))
    with pytest.raises(Conflict, match="only for people of its estate"):
        make.enrolment(session, training, estate_id=other.id)
    with pytest.raises(Conflict, match="Give estate_id"):
        make.enrolment(session, training, estate_id=None)
    assert make.enrolment(session, training, who=make.member(home, writes=True)).state is ENROLLED


def test_a_person_known_to_be_of_another_estate_is_refused(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    make.responder(session, estate_id=other.id)
    [(name, phone)] = session.execute(select(Person.name, Person.phone)).all()

    with pytest.raises(Conflict, match="only for people of its estate"):
        make.enrolment(
            session,
            make.training(session, estate=home),
            name,
            phone=phone,
            who=make.member(home, writes=True),
        )


def test_those_who_run_a_session_withdraw_people_enrolled_by_others(session: Session) -> None:
    host, guest = make.estate(session), make.estate(session)
    training = make.training(session, estate=host, audience="public")
    sent = make.enrolment(session, training, who=make.member(guest, writes=True))

    withdraw(session, sent, who=make.member(host, writes=True))

    assert states(session, training) == [WITHDRAWN]


# --- refusals -------------------------------------------------------------------------------------------


def test_enrolment_after_the_closing_time_is_refused(session: Session) -> None:
    training = make.training(session)

    with pytest.raises(Conflict, match="Enrolment closed at"):
        make.enrolment(session, training, at=training.enrolment_closes_at)
    with pytest.raises(Conflict, match="has already begun"):
        make.enrolment(session, training, at=training.starts_at)
    assert make.enrolment(session, training, at=training.enrolment_closes_at - timedelta(seconds=1))


def test_a_person_enrols_once_and_again_after_withdrawing(session: Session) -> None:
    training = make.training(session, capacity=1)
    first = make.enrolment(session, training, "Wang")
    with pytest.raises(Conflict, match="already on the roster"):
        make.enrolment(session, training, "Wang")
    make.enrolment(session, training, "Li")
    with pytest.raises(Conflict, match="already on the waiting list"):
        make.enrolment(session, training, "Li")

    withdraw(session, first)

    assert make.enrolment(session, training, "Wang").state is WAITING
    assert states(session, training) == [WITHDRAWN, OFFERED, WAITING]


def test_a_course_with_a_prerequisite_needs_a_certificate_valid_on_the_day(session: Session) -> None:
    first = make.course(session, "BASIC")
    advanced = make.course(session, "ADVANCED", prerequisites=["BASIC"], certificate_kind="first_aid")
    training = make.training(session, advanced)
    make.responder(session, valid_until=date(2026, 10, 2))
    make.responder(session, valid_until=date(2026, 10, 1))
    people = session.execute(select(Person.name, Person.phone).order_by(Person.id)).all()
    assert training.starts_at.date() == date(2026, 10, 2)
    assert first.certificate_kind == "cpr_aed"

    with pytest.raises(Conflict, match="requires BASIC"):
        make.enrolment(session, training)
    with pytest.raises(Conflict, match="requires BASIC"):
        make.enrolment(session, training, people[1].name, phone=people[1].phone)
    assert make.enrolment(session, training, people[0].name, phone=people[0].phone).state is ENROLLED


def test_a_cancelled_session_accepts_nobody_and_ends_every_enrolment(session: Session) -> None:
    training = make.training(session, capacity=1)
    make.enrolment(session, training)
    make.enrolment(session, training)

    cancel_session(
        session, ADMINISTRATOR, training.id, reason="The trainer is ill.", version=training.version, at=NOW
    )

    assert states(session, training) == [EnrolmentState.CANCELLED] * 2
    with pytest.raises(Conflict, match="The trainer is ill"):
        make.enrolment(session, training)


# --- the waiting list -----------------------------------------------------------------------------------


def test_a_freed_place_is_offered_to_the_first_on_the_waiting_list(session: Session) -> None:
    training = make.training(session, capacity=1)
    has = make.enrolment(session, training)
    first, second = make.enrolment(session, training), make.enrolment(session, training)
    assert states(session, training) == [ENROLLED, WAITING, WAITING]
    with pytest.raises(Conflict, match="No place is free yet"):
        accept(session, first)

    withdraw(session, has)

    assert states(session, training) == [WITHDRAWN, OFFERED, WAITING]
    assert first.offer_expires_at == NOW + OFFER_LASTS
    assert accept(session, first).state is ENROLLED
    assert accept(session, first).state is ENROLLED
    assert second.state is WAITING


def test_an_offer_not_accepted_in_time_goes_to_the_next(session: Session) -> None:
    training = make.training(session, capacity=1)
    has = make.enrolment(session, training)
    first, second = make.enrolment(session, training), make.enrolment(session, training)
    withdraw(session, has)
    until = NOW + OFFER_LASTS

    assert enrolment_actions.expire_offers(session, until - timedelta(seconds=1)) == 0
    assert enrolment_actions.expire_offers(session, until) == 1
    assert enrolment_actions.expire_offers(session, until) == 0

    assert states(session, training) == [WITHDRAWN, LAPSED, OFFERED]
    with pytest.raises(Conflict, match="offer expired"):
        accept(session, first, at=until)
    assert accept(session, second, at=until).state is ENROLLED


def test_an_expired_offer_cannot_be_accepted_even_before_the_job_has_run(session: Session) -> None:
    training = make.training(session, capacity=1)
    has, late = make.enrolment(session, training), make.enrolment(session, training)
    withdraw(session, has)

    with pytest.raises(Conflict, match="offer expired"):
        accept(session, late, at=NOW + OFFER_LASTS)


def test_a_new_enrolment_does_not_get_an_offered_place(session: Session) -> None:
    training = make.training(session, capacity=1)
    has = make.enrolment(session, training)
    make.enrolment(session, training)
    withdraw(session, has)

    assert make.enrolment(session, training).state is WAITING


def test_shortly_before_the_session_an_offer_lasts_half_of_the_remaining_time(session: Session) -> None:
    training = make.training(session, capacity=1)
    has, first, second = (make.enrolment(session, training) for _ in range(3))
    late = training.starts_at - timedelta(hours=8)

    withdraw(session, has, at=late)
    assert first.offer_expires_at == late + timedelta(hours=4)
    enrolment_actions.expire_offers(session, late + timedelta(hours=4))
    session.refresh(second)
    assert second.offer_expires_at == late + timedelta(hours=6)


def test_no_place_is_offered_once_the_session_has_begun(session: Session) -> None:
    training = make.training(session, capacity=1)
    has, *_ = (make.enrolment(session, training) for _ in range(2))
    withdraw(session, has, at=training.starts_at - timedelta(hours=2))

    enrolment_actions.expire_offers(session, training.starts_at)
    assert states(session, training) == [WITHDRAWN, LAPSED]


def test_added_places_are_offered_at_once_and_a_capacity_below_the_taken_places_is_refused(
    session: Session,
) -> None:
    training = make.training(session, capacity=1)
    for _ in range(4):
        make.enrolment(session, training)

    amended = amend_session(
        session, ADMINISTRATOR, training.id, SessionAmend(capacity=3), version=training.version, at=NOW
    )

    assert states(session, training) == [ENROLLED, OFFERED, OFFERED, WAITING]
    with pytest.raises(Conflict, match="taken or offered"):
        amend_session(
            session, ADMINISTRATOR, training.id, SessionAmend(capacity=2), version=amended.version, at=NOW
        )


def test_withdrawing_twice_changes_nothing_and_an_old_version_is_refused(session: Session) -> None:
    enrolment = make.enrolment(session, make.training(session))
    with pytest.raises(ChangedMeanwhile):
        enrolment_actions.withdraw(session, ADMINISTRATOR, enrolment.id, version=7, at=NOW)
    withdraw(session, enrolment)
    version = enrolment.version

    enrolment_actions.withdraw(session, ADMINISTRATOR, enrolment.id, version=1, at=NOW)

    assert enrolment.version == version


# --- moving ---------------------------------------------------------------------------------------------


def test_moving_frees_a_place_and_records_the_previous_session(session: Session) -> None:
    course = make.course(session)
    here, there = make.training(session, course, capacity=1), make.training(session, course, capacity=1)
    moves, waits = make.enrolment(session, here), make.enrolment(session, here)

    arrived = enrolment_actions.move(
        session, ADMINISTRATOR, moves.id, to_session_id=there.id, version=1, at=NOW
    )

    assert (arrived.session_id, arrived.state) == (there.id, ENROLLED)
    assert (moves.state, moves.moved_to_id) == (EnrolmentState.MOVED, arrived.id)
    assert enrolment_queries.enrolment(session, ADMINISTRATOR, waits.id).state is OFFERED


def test_nobody_loses_a_place_by_moving_to_a_full_session(session: Session) -> None:
    course = make.course(session)
    here, there = make.training(session, course), make.training(session, course, capacity=1)
    make.enrolment(session, there)
    moves = make.enrolment(session, here)

    session.commit()

    with pytest.raises(Conflict, match="full"):
        enrolment_actions.move(session, ADMINISTRATOR, moves.id, to_session_id=there.id, version=1, at=NOW)

    session.rollback()
    assert states(session, here) == [ENROLLED]
    assert states(session, there) == [ENROLLED]


def test_a_waiting_person_can_move_to_another_waiting_list(session: Session) -> None:
    course = make.course(session)
    here, there = make.training(session, course, capacity=1), make.training(session, course, capacity=1)
    for training in (here, there):
        make.enrolment(session, training)
    waits = make.enrolment(session, here)

    arrived = enrolment_actions.move(
        session, ADMINISTRATOR, waits.id, to_session_id=there.id, version=1, at=NOW
    )

    assert arrived.state is WAITING
    with pytest.raises(Conflict, match="already moved"):
        enrolment_actions.move(session, ADMINISTRATOR, waits.id, to_session_id=there.id, version=2, at=NOW)


# --- change history -------------------------------------------------------------------------------------


def test_every_step_is_logged_with_actor_and_time(session: Session) -> None:
    training = make.training(session, capacity=1)
    has, waits = make.enrolment(session, training), make.enrolment(session, training)
    withdraw(session, has)
    enrolment_actions.expire_offers(session, NOW + OFFER_LASTS)
    session.commit()

    kept = [each for each in make.changes(session, "enrolments") if each.subject_id == str(waits.id)]

    assert [(each.who, each.fields["state"]) for each in kept] == [
        ("test", [None, "waiting"]),
        ("test", ["waiting", "offered"]),
        ("timetable", ["offered", "lapsed"]),
    ]


def test_places_are_counted_and_the_waiting_list_is_numbered(session: Session) -> None:
    training = make.training(session, capacity=2)
    for _ in range(5):
        make.enrolment(session, training)

    assert session_queries.places_of(session, training.id) == (2, 3)
    found = enrolment_queries.roster(session, ADMINISTRATOR, training.id)
    assert [each.waiting_place for each in found] == [None, None, 1, 2, 3]
    reader = Viewer(role=ADMINISTRATOR.role, scopes=frozenset({TokenScope.READ}))
    assert enrolment_queries.roster(session, reader, training.id) == []
