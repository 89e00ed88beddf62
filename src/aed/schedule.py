"""The timetable: every job, and how often. Times are UTC."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from aed import clock
from aed.accounts.actions.sign_in import forget_what_is_over
from aed.db import Database, open_database, transaction
from aed.errors import AedError
from aed.interchange.actions.asking import Asking
from aed.interchange.actions.fetching import Fetching
from aed.interchange.actions.thresholds import thresholds_in
from aed.interchange.jobs import run_feeds, verify_certificates
from aed.interchange.rules.targets import why_refused
from aed.notifications.channels import spool
from aed.notifications.jobs import send_waiting
from aed.settings import Settings
from aed.training.jobs import end_offers
from aed.verification.jobs import look_for_duplicates

log = structlog.get_logger("aed")

PATIENT_MS: Final = 600_000
"""What a job does may take longer than what somebody waits for."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again. A run that is still going on is not started a second time."""

    name: str
    every: timedelta
    run: Callable[[Database, Settings], object]


def _feeds(database: Database, settings: Settings) -> None:
    for run in run_feeds(database, clock.now, by=fetching(settings), thresholds=thresholds_in(settings)):
        log.info("feed", name=run.name, result=str(run.result), said=run.said)


def _outbox(database: Database, settings: Settings) -> None:
    folder = settings.outbox_spool
    sent, not_sent = send_waiting(
        database, clock.now, deliver=lambda letter, at: spool.deliver(letter, folder, at=at)
    )
    if sent or not_sent:
        log.info("outbox", sent=sent, not_sent=not_sent)


def _forget(database: Database, _settings: Settings) -> None:
    with transaction(database) as session:
        forget_what_is_over(session, at=clock.now())


def _offers(database: Database, _settings: Settings) -> None:
    if ended := end_offers(database, clock.now()):
        log.info("offers", ended=ended)


def _issuers(database: Database, settings: Settings) -> None:
    for run in verify_certificates(database, clock.now, by=asking(settings)):
        log.info(
            "issuer asked",
            code=run.code,
            answered=run.answered,
            unanswered=run.unanswered,
            left_alone=run.is_left_alone,
        )


def _duplicates(database: Database, _settings: Settings) -> None:
    with transaction(database) as session:
        if found := look_for_duplicates(session, now=clock.now()):
            log.info("duplicates", found=found)


TIMETABLE: Final = (
    Job("feeds", every=timedelta(minutes=1), run=_feeds),
    Job("outbox", every=timedelta(seconds=2), run=_outbox),
    Job("forget sign-ins", every=timedelta(hours=1), run=_forget),
    Job("offers", every=timedelta(minutes=1), run=_offers),
    Job("issuers", every=timedelta(minutes=5), run=_issuers),
    Job("duplicates", every=timedelta(hours=6), run=_duplicates),
)


def fetching(settings: Settings) -> Fetching:
    """The limits of fetching, as they are set."""
    return Fetching(
        most_bytes=settings.feed_limit_bytes,
        most_seconds=settings.feed_seconds,
        why_refused=partial(why_refused, is_private_allowed=settings.feed_allow_private),
    )


def asking(settings: Settings) -> Asking:
    """How issuers are asked, as it is set."""
    limits = Fetching(
        most_bytes=settings.feed_limit_bytes,
        most_seconds=settings.issuer_seconds,
        why_refused=partial(why_refused, is_private_allowed=settings.feed_allow_private),
    )
    return Asking(limits, settings.issuer_access)


def is_run_here(settings: Settings) -> bool:
    """Whether `aed serve` runs the timetable: as it is set, else where one machine is all there is."""
    if settings.run_jobs is not None:
        return settings.run_jobs
    return settings.database_url.startswith("sqlite")


@contextmanager
def running(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> Iterator[None]:
    """The jobs run beside what is done within, on threads and connections of their own.

    It may run in several processes: each job sees to it that nothing is done twice. At the end a run that is
    going on is not waited for here, but Python does so before it exits; one that is killed leaves nothing
    half done.
    """
    if not is_run_here(settings):
        yield
        return
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells of each run, each minute
    patient = {"lock_timeout_ms": PATIENT_MS, "statement_timeout_ms": PATIENT_MS, "threads": len(timetable)}
    database = open_database(settings.model_copy(update=patient))
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(len(timetable))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in timetable:
        scheduler.add_job(
            _run, IntervalTrigger(seconds=job.every.total_seconds()), [job, database, settings], name=job.name
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        database.close()


def _run(job: Job, database: Database, settings: Settings) -> None:
    """An expected failure is a line in the log; the next run comes in its time."""
    try:
        job.run(database, settings)
    except AedError as error:
        log.warning("job failed", name=job.name, why=error.detail)
