"""The schedule of all jobs. Times are by the database's clock; messages are sent all the time besides."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final

import structlog
from apscheduler.triggers.base import BaseTrigger

from aed.database.session import Database
from aed.errors import InvalidInput
from aed.settings import Settings
from aed.upkeep.rules import ASKED_EVERY_HOURS
from aed.worker.jobs import Job, Now, Poller, Run
from aed.worker.rules import Counts, daily, every

if TYPE_CHECKING:
    from aed.worker.loop import Worker

log = structlog.get_logger("aed")


def _job(name: str, when: BaseTrigger, what: str, *, asks_others: bool = False) -> Job:
    """Return the job whose work is the function of that name in `aed.jobs` (with _ for -)."""
    return Job(name, when, partial(_run, name.replace("-", "_")), what, asks_others)


def _run(function: str, database: Database, settings: Settings, now: Now) -> Counts | None:
    """Import and call a function of `aed.jobs`: the timetable can be listed without what the jobs need."""
    run: Run = resolve_name(f"aed.jobs:{function}")
    return run(database, settings, now)


TIMETABLE: Final = (
    _job(
        "close-incidents",
        every(minutes=1),
        "Tests, exercises and forgotten incidents are closed, and dispatchers reminded of open ones",
    ),
    _job(
        "feeds",
        every(minutes=1),
        "Fetches the lists that are followed and due",
        asks_others=True,
    ),
    _job("offers", every(minutes=1), "Offered places that nobody took go to the next"),
    _job(
        "issuers",
        every(minutes=5),
        "Asks issuers about the certificates that are due to be asked",
        asks_others=True,
    ),
    _job("duplicates", every(hours=6), "Finds people who may have been entered twice"),
    _job("upkeep", every(minutes=10), "Open recalls reach devices that were registered since"),
    _job(
        "aftercare",
        every(minutes=5),
        "Thanks those who were called, asks after devices, times exercises; asks how people are",
    ),
    _job(
        "devices-of-calls",
        every(minutes=1),
        "Takes devices out that calls used or could not get, and offers again what is back",
    ),
    _job("retrievals", every(minutes=5), "Asks after devices that somebody was sent for"),
    _job(
        "confirmations",
        every(hours=ASKED_EVERY_HOURS),
        "Asks people nearby to confirm what has faded",
    ),
    _job("expiry-reminders", every(hours=1), "Finds what expires, at each threshold once"),
    _job("check-reminders", every(hours=6), "The same of checks, services and returns"),
    _job(
        "calendar-notices",
        every(hours=1),
        "Notify administrators 90, 60 and 30 days before a holiday calendar ends, by day",
    ),
    _job("reminder-messages", every(hours=1), "Send due reminders, by day"),
    _job("forget-sign-ins", every(hours=1), "Sign-ins and codes that are over are forgotten"),
    _job("forget-live-places", every(minutes=1), "Places of phones expire and are deleted"),
    _job(
        "forget-places",
        every(hours=1),
        "Where those were who came to a patient is rough after a day, and gone after 90",
    ),
    _job(
        "forget-patients",
        daily("19:00"),
        "Age and sex of patients of long ago are forgotten",
    ),
    _job(
        "forget-messages",
        daily("19:10"),
        "Messages that are long sent are forgotten, and what centres told long ago",
    ),
    _job(
        "audit-heads",
        every(hours=6),
        "Tells dispatch centres how the records stand, so that no entry can be cut off unseen",
    ),
    _job(
        "forget-links",
        every(hours=1),
        "Links in messages that could not be delivered are removed once nobody should use them",
    ),
    _job("show-up", daily("19:30"), "Counts how many of those who were called to a patient came"),
    _job("paces", daily("19:40"), "Estimates each estate's own pace from its drills again"),
    _job("forget-runs", daily("19:20"), "Runs of jobs that are long over are forgotten"),
)
"""19:10 UTC is 03:10 in China."""


WATCHES: Final = (Poller("incidents", partial(_run, "incidents")),)
"""Alerts the next people for a patient as soon as a wave is over."""


def job_called(name: str) -> Job:
    """Return the job with that name. Raises InvalidInput for an unknown name."""
    for job in TIMETABLE:
        if job.name == name:
            return job
    raise InvalidInput(f"There is no job '{name}': {', '.join(job.name for job in TIMETABLE)}.", field="name")


# --- Running --------------------------------------------------------------------------------------------


def is_run_here(settings: Settings) -> bool:
    """Return True if `aed serve` runs a worker too: as configured, by default only with SQLite."""
    if settings.run_jobs is not None:
        return settings.run_jobs
    return settings.database_url.startswith("sqlite")


@contextmanager
def working(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> Iterator[Worker]:
    """Run a worker during the block. Of all workers, only one is active."""
    # Imported here: a process that runs no jobs needs none of it. `aed.jobs` is imported before a database is
    # opened, since SpatiaLite offers its GEOS to libraries that are loaded after it, such as shapely.
    import aed.jobs  # noqa: F401
    from aed.notifications.channels import channels_of
    from aed.worker.loop import Worker

    worker = Worker(settings, timetable, channels_of(settings), WATCHES)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@contextmanager
def running(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> Iterator[None]:
    """Run a worker beside `aed serve`, if configured."""
    if not is_run_here(settings):
        yield
        return
    with working(settings, timetable):
        yield


def work_until_told_to_stop(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> None:
    """Run a worker until SIGTERM or SIGINT, for `aed work`."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with working(settings, timetable):
        log.info("working", jobs=len(timetable))
        over.wait()
        log.info("stopping")
