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
from aed.upkeep.rules import ASK_INTERVAL_HOURS
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
        "Closes tests, exercises and forgotten incidents, and reminds dispatchers of open ones",
    ),
    _job(
        "feeds",
        every(minutes=1),
        "Fetches the device lists that are due",
        asks_others=True,
    ),
    _job(
        "offers", every(minutes=1), "Offers places whose offer expired to the next people on the waiting list"
    ),
    _job(
        "session-reminders",
        every(minutes=10),
        "Reminds people of their sessions, the day before and two hours before",
    ),
    _job(
        "booking-reminders",
        daily("02:00"),
        "Suggests a session to people whose certificate expires in 90, 60 or 30 days, or who should practise",
    ),
    _job(
        "issuers",
        every(minutes=5),
        "Verifies due certificates with their issuers",
        asks_others=True,
    ),
    _job(
        "linked-accounts",
        every(minutes=1),
        "Notifies other cells of accounts that were linked, unlinked or erased, until they confirm",
        asks_others=True,
    ),
    _job("duplicates", every(hours=6), "Finds people who may have been entered twice"),
    _job(
        "upkeep",
        every(minutes=10),
        "Applies open recalls to devices registered since; notifies of spares that expire and of checks that "
        "wait for a second person",
    ),
    _job("signals", every(minutes=1), "Finds devices whose monitor is silent, and deletes old signals"),
    _job("rounds", every(hours=1), "Assigns repeated inspection rounds for today and tomorrow"),
    _job(
        "aftercare",
        every(minutes=5),
        "Follows up on calls: thanks, questions about devices and well-being, times of exercises",
    ),
    _job(
        "devices-of-calls",
        every(minutes=1),
        "Takes devices that were used or unavailable out of service, and puts returned ones back",
    ),
    _job(
        "agreements",
        every(minutes=1),
        "Keeps the audience of devices in step when an agreement or an insurance begins or ends",
    ),
    _job(
        "region-previews",
        every(minutes=1),
        "Computes the previews of a step by every estate of a region that were asked for",
    ),
    _job(
        "region-coverage",
        daily("02:30"),
        "Computes for each region who has an AED within 3 and 5 minutes, for the dashboard",
    ),
    _job(
        "agreement-notices",
        daily("02:00"),
        "Notifies the parties before an agreement ends, and reports on trials that ended",
    ),
    _job(
        "cost-cases",
        every(minutes=5),
        "Opens a case for the cost of each use of a shared device, and reminds the payer until it is settled",
    ),
    _job(
        "agreements-by-register",
        every(hours=1),
        "Records the audience of devices of imported lists as an agreement by the register",
    ),
    _job(
        "time-bank",
        daily("02:20"),
        "Expires points of the time bank, notifies people 90, 30 and 7 days before, and settles inheritances",
    ),
    _job("retrievals", every(minutes=5), "Asks whether fetched devices are back"),
    _job(
        "confirmations",
        every(hours=ASK_INTERVAL_HOURS),
        "Asks people nearby to confirm devices whose confidence is low",
    ),
    _job("expiry-reminders", every(hours=1), "Finds consumables that expire, once for each threshold"),
    _job(
        "check-reminders",
        every(hours=6),
        "Finds checks, services and returns that are due, once for each threshold",
    ),
    _job(
        "calendar-notices",
        every(hours=1),
        "Notifies administrators 90, 60 and 30 days before a holiday calendar ends",
    ),
    _job("reminder-messages", every(hours=1), "Sends due reminders, during the day"),
    _job(
        "service-records",
        every(minutes=10),
        "Records checks, drills, sessions and calls of volunteers as service",
    ),
    _job(
        "missed-service",
        daily("19:50"),
        "Records service of volunteers that was stored too late for the run every ten minutes",
    ),
    _job(
        "service-batches",
        every(hours=1),
        "Sends batches of service records to volunteer platforms",
        asks_others=True,
    ),
    _job("forget-sign-ins", every(hours=1), "Deletes expired sessions, sign-in codes and uploaded lists"),
    _job("forget-live-places", every(minutes=1), "Deletes expired locations of phones"),
    _job(
        "forget-places",
        every(hours=1),
        "Coarsens the locations of responders after a day, and deletes them after 90",
    ),
    _job(
        "forget-patients",
        daily("19:00"),
        "Deletes age and sex of patients after the retention period",
    ),
    _job(
        "forget-messages",
        daily("19:10"),
        "Deletes old messages of the outbox and of dispatch centres",
    ),
    _job(
        "forget-expired-codes",
        every(minutes=1),
        "Gives up messages that have expired unsent, and deletes the sign-in codes in them",
    ),
    _job(
        "audit-heads",
        every(hours=6),
        "Sends the head of the audit log to dispatch centres, so that removed entries are noticed",
    ),
    _job(
        "forget-links",
        every(hours=1),
        "Removes expired links from messages that could not be delivered; deletes short links after 90 days",
    ),
    _job("show-up", daily("19:30"), "Estimates the share of alerted people who come"),
    _job("paces", daily("19:40"), "Estimates the pace of each estate from its drills"),
    _job("forget-runs", daily("19:20"), "Deletes old runs of jobs"),
)
"""19:10 UTC is 03:10 in China, 02:00 UTC is 10:00."""


WATCHES: Final = (Poller("incidents", partial(_run, "incidents")),)
"""Alerts the next people for a patient as soon as a wave is over."""


def job_called(name: str) -> Job:
    """Return the job with that name. Raises InvalidInput for an unknown name."""
    for job in TIMETABLE:
        if job.name == name:
            return job
    raise InvalidInput(
        "There is no job '{name}'. Known jobs: {names}.",
        field="name",
        name=name,
        names=", ".join(job.name for job in TIMETABLE),
    )


# --- Running --------------------------------------------------------------------------------------------


def runs_in_this_process(settings: Settings) -> bool:
    """Return True if `aed serve` runs a worker too: as configured, by default only with SQLite."""
    if settings.run_jobs is not None:
        return settings.run_jobs
    return settings.database_url.startswith("sqlite")


@contextmanager
def working(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> Iterator[Worker]:
    """Run a worker during the block. Of all workers, only one is active."""
    # Imported here: a process that runs no jobs needs none of it. `aed.jobs` is imported before a database is
    # opened, since SpatiaLite offers its GEOS to libraries that are loaded after it, such as shapely.
    import aed.jobs  # noqa: F401 - before the database is opened
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
    if not runs_in_this_process(settings):
        yield
        return
    with working(settings, timetable):
        yield


def work_until_stopped(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> None:
    """Run a worker until SIGTERM or SIGINT, for `aed work`."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with working(settings, timetable):
        log.info("working", jobs=len(timetable))
        over.wait()
        log.info("stopping")
