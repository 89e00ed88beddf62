"""The outbox: how fast one worker empties it, and how long adding a message takes while a channel is down."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert, select, text

from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.cli.server import bring_up_to_date
from aed.clock import now
from aed.database.session import Database, open_database, transaction
from aed.notifications.models import OutboxMessage
from aed.notifications.outbox import enqueue
from aed.settings import Settings
from tests.bench.ratio import Ratio
from tests.bench.sink import sink

MIN_PER_SECOND = 500.0
MAX_MILLISECONDS = 50.0
PEOPLE, OF_EACH = 2_000, 5
FILLED = 500
PATIENCE_SECONDS = 300.0
NOBODY = "http://127.0.0.1:9/"
"""A URL whose port has no listener."""


def outbox(url: str, folder: Path, what: str) -> Iterator[Ratio]:
    """On an empty database, measure deliveries per second of `aed work`, then p99 of adding messages.

    The messages are added while their channel is down.
    """
    database = open_database(Settings(database_url=url))
    try:
        bring_up_to_date(database)
        _fill(database)
        yield _delivered(database, url, folder, what)
        yield _filled(database, url, what)
    finally:
        database.close()


def _message(person_id: int) -> PersonMessage:
    return PersonMessage(
        person_id=person_id,
        channel=PhoneChannel.SMS,
        phone=f"+86138{person_id:08}",
        language=Language.ZH,
        text_en="The pads of the device in the lobby expire in 30 days.",
        text_zh="大堂AED的电极片将于30天后到期，请及时更换。",
    )


def _fill(database: Database) -> None:
    at = now()
    with transaction(database) as session:
        session.execute(
            insert(Person),
            [{"name": f"Person {number}", "phone": f"+86138{number:08}"} for number in range(1, PEOPLE + 1)],
        )
        people = session.scalars(select(Person.id)).all()
        for _ in range(OF_EACH):
            for person_id in people:
                enqueue(session, _message(person_id), at)


@contextmanager
def _working(url: str, gateway: str) -> Iterator[int]:
    """Run a worker in a process; yield its id."""
    environment: Mapping[str, str] = {
        **os.environ,
        "AED_DATABASE_URL": url,
        "AED_SMS__URL": gateway,
        "AED_NOTIFY_ALLOW_PRIVATE": "true",
        "AED_LOG_LEVEL": "error",
        "LC_ALL": "C.UTF-8",
    }
    process = subprocess.Popen([sys.executable, "-m", "aed", "work"], env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _processor_seconds(pid: int) -> float:
    """Return the CPU seconds of the process, independent of other load."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _waiting(database: Database) -> int:
    with database.read_sessions() as session:
        return session.scalar(text("SELECT count(*) FROM outbox WHERE sent_at IS NULL")) or 0


def _delivered(database: Database, url: str, folder: Path, what: str) -> Ratio:
    with database.read_sessions() as session:
        keys = set(session.scalars(select(OutboxMessage.key)))
    with sink(folder) as gateway:
        with _working(url, gateway.url) as worker:
            give_up_at = time.monotonic() + PATIENCE_SECONDS
            while _waiting(database):
                if time.monotonic() > give_up_at:
                    raise RuntimeError("the worker does not empty the outbox")
                time.sleep(0.25)  # more frequent queries would affect the measurement
            busy = _processor_seconds(worker)
        came = gateway.came()
    keys_received = [key for key, _ in came]
    if set(keys_received) != keys or len(keys_received) != len(keys):
        raise RuntimeError(
            f"{len(keys - set(keys_received))} lost, {len(keys_received) - len(set(keys_received))} twice"
        )
    seconds = came[-1][1] - came[0][1]
    a_second = (len(came) - 1) / seconds
    return Ratio(
        f"{MIN_PER_SECOND:.0f} messages a second : delivered, {what}",
        MIN_PER_SECOND / a_second,
        1.0,
        f"{a_second:.0f} a second: {len(came):,} to {PEOPLE:,} people from one worker in {seconds:.1f} s, "
        f"{busy:.1f} of them on the processor; none lost, none twice",
    )


def _filled(database: Database, url: str, what: str) -> Ratio:
    """Time adding each message in its own transaction, as a route does."""
    with transaction(database) as session:
        people = session.scalars(select(Person.id)).all()
        for person_id in people:
            enqueue(session, _message(person_id), now())
    taken = []
    with _working(url, NOBODY):
        _until_tried(database)
        for number in range(FILLED):
            started = time.perf_counter()
            with transaction(database) as session:
                enqueue(session, _message(people[number % len(people)]), now())
            taken.append((time.perf_counter() - started) * 1000)
            time.sleep(0.01)  # at the rate of requests, slower than one process could
    taken.sort()
    p99 = taken[int(0.99 * len(taken))]
    return Ratio(
        f"putting a message while its channel is down : {MAX_MILLISECONDS:.0f} ms, {what}",
        p99 / MAX_MILLISECONDS,
        1.0,
        f"p50 {taken[len(taken) // 2]:.1f}, p99 {p99:.1f}, slowest {taken[-1]:.1f} ms, committed; "
        f"{len(people) + FILLED:,} wait",
    )


def _until_tried(database: Database) -> None:
    """Wait until the worker's first attempts have failed."""
    give_up_at = time.monotonic() + 60
    while True:
        with database.read_sessions() as session:
            if session.scalar(text("SELECT count(*) FROM outbox WHERE reason IS NOT NULL")):
                return
        if time.monotonic() > give_up_at:
            raise RuntimeError("the worker tries nothing")
        time.sleep(0.1)
