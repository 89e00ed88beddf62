"""Jobs and pollers, and running one job: on schedule, by hand, or as a dry run."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from aed.database.session import Database, database_now, dry_run_database, transaction, with_wall_clock
from aed.errors import AedError, Conflict, DatabaseUnavailable
from aed.settings import Settings
from aed.worker.lease import holds_lease
from aed.worker.rules import Counts, LeaseLost, RunState
from aed.worker.runs import begin_run, end_run, hold_run

log = structlog.get_logger("aed")

type Now = Callable[[], datetime]
"""Returns the current time; long jobs call it again. With `--at` it is fixed."""

type Run = Callable[[Database, Settings, Now], Counts | None]
"""Does the work of a job or poller."""

MAX_ERROR_LENGTH: Final = 500


@dataclass(frozen=True, slots=True)
class Job:
    """A job that runs on a schedule.

    It may be interrupted and restarted at any moment, so it must be idempotent.
    """

    name: str
    when: BaseTrigger
    run: Run
    what: str
    """A one-line description."""
    asks_others: bool = False
    """It calls other servers, so it cannot run as a dry run or for another moment."""


@dataclass(frozen=True, slots=True)
class Poller:
    """A task that runs every second while the worker holds its lease; its runs are not recorded.

    Like a job, it may be interrupted at any moment.
    """

    name: str
    run: Run


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def new_token() -> str:
    return uuid4().hex


def fenced(database: Database, token: str) -> Database:
    """Return the database with commits refused (LeaseLost) once another worker holds the lease."""
    writing = sessionmaker(database.engine, expire_on_commit=False, info=database.write_sessions.kw["info"])

    def look(session: Session) -> None:
        if not holds_lease(session, token):
            raise LeaseLost("Another worker has taken over. This run was rolled back.")

    event.listen(writing, "before_commit", look)
    return replace(database, write_sessions=writing)


@dataclass(frozen=True, slots=True)
class RunResult:
    result: RunState
    error: str | None = None
    counts: Counts | None = None


def run_job(job: Job, database: Database, settings: Settings, now: Now) -> RunResult:
    """Run a job. Errors are logged and returned in the result, never raised."""
    try:
        return RunResult(RunState.DONE, counts=job.run(database, settings, now))
    except AedError as error:
        log.warning("job failed", job=job.name, reason=error.detail)
        return RunResult(RunState.FAILED, error=error.detail[:MAX_ERROR_LENGTH])
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()
        log.warning("job failed", job=job.name, reason=reason[0] if reason else type(error).__name__)
        return RunResult(
            RunState.FAILED, error=f"The database rejected the operation ({type(error.orig).__name__})."
        )
    except Exception as error:  # an error in one job must not stop others; it is logged and recorded
        log.error("job failed", job=job.name, exc_info=error)
        return RunResult(RunState.FAILED, error=f"Internal error: {type(error).__name__}. See the log.")


# --- By hand --------------------------------------------------------------------------------------------

HELD_FOR: Final = timedelta(seconds=20)


def run_by_hand(
    job: Job, database: Database, settings: Settings, *, at: datetime | None, who: str
) -> tuple[RunResult, float]:
    """Run a job by hand; return the result and its duration in seconds. `at`: as if it were that moment.

    The schedule is unaffected. Messages enqueued for a simulated later day are due at once: otherwise they
    would block the messages behind them. Raises Conflict while the job is running elsewhere.
    """
    token = new_token()
    with transaction(database) as session:
        started_at = database_now(session)
        run_id = begin_run(
            session,
            job.name,
            due_at=at or started_at,
            token=token,
            worker=who,
            at=started_at,
            lasts=HELD_FOR,
            is_by_hand=True,
        )
    if run_id is None:
        raise Conflict("The job '{name}' is running. Try again when it has finished.", name=job.name)
    with _renewed_hold(database, run_id, token):
        if at is None:
            ended = run_job(job, database, settings, _now_of(database))
        else:
            ended = run_job(job, with_wall_clock(database, started_at), settings, lambda: at)
    with transaction(database) as session:
        ended_at = database_now(session)
        end_run(
            session,
            run_id,
            token=token,
            result=ended.result,
            error=ended.error,
            counts=ended.counts,
            at=ended_at,
        )
    return ended, (ended_at - started_at).total_seconds()


def dry_run_job(job: Job, database: Database, settings: Settings, *, at: datetime) -> RunResult:
    """Run a job as of `at` and roll everything back; no run is recorded.

    Raises Conflict for a job that calls other servers.
    """
    if job.asks_others:
        raise Conflict(
            "The job '{name}' sends requests to other servers, so a dry run is not "
            "possible. Run it without --at.",
            name=job.name,
        )
    here_alone = settings.model_copy(update={"live_places_url": ""})  # a Redis cluster cannot be rolled back
    with dry_run_database(database) as tried:
        return run_job(job, tried, here_alone, lambda: at)


def _now_of(database: Database) -> Now:
    def now() -> datetime:
        with database.read_sessions() as session:
            return database_now(session)

    return now


@contextmanager
def _renewed_hold(database: Database, run_id: int, token: str) -> Iterator[None]:
    """Renew the hold on a run, so that it does not count as interrupted."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(HELD_FOR.total_seconds() / 4):
            try:
                with transaction(database) as session:
                    hold_run(session, run_id, token=token, at=database_now(session), lasts=HELD_FOR)
            except DatabaseUnavailable as error:
                log.warning("run hold not renewed", reason=error.detail)

    keeper = threading.Thread(target=keep, name="aed-held", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
