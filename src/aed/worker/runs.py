"""Record runs of jobs: each due time once, and one run of a job at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, CursorResult, Update, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.worker.models import JobRun
from aed.worker.rules import Counts, RunState, again_at

UNSYNCHRONIZED = {"synchronize_session": False}


def begin_run(
    session: Session,
    job: str,
    *,
    due_at: datetime,
    token: str,
    worker: str,
    at: datetime,
    lasts: timedelta,
    is_by_hand: bool = False,
) -> int | None:
    """Begin a run for this token and return its id; None if it already ran or is running.

    1. A run whose hold has expired was interrupted.
    2. While a run is going on, no other begins.
    3. A due time that succeeded is not run again; one that failed or was interrupted is retried a few times.
    4. Unique constraints decide between two workers at the same moment.

    This is committed before the job runs. visibility: for the worker.
    """
    end_interrupted_runs(session, job, at=at)
    if session.scalar(select(JobRun.id).where(JobRun.job == job, JobRun.ended_at.is_(None)).limit(1)):
        return None
    found = None
    if not is_by_hand:
        found = session.scalar(
            select(JobRun).where(JobRun.job == job, JobRun.due_at == due_at, ~JobRun.is_by_hand)
        )
    if found is not None:
        again = again_at(found.result, found.tries, found.ended_at)
        if again is None or again > at:
            return None
    run = found or JobRun(job=job, due_at=due_at, is_by_hand=is_by_hand, tries=0)
    run.worker, run.token, run.tries = worker, token, run.tries + 1
    run.started_at, run.held_until = at, at + lasts
    run.result, run.ended_at, run.error, run.counts = RunState.RUNNING, None, None, None
    try:
        with session.begin_nested():
            session.add(run)
            session.flush()
    except IntegrityError:
        return None
    return run.id


def end_run(
    session: Session,
    run_id: int,
    *,
    token: str,
    result: RunState,
    error: str | None,
    counts: Counts | None,
    at: datetime,
) -> bool:
    """Record how the run ended; return False if it no longer belongs to this token."""
    values = {"result": result, "error": error, "counts": dict(counts) if counts else None, "ended_at": at}
    return _is_updated(session, update(JobRun).where(*_mine(run_id, token)).values(values))


def hold_run(session: Session, run_id: int, *, token: str, at: datetime, lasts: timedelta) -> bool:
    """Extend the hold on a run; return False if it no longer belongs to this token."""
    return _is_updated(session, update(JobRun).where(*_mine(run_id, token)).values(held_until=at + lasts))


def _mine(run_id: int, token: str) -> tuple[ColumnElement[bool], ...]:
    return (JobRun.id == run_id, JobRun.token == token, JobRun.ended_at.is_(None))


def end_interrupted_runs(session: Session, job: str, *, at: datetime) -> None:
    session.execute(
        update(JobRun)
        .where(JobRun.job == job, JobRun.ended_at.is_(None), JobRun.held_until <= at)
        .values(result=RunState.CUT_OFF, ended_at=at, error="Its worker stopped before the run ended."),
        execution_options=UNSYNCHRONIZED,
    )


def end_runs_of(session: Session, token: str, *, at: datetime) -> None:
    """Mark the runs of a worker that has ended as interrupted, so that they are retried at once."""
    session.execute(
        update(JobRun)
        .where(JobRun.token == token, JobRun.ended_at.is_(None))
        .values(result=RunState.CUT_OFF, ended_at=at, error="Its worker stopped before the run ended."),
        execution_options=UNSYNCHRONIZED,
    )


def delete_runs(session: Session, *, before: datetime) -> int:
    """Delete older runs except the last of each job; return how many.

    visibility: for the worker.
    """
    last = select(func.max(JobRun.id)).group_by(JobRun.job)
    done = session.execute(
        delete(JobRun).where(JobRun.ended_at <= before, JobRun.id.not_in(last)),
        execution_options=UNSYNCHRONIZED,
    )
    assert isinstance(done, CursorResult)
    return int(done.rowcount)


def _is_updated(session: Session, statement: Update) -> bool:
    done = session.execute(statement, execution_options=UNSYNCHRONIZED)
    assert isinstance(done, CursorResult)
    return int(done.rowcount) == 1
