"""From enrolment to certificate: each step counted for a story in which people drop out at every one."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.regions.queries import region_by_code
from aed.certificates.awards.actions import revoke_awarded
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate
from aed.training.enrolments import actions as enrolment_actions
from aed.training.funnel import TrainingFunnel, training_funnel
from aed.training.models import Assessment, Enrolment, TrainingSession
from aed.training.rosters.actions import Result, open_for_results, save_results
from aed.training.rules import AttendanceState, MarkedBy
from aed.training.sessions.actions import cancel_session
from tests import make
from tests.make import ADMINISTRATOR, NOW

STARTS = NOW + timedelta(days=10)
NEXT_DAY = (STARTS + timedelta(days=1)).date()
NO_CERTIFICATE = dict.fromkeys(("certificate_kind", "issuer", "validity_months", "refresher_months"))
CAME, STAYED_AWAY = AttendanceState.ATTENDED, AttendanceState.NO_SHOW


def record(session: Session, training: TrainingSession, *results: Result) -> None:
    at = training.ends_at
    found = open_for_results(session, ADMINISTRATOR, training.id, at=at)
    save_results(session, ADMINISTRATOR, found, results, how=MarkedBy.HAND, at=at)
    session.flush()


def funnel(
    session: Session,
    *,
    estate: Estate | None = None,
    today: date = NEXT_DAY,
    before: timedelta = timedelta(0),
    after: timedelta = timedelta(days=1),
) -> tuple[int, int, int, int, int]:
    """Return enrolled, came, passed, valid and recertified of sessions from `before` until `after` STARTS."""
    found: TrainingFunnel = training_funnel(
        session,
        [region_by_code(session, "CN-33").id],
        estate_id=None if estate is None else estate.id,
        since=STARTS - before,
        until=STARTS + after,
        today=today,
    )
    return found.enrolled, found.came, found.passed, found.valid, found.recertified


def certificate_of(session: Session, enrolment: Enrolment) -> Certificate:
    awarded = Assessment.certificate_id == Certificate.id
    return session.scalars(
        select(Certificate).join(Assessment, awarded).where(Assessment.enrolment_id == enrolment.id)
    ).one()


def test_each_step_counts_those_who_took_it(session: Session) -> None:
    estate = make.estate(session)
    training = make.training(session, estate=estate, starts_at=STARTS)
    absent, failed, passed, revoked, withdrawn = (make.enrolment(session, training) for _ in range(5))
    enrolment_actions.withdraw(session, ADMINISTRATOR, withdrawn.id, version=withdrawn.version, at=NOW)
    record(
        session,
        training,
        Result(absent.id, STAYED_AWAY),
        Result(failed.id, CAME, passed=False),
        Result(passed.id, CAME, passed=True),
        Result(revoked.id, CAME, passed=True),
    )
    assert funnel(session) == (4, 3, 2, 2, 0)

    taken_back = certificate_of(session, revoked)
    revoke_awarded(session, ADMINISTRATOR, taken_back.number or "", reason="By mistake.", at=NOW)
    assert funnel(session) == (4, 3, 2, 1, 0)
    assert funnel(session, estate=estate) == (4, 3, 2, 1, 0)
    assert funnel(session, estate=make.estate(session)) == (0, 0, 0, 0, 0)

    last_day = certificate_of(session, passed).valid_until
    assert last_day is not None
    assert funnel(session, today=last_day) == (4, 3, 2, 1, 0), "valid on its last day"
    assert funnel(session, today=last_day + timedelta(days=1)) == (4, 3, 2, 0, 0)


def test_a_session_counts_on_the_day_it_begins_unless_it_is_cancelled_or_awards_nothing(
    session: Session,
) -> None:
    training = make.training(session, starts_at=STARTS)
    make.enrolment(session, training)
    make.enrolment(session, make.training(session, make.course(session, **NO_CERTIFICATE), starts_at=STARTS))
    cancelled = make.training(session, starts_at=STARTS)
    make.enrolment(session, cancelled)
    cancel_session(
        session, ADMINISTRATOR, cancelled.id, reason="The hall is closed.", version=cancelled.version, at=NOW
    )
    waits = make.training(session, starts_at=STARTS, capacity=1)
    for _ in range(2):
        make.enrolment(session, waits)

    assert funnel(session) == (2, 0, 0, 0, 0), "one of each session with a place"
    assert funnel(session, before=timedelta(days=1), after=timedelta(0)) == (0, 0, 0, 0, 0), "not the end"
    assert funnel(session, before=timedelta(microseconds=-1)) == (0, 0, 0, 0, 0)


def test_a_person_who_was_certified_before_counts_as_certified_again(session: Session) -> None:
    course = make.course(session)
    person = {"name": "Wu Min", "phone": "+86 100 1000 7777"}
    before = make.training(session, course, starts_at=STARTS - timedelta(days=5))
    again = make.training(session, course, starts_at=STARTS)
    first, second = (
        make.enrolment(session, each, person["name"], phone=person["phone"]) for each in (before, again)
    )
    other = make.enrolment(session, again)
    record(session, before, Result(first.id, CAME, passed=True))
    record(session, again, Result(second.id, CAME, passed=True), Result(other.id, CAME, passed=True))

    assert funnel(session) == (2, 2, 2, 2, 1)
    assert funnel(session, before=timedelta(days=6), after=timedelta(0)) == (1, 1, 1, 1, 0)
