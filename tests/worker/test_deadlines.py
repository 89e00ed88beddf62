"""A worker whose database freezes: steps end at their deadlines, and each message is sent once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from aed import clock
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.database.session import Database, open_database, transaction
from aed.errors import DatabaseUnavailable
from aed.notifications import claims
from aed.notifications.jobs import Outages, Sent, send_channel
from aed.notifications.models import OutboxMessage
from aed.notifications.outbox import enqueue
from aed.notifications.rules import Channel, Delivery
from aed.settings import Settings
from aed.worker.loop import Worker
from aed.worker.rules import PATIENT_MS
from tests import make
from tests.throwaway_postgres import Server, throwaway_server
from tests.waiting import eventually


@pytest.fixture(scope="module")
def server(prepared_postgres: Path) -> Iterator[Server]:
    with throwaway_server(prepared=prepared_postgres) as server:
        yield server


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """Yield the database as a worker opens it, with ten minutes for a statement."""
    opened = open_database(
        Settings(database_url=server.url, statement_timeout_ms=PATIENT_MS, lock_timeout_ms=PATIENT_MS)
    )
    yield opened
    opened.close()


def enqueue_text(database: Database) -> int:
    with transaction(database) as session:
        person = make.person(session)
        message = PersonMessage(
            person_id=person.id,
            channel=PhoneChannel.SMS,
            phone="+8613800138000",
            language=Language.EN,
            text_en="hello",
            text_zh="hello",
        )
        return enqueue(session, message, clock.now()).id


def is_sent(database: Database, message_id: int) -> bool:
    with database.read_sessions() as session:
        sent_at = session.scalar(select(OutboxMessage.sent_at).where(OutboxMessage.id == message_id))
        return sent_at is not None


def test_claiming_from_a_frozen_server_ends_at_its_deadline(server: Server, database: Database) -> None:
    enqueue_text(database)
    send = partial(
        send_channel, database, clock.now, channel=Channel.SMS, by="w", outages=Outages(), deliver=ignore
    )
    started = time.monotonic()
    with server.frozen(), pytest.raises(DatabaseUnavailable):
        send()
    assert time.monotonic() - started < PATIENT_MS / 1000 / 10
    assert send() == Sent(sent=1)


def ignore(letter: Delivery, *, at: datetime) -> None:
    """Accept every message."""
    del letter, at


def test_a_message_that_is_sent_while_the_server_freezes_is_recorded_later_and_sent_once(
    server: Server, database: Database
) -> None:
    message_id, keys = enqueue_text(database), []
    go_on = threading.Event()

    def freeze() -> None:
        with server.frozen():
            frozen.set()
            go_on.wait()

    frozen = threading.Event()
    freezer = threading.Thread(target=freeze)

    def deliver(letter: Delivery, *, at: datetime) -> None:
        keys.append(letter.key)
        freezer.start()
        frozen.wait()
        threading.Timer(6.0, go_on.set).start()  # longer than the deadline of one attempt to record

    sent = send_channel(database, clock.now, channel=Channel.SMS, by="w", outages=Outages(), deliver=deliver)

    freezer.join()
    assert sent == Sent(sent=1)
    assert len(keys) == 1
    assert is_sent(database, message_id)


def test_a_claim_whose_commit_was_not_confirmed_is_sent_at_once(server: Server, database: Database) -> None:
    """Without a release, the message would wait for two minutes."""
    keys: list[str] = []

    def deliver(letter: Delivery, *, at: datetime) -> None:
        keys.append(letter.key)

    settings = Settings(database_url=server.url, worker_lease_seconds=2)
    worker = Worker(settings, (), {Channel.SMS: deliver})
    worker.start()
    try:
        assert eventually(lambda: worker.acts)
        real = claims.claim
        lost: list[int] = []

        def claim_and_lose(*args: object, **given: object) -> list[Delivery]:
            found = real(*args, **given)  # type: ignore[arg-type]  # passed through
            if found and not lost:
                lost.append(found[0].id)
                args[0].commit()  # type: ignore[attr-defined]  # the session
                raise DatabaseUnavailable("The answer to the commit was lost.")
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claims, "claim", claim_and_lose)  # only the answer is lost: the commit is real
            started = time.monotonic()
            message_id = enqueue_text(database)
            assert eventually(lambda: is_sent(database, message_id))
        assert lost == [message_id]
        assert len(keys) == 1
        assert time.monotonic() - started < claims.LEASE.total_seconds()
    finally:
        worker.stop()


def test_a_dead_worker_is_replaced_within_fifteen_seconds() -> None:
    lease_seconds = Settings.model_fields["worker_lease_seconds"].default
    assert lease_seconds * 1.25 < 15
