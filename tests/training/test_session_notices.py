"""Notices of enrolments: one per change, in the person's language, and none for rolled-back changes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.database.session import Database, transaction
from aed.errors import Conflict, InvalidInput
from aed.notifications.channels import spool
from aed.notifications.jobs import Sent, send_waiting
from aed.notifications.models import OutboxMessage
from aed.notifications.rules import Channel, Delivery
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments.actions import expire_offers
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import OFFER_LASTS, EnrolmentState
from aed.training.sessions.actions import amend_session, cancel_session
from aed.training.sessions.schemas import SessionAmend
from tests import make
from tests.make import ADMINISTRATOR, NOW


def end_offers(database: Database, at: datetime) -> int:
    with transaction(database) as session:
        return expire_offers(session, at)


def notices(session: Session, of: Enrolment | Person) -> list[str]:
    """Return the messages for a person, in their own language, oldest first."""
    person_id = of.person_id if isinstance(of, Enrolment) else of.id
    rows = session.scalars(
        select(OutboxMessage).where(OutboxMessage.person_id == person_id).order_by(OutboxMessage.id)
    )
    return [(row.text_zh if row.language == "zh" else row.text_en) or "" for row in rows]


def version(session: Session, enrolment: Enrolment) -> int:
    return session.get_one(Enrolment, enrolment.id, populate_existing=True).version


def withdraw(session: Session, enrolment: Enrolment, *, at: datetime = NOW) -> None:
    enrolment_actions.withdraw(
        session, ADMINISTRATOR, enrolment.id, version=version(session, enrolment), at=at
    )


def one_place(session: Session) -> tuple[TrainingSession, Enrolment, list[Enrolment]]:
    """A session with one place that is taken, and two people waiting; the first of them speaks English."""
    training = make.training(session, make.course(session, "CPR", name_en="Resuscitation"), capacity=1)
    has = make.enrolment(session, training)
    waiting = [make.enrolment(session, training, language="en"), make.enrolment(session, training)]
    return training, has, waiting


def test_an_enrolled_person_is_notified_and_a_waiting_person_is_not(session: Session) -> None:
    _, has, waiting = one_place(session)

    (notice,) = notices(session, has)
    assert notice.startswith("您已报上名：课程CPR（2026-10-02 10:00，社区活动室）")
    assert [notices(session, each) for each in waiting] == [[], []]


def test_an_offer_is_notified_with_its_deadline_in_the_language_of_the_person(session: Session) -> None:
    _, has, (first, second) = one_place(session)

    withdraw(session, has)

    (notice,) = notices(session, first)
    assert notice.startswith("A place is free: Resuscitation, 2026-10-02 10:00, Community hall.")
    assert "until 2026-09-23 10:00" in notice, "in local time"
    assert notices(session, second) == []
    sent = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == first.person_id)).one()
    assert sent.expires_at == NOW + OFFER_LASTS
    assert not sent.is_secret


def test_an_expired_offer_notifies_both_people(session: Session) -> None:
    _, has, (first, second) = one_place(session)
    withdraw(session, has)
    later = NOW + OFFER_LASTS

    assert enrolment_actions.expire_offers(session, later) == 1
    assert enrolment_actions.expire_offers(session, later) == 0

    assert ["did not accept the reserved place in time" in notice for notice in notices(session, first)] == [
        False,
        True,
    ]
    (offer,) = notices(session, second)
    assert offer.startswith("候补有名额了")


def test_accepting_twice_notifies_once(session: Session) -> None:
    _, has, (first, _) = one_place(session)
    withdraw(session, has)

    for _ in range(2):
        enrolment_actions.accept(session, ADMINISTRATOR, first.id, version=version(session, first), at=NOW)

    assert [notice.partition(":")[0] for notice in notices(session, first)] == [
        "A place is free",
        "You are enrolled",
    ]


def test_added_places_notify_as_many_waiting_people(session: Session) -> None:
    training, _, waiting = one_place(session)

    amend_session(
        session, ADMINISTRATOR, training.id, SessionAmend(capacity=3), version=training.version, at=NOW
    )

    assert [len(notices(session, each)) for each in waiting] == [1, 1]


def test_a_moved_person_is_notified_of_the_new_session(session: Session) -> None:
    _, has, _ = one_place(session)
    other = make.training(session, starts_at=NOW + timedelta(days=12))

    arrived = enrolment_actions.move(
        session, ADMINISTRATOR, has.id, to_session_id=other.id, version=version(session, has), at=NOW
    )

    assert arrived.state is EnrolmentState.ENROLLED
    assert "2026-10-04" in notices(session, has)[-1]
    assert len(notices(session, has)) == 2


def test_a_new_time_or_place_is_notified_to_all_enrolled_and_shortens_offers(
    session: Session,
) -> None:
    training, has, (first, second) = one_place(session)
    stays = make.enrolment(session, training)
    withdraw(session, has)
    earlier, notices_before = NOW + timedelta(hours=8), len(notices(session, has))

    for change in (
        SessionAmend(minimum=1, language="en"),  # changes no date or place
        SessionAmend(starts_at=earlier, ends_at=earlier + timedelta(hours=2)),
        SessionAmend(starts_at=earlier, place_en="Hall B", place_zh="二号厅"),
    ):
        amend_session(session, ADMINISTRATOR, training.id, change, version=training.version, at=NOW)

    assert [notice[:11] for notice in notices(session, first)] == [
        "A place is ",
        "The time or",
        "The time or",
    ]
    assert "2026-09-22 18:00, Hall B" in notices(session, first)[-1]
    assert [len(notices(session, each)) for each in (second, stays)] == [2, 2]
    assert len(notices(session, has)) == notices_before, "a person who withdrew gets no further notices"
    assert session.get_one(Enrolment, first.id).offer_expires_at == NOW + timedelta(hours=4)
    with pytest.raises(InvalidInput, match="must be in the future"):
        amend_session(
            session, ADMINISTRATOR, training.id, SessionAmend(starts_at=NOW), version=training.version, at=NOW
        )


def test_a_cancellation_is_notified_to_all_enrolled_with_the_reason(session: Session) -> None:
    training, has, waiting = one_place(session)
    gone = waiting.pop()
    withdraw(session, gone)

    cancel_session(
        session, ADMINISTRATOR, training.id, reason="The trainer is ill.", version=training.version, at=NOW
    )

    assert notices(session, has)[-1].endswith("The trainer is ill")
    assert notices(session, waiting[0])[-1].startswith("The session was cancelled: Resuscitation")
    assert notices(session, gone) == []


def test_people_without_a_number_are_not_notified_and_numbers_are_in_e164(session: Session) -> None:
    training = make.training(session)
    rung = make.enrolment(session, training, "Li Wei", phone="0571 8763 4567")
    silent = Person(name="Nobody", phone=None, language="zh")
    session.add(silent)
    session.flush()
    session.add(
        Enrolment(session_id=training.id, person_id=silent.id, state=EnrolmentState.ENROLLED, enrolled_at=NOW)
    )
    session.flush()

    cancel_session(session, ADMINISTRATOR, training.id, reason="Rain", version=training.version, at=NOW)

    assert notices(session, silent) == []
    sent = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == rung.person_id)).all()
    assert {each.recipient for each in sent} == {"+8657187634567"}


def test_a_rollback_discards_the_message(session: Session, database: Database) -> None:
    training = make.training(session, capacity=1)
    has, waits = make.enrolment(session, training), make.enrolment(session, training)
    session.commit()

    with pytest.raises(Conflict, match="changed my mind"), transaction(database) as own:  # noqa: PT012 - the whole block is rolled back
        withdraw(own, has)
        assert len(notices(own, waits)) == 1
        raise Conflict("changed my mind")

    assert notices(session, waits) == []


def test_concurrent_and_repeated_jobs_notify_nobody_twice(
    session: Session, database: Database, tmp_path: Path
) -> None:
    """Several processes end the same offers and send the same outbox, are stopped, and start again."""
    training = make.training(session, capacity=8)
    holding = [make.enrolment(session, training) for _ in range(8)]
    first, second = ([make.enrolment(session, training) for _ in range(8)] for _ in range(2))
    for each in holding:
        withdraw(session, each)
    session.commit()
    later = NOW + OFFER_LASTS
    together = threading.Barrier(3)

    def run(_: int) -> int:
        together.wait()
        ended = end_offers(database, later)
        send_waiting(database, lambda: later, channels=channels)
        return ended

    lock = threading.Lock()

    def deliver(letter: Delivery, *, at: datetime) -> None:
        with lock:
            spool.deliver(letter, tmp_path / "outbox", at=at)

    channels = dict.fromkeys(Channel, deliver)
    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(run, range(3))) == 8
    assert end_offers(database, later) == 0
    assert send_waiting(database, lambda: later, channels=channels) == Sent()

    session.expire_all()
    folder = tmp_path / "outbox"
    assert [len(notices(session, each)) for each in first] == [2] * 8, "offered, lapsed"
    assert [len(notices(session, each)) for each in second] == [1] * 8, "offered"
    written = [orjson.loads(line) for file in folder.iterdir() for line in file.read_bytes().splitlines()]
    ids = [line["id"] for line in written]
    assert len(ids) == len(set(ids))
    offers = [line["to"] for line in written if line["text"].startswith("候补有名额了")]
    assert len(offers) == len(set(offers)) == 8, "offers expired by then are not sent"
