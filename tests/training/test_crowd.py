"""Several hundred people enrol at the same second: no overbooking, and a waiting list in order."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.database.session import Database, open_database, transaction
from aed.errors import ChangedMeanwhile, Conflict
from aed.settings import Settings
from aed.training import queries as session_queries
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.models import Enrolment
from aed.training.rules import EnrolmentState
from tests import make
from tests.make import ADMINISTRATOR, NOW
from tests.registry.conftest import Desk

pytestmark = pytest.mark.slow

CROWD, CAPACITY = 300, 20
TOGETHER = 40
"""Number of requests with their own connection; the others wait for one, as in the API."""


@pytest.fixture
def busy(database_url: str) -> Iterator[Database]:
    """The database with a pool of many connections."""
    settings = Settings(database_url=database_url, threads=TOGETHER, lock_timeout_ms=60_000)
    opened = open_database(settings.model_copy(update={"statement_timeout_ms": 60_000}))
    yield opened
    opened.close()


def person(number: int) -> EnrolmentIn:
    return EnrolmentIn(name=f"Learner {number}", phone=f"+86 100 2000 {number:04d}")


def test_three_hundred_simultaneous_enrolments_fill_a_session_and_the_rest_wait_in_order(
    session: Session, busy: Database
) -> None:
    training = make.training(session, capacity=CAPACITY)
    session.commit()
    ready = threading.Barrier(CROWD)

    def come(number: int) -> tuple[int, EnrolmentState]:
        ready.wait()
        with transaction(busy) as own:
            made = enrolment_actions.enrol(own, ADMINISTRATOR, training.id, person(number), at=NOW)
            return made.id, made.state

    with ThreadPoolExecutor(CROWD) as pool:
        state_by_id = dict(pool.map(come, range(CROWD)))

    roster = enrolment_queries.roster(session, ADMINISTRATOR, training.id)
    assert len(roster) == CROWD
    assert len({row.name for row in roster}) == CROWD
    assert {row.id: row.state for row in roster} == state_by_id
    assert [row.state for row in roster] == [EnrolmentState.ENROLLED] * CAPACITY + [
        EnrolmentState.WAITING
    ] * (CROWD - CAPACITY)
    assert [row.waiting_place for row in roster[CAPACITY:]] == list(range(1, CROWD - CAPACITY + 1))


def test_a_person_who_enrols_a_hundred_times_is_on_the_roster_once(session: Session, busy: Database) -> None:
    training = make.training(session, capacity=CAPACITY)
    session.commit()
    ready = threading.Barrier(100)

    def press(_: int) -> str:
        ready.wait()
        try:
            with transaction(busy) as own:
                return enrolment_actions.enrol(own, ADMINISTRATOR, training.id, person(1), at=NOW).state
        except Conflict as error:
            return error.detail[:42]

    with ThreadPoolExecutor(100) as pool:
        answers = Counter(pool.map(press, range(100)))

    assert answers == {"enrolled": 1, "This person is already on the roster (enro": 99}
    assert session.scalar(select(func.count()).select_from(Enrolment)) == 1


def test_concurrent_enrolments_withdrawals_and_moves_never_overfill_or_lose_anyone(
    session: Session, busy: Database
) -> None:
    course = make.course(session)
    both = [make.training(session, course, capacity=5) for _ in range(2)]
    session.commit()
    here, there = (each.id for each in both)
    ready = threading.Barrier(60)

    refused: list[str] = []

    def live(number: int) -> None:
        rng = random.Random(number)
        ready.wait()
        with transaction(busy) as own:
            own_id = enrolment_actions.enrol(own, ADMINISTRATOR, here, person(number), at=NOW).id
        for _ in range(3):
            try:
                with transaction(busy) as own:
                    found = enrolment_queries.enrolment(own, ADMINISTRATOR, own_id)
                    version, state = found.version, found.state
                    if state is EnrolmentState.OFFERED:
                        enrolment_actions.accept(own, ADMINISTRATOR, own_id, version=version, at=NOW)
                    elif state is EnrolmentState.ENROLLED and rng.random() < 0.5:
                        enrolment_actions.withdraw(own, ADMINISTRATOR, own_id, version=version, at=NOW)
                    elif state in (EnrolmentState.ENROLLED, EnrolmentState.WAITING):
                        other_id = there if found.session_id == here else here
                        own_id = enrolment_actions.move(
                            own, ADMINISTRATOR, own_id, to_session_id=other_id, version=version, at=NOW
                        ).id
            except ChangedMeanwhile:
                refused.append("changed")
            except Conflict as error:
                refused.append(error.detail)
            with transaction(busy) as own:
                enrolment_actions.expire_offers(own, NOW)

    with ThreadPoolExecutor(60) as pool:
        for done in [pool.submit(live, number) for number in range(60)]:
            done.result()

    assert {reason for reason in refused if not re.search("changed|full|already", reason)} == set()
    for session_id in (here, there):
        held, waiting = session_queries.places_of(session, session_id)
        assert held <= 5
        assert held == 5 or waiting == 0, "nobody waits while a place is free"
    people = session.scalar(select(func.count(Enrolment.person_id.distinct())))
    assert people == 60


def test_many_enrolments_over_http_are_answered_and_never_overfill(session: Session, office: Desk) -> None:
    training = make.training(session, starts_at=datetime(2060, 1, 1, tzinfo=NOW.tzinfo), capacity=10)
    session.commit()
    path = f"/v1/sessions/{training.id}/enrolments"

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda number: office.post(path, person(number).model_dump()), range(60)))

    assert Counter(answer.status_code for answer in answers) == {201: 60}
    assert Counter(answer.json()["state"] for answer in answers) == {"enrolled": 10, "waiting": 50}
    places = sorted(answer.json()["waiting_place"] or 0 for answer in answers)
    assert places == [0] * 10 + list(range(1, 51))
