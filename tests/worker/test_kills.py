"""The worker is killed at random, suspended, or loses its database: no notification is lost.

The environment variable KILLS is the number of kills; `make soak` sets it to 200.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from aed.database.session import Database, transaction
from aed.notifications.models import OutboxMessage
from aed.registry.estates.models import Estate
from aed.upkeep.reminders.models import Reminder
from aed.worker.models import JobRun, Lease
from tests import make
from tests.notifications.sinks import Posted, Reply, receiving
from tests.throwaway_postgres import Server
from tests.waiting import eventually
from tests.worker.processes import database_of_its_own, end, make_notices, settings_of, start_worker

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "3"))
NOTICES = 15 * KILLS
PEOPLE = 10
DEVICES = 5
"""Devices added after each failure, with expiring pads and a keeper each."""
EXPIRE_IN = timedelta(days=25)
FIVE_MINUTES = timedelta(minutes=5)
LEASE_SECONDS = 2


@dataclass
class Phone:
    """A gateway to all phones, which show a message once however often it arrives."""

    came: Counter[str] = field(default_factory=Counter)
    """Arrivals by message key."""
    shown: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The notifications shown to each number, in order."""
    reminded: Counter[str] = field(default_factory=Counter)
    """How many reminder messages each number was shown."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, posted: Posted) -> Reply:
        body = posted.json
        time.sleep(0.02)  # as a gateway does: a kill then finds messages taken but not recorded
        with self._lock:
            self.came[body["id"]] += 1
            if self.came[body["id"]] == 1 and body["text"].isdecimal():
                self.shown[body["to"]].append(int(body["text"]))
            elif self.came[body["id"]] == 1:
                self.reminded[body["to"]] += 1
        return 200, b"{}", {}

    @property
    def notices(self) -> list[int]:
        return sorted(notice for each in list(self.shown.values()) for notice in list(each))


@dataclass
class World:
    url: str
    database: Database
    server: Server | None
    keepers: list[str] = field(default_factory=list)
    """The keepers' phone numbers."""

    def let_pads_expire(self, estate: Estate, count: int) -> None:
        """Add devices with expiring pads, each with a keeper who must be reminded once."""
        on = (datetime.now(UTC) + EXPIRE_IN).date()
        with transaction(self.database) as session:
            for _ in range(count):
                number = f"+86137{len(self.keepers):08}"
                self.keepers.append(number)
                keeper = {"name": f"Keeper {number}", "phone": number}
                make.device(session, of=estate, pads_expire_on=on, keeper=keeper)


@pytest.fixture(scope="module", params=("spatialite", "postgis"))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a new database, on PostgreSQL with a server that can be restarted."""
    folder = tmp_path_factory.mktemp("world")
    with database_of_its_own(request.param, folder, request) as (url, database, server):
        yield World(url, database, server)


def test_of_two_workers_one_is_active_and_the_other_takes_over_within_the_lease(
    world: World, tmp_path: Path
) -> None:
    """Independent of their clocks: one five minutes fast takes the lease no earlier."""
    with receiving(Phone()) as sink:
        settings = settings_of(world.url, sink.url(), lease_seconds=LEASE_SECONDS)
        first = start_worker(settings, tmp_path / "first.log", timetable=())
        workers = [first]
        try:
            assert eventually(lambda: _holder(world.database) is not None, 60)
            holder = _holder(world.database)
            second = tmp_path / "second.log"
            workers.append(start_worker(settings, second, off=FIVE_MINUTES, timetable=()))
            held_until = time.monotonic() + 1.2 * LEASE_SECONDS
            while time.monotonic() < held_until:
                assert _holder(world.database) == holder
                time.sleep(0.1)  # between looks: the lease stays with its holder
            end(first)
            killed_at = time.monotonic()
            assert eventually(lambda: _holder(world.database) != holder, 30)
            took_seconds = time.monotonic() - killed_at
        finally:
            for worker in workers:
                end(worker)
    assert took_seconds < 3 * LEASE_SECONDS + 2, took_seconds


def _holder(database: Database) -> str | None:
    with database.read_sessions() as session:
        return session.scalar(select(Lease.holder))


def test_every_notice_is_sent_once_and_in_order_whatever_is_killed(world: World, tmp_path: Path) -> None:
    """Run two workers, one with a clock five minutes off, and kill one of them repeatedly.

    There are always notifications to send: several per person from the test's own table, and reminders of
    expiring pads, found and sent by the real jobs.
    """
    seed = int(os.environ.get("SEED", random.randrange(1_000_000)))
    rng = random.Random(seed)
    with transaction(world.database) as session:
        people = [make.person(session).id for _ in range(PEOPLE)]
        make_notices(session, people, NOTICES)
        estate = make.estate(session)
    world.let_pads_expire(estate, DEVICES)
    phone, log = Phone(), tmp_path / "workers.log"
    with receiving(phone) as sink:
        settings = settings_of(world.url, sink.url(), lease_seconds=LEASE_SECONDS)
        clocks = (timedelta(), rng.choice([FIVE_MINUTES, -FIVE_MINUTES]))
        workers = [start_worker(settings, log, off=off) for off in clocks]
        kills = stops = restarts = 0
        try:
            assert eventually(lambda: bool(phone.came), 60), log.read_text()
            while kills < KILLS:
                time.sleep(rng.uniform(0.05, 0.8))  # kill at a random moment
                number = rng.randrange(2)
                what = rng.random()
                if world.server is not None and restarts * 6 < kills:
                    world.server.stop()
                    time.sleep(rng.uniform(0, 1))  # while the database is away
                    world.server.start()
                    restarts += 1
                elif what < 0.25:  # as a suspended machine: it resumes when another has taken over
                    _signal(workers[number], signal.SIGSTOP)
                    time.sleep(
                        LEASE_SECONDS + rng.uniform(0.5, 1.5)
                    )  # until another worker may take the lease
                    _signal(workers[number], signal.SIGCONT)
                    stops += 1
                else:
                    end(workers[number])
                    workers[number] = start_worker(settings, log, off=clocks[number])
                    kills += 1
                world.let_pads_expire(estate, DEVICES)
            delivered = eventually(
                lambda: len(phone.notices) >= NOTICES and len(phone.reminded) >= len(world.keepers),
                90 + 2 * KILLS,
            )
            done = delivered and eventually(lambda: _waiting(world.database) == 0, 60)
        finally:
            for worker in workers:
                end(worker)
    context = f"seed {seed}; the end of the log: {log.read_text()[-3000:]}"
    lost = set(world.keepers) - set(phone.reminded)
    assert delivered, (
        f"{NOTICES - len(phone.notices)} notices, reminders of {sorted(lost)} were lost; {context}"
    )
    assert done, context
    assert phone.notices == list(range(NOTICES)), f"notified under two keys; {context}"
    assert phone.reminded == Counter(world.keepers), f"reminded twice; {context}"
    for shown in phone.shown.values():
        assert shown == sorted(shown), f"out of order; {context}"
    with transaction(world.database) as session:
        assert session.scalar(text("SELECT count(*) FROM pending_notices WHERE notified <> 1")) == 0, context
        assert session.scalar(select(func.count()).select_from(OutboxMessage)) == NOTICES + len(world.keepers)
        assert session.scalar(select(func.count()).select_from(Reminder)) == len(world.keepers)
        moments = select(JobRun.due_at).group_by(JobRun.job, JobRun.due_at).having(func.count() > 1)
        assert session.scalars(moments).all() == []
    again = sum(phone.came.values()) - len(phone.came)
    sys.stderr.write(
        f"{NOTICES + len(world.keepers)} messages, {kills} kills, {stops} stops, {restarts} restarts: "
        f"each notified once; {again} were sent a second time with the same key\n"
    )
    assert again <= 20 * (kills + stops + restarts), context


def _signal(process: BaseProcess, number: int) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def _waiting(database: Database) -> int:
    with database.read_sessions() as session:
        waiting = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.sent_at.is_(None))
        return session.scalar(waiting) or 0
