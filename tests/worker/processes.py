"""Workers and servers as processes that can be killed, with jobs that send notifications."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.orm import Session

from aed import clock, schedule
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.database.session import Database, open_database, transaction
from aed.logs import set_up_logs
from aed.notifications.outbox import enqueue
from aed.settings import Settings
from aed.upkeep.jobs import remind_of_expiry, send_reminders
from aed.worker.jobs import Job, Now
from aed.worker.rules import Counts, every
from tests.apps import app_on
from tests.forked import FORKING
from tests.throwaway_postgres import Server, throwaway_server

AT_A_TIME: Final = 25


def make_notices(session: Session, people: list[int], count: int) -> None:
    """Create the test's own table of pending notifications, each for one person."""
    session.execute(
        text("CREATE TABLE pending_notices (id INTEGER PRIMARY KEY, person_id BIGINT, notified INTEGER)")
    )
    session.execute(
        text("INSERT INTO pending_notices (id, person_id, notified) VALUES (:id, :person_id, 0)"),
        [{"id": number, "person_id": people[number % len(people)]} for number in range(count)],
    )


def send_notices(database: Database, _settings: Settings, now: Now) -> Counts:
    """Send pending notifications, as real jobs do: the finding and the message are one transaction."""
    with transaction(database) as session:
        found = session.execute(
            text("SELECT id, person_id FROM pending_notices WHERE notified = 0 ORDER BY id LIMIT :most"),
            {"most": AT_A_TIME},
        ).all()
        for row in found:
            session.execute(
                text("UPDATE pending_notices SET notified = notified + 1 WHERE id = :id"), {"id": row.id}
            )
            message = PersonMessage(
                person_id=row.person_id,
                channel=PhoneChannel.SMS,
                phone=f"+86138{row.person_id:08}",
                language=Language.EN,
                text_en=str(row.id),
                text_zh=str(row.id),
            )
            enqueue(session, message, now())
            time.sleep(0.002)  # so that a kill can interrupt it
    return {"sent": len(found)}


def _find(database: Database, settings: Settings, now: Now) -> Counts:
    return {"found": remind_of_expiry(database, now(), by=settings.reminding)}


def _remind(database: Database, settings: Settings, now: Now) -> Counts:
    return asdict(send_reminders(database, now(), by=settings.reminding, public_url=None))


OFTEN: Final = every(seconds=0.5)
TIMETABLE: Final = (
    Job("sweep", OFTEN, send_notices, "Sends the notices of the test"),
    Job("expiry-reminders", OFTEN, _find, "As the real one, more often"),
    Job("reminder-messages", OFTEN, _remind, "As the real one, more often"),
)


def settings_of(url: str, gateway: str, *, lease_seconds: int = 2, **given: object) -> Settings:
    return Settings.model_validate(
        {
            "database_url": url,
            "sms": {"url": gateway},
            "notify_allow_private": True,
            "worker_lease_seconds": lease_seconds,
            "log_format": "json",
            "threads": 4,
            "reminding": {"from_hour": 0, "until_hour": 24},
            **given,
        }
    )


@contextmanager
def database_of_its_own(
    kind: str, folder: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Database, Server | None]]:
    """Yield the URL of an up-to-date database of this kind, the database, and its server if PostgreSQL."""
    with ExitStack() as stack:
        if kind == "postgis":
            prepared: Path = request.getfixturevalue("prepared_postgres")
            server = stack.enter_context(throwaway_server(prepared=prepared))
            url = server.url
        else:
            server = None
            shutil.copyfile(request.getfixturevalue("spatialite_template"), folder / "aed.sqlite")
            url = f"sqlite:///{folder}/aed.sqlite"
        database = open_database(Settings(database_url=url))
        yield url, database, server
        database.close()


def end(process: BaseProcess) -> None:
    process.kill()
    process.join()


def _write_to(log: Path) -> None:
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.stderr.flush()


def _serve(settings: Settings, port: int, log: Path) -> None:
    _write_to(log)
    set_up_logs(settings)
    uvicorn.run(app_on(settings), host="127.0.0.1", port=port, log_config=None, access_log=False)


def start_server(settings: Settings, port: int, log: Path) -> BaseProcess:
    """Start the API in a separate process."""
    process = FORKING.Process(target=_serve, args=(settings, port, log), daemon=True)
    process.start()
    return process


def _work(settings: Settings, off: timedelta, log: Path, timetable: Sequence[Job]) -> None:
    _write_to(log)
    true_now = clock.now
    clock.now = lambda: true_now() + off  # this machine's clock is wrong
    set_up_logs(settings)
    schedule.work_until_stopped(settings, timetable)


def start_worker(
    settings: Settings,
    log: Path,
    *,
    off: timedelta = timedelta(),
    timetable: Sequence[Job] = TIMETABLE,
) -> BaseProcess:
    """Start a worker in a separate process, with its clock shifted by `off`."""
    process = FORKING.Process(target=_work, args=(settings, off, log, timetable), daemon=True)
    process.start()
    return process
