"""Read runs of jobs and the worker's lease. For network administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.worker.models import JobRun, Lease
from aed.worker.rules import WORKER, RunState


def last_runs(session: Session) -> Mapping[str, JobRun]:
    """Return the newest run of each job.

    visibility: the caller has checked that the viewer is an administrator, or is the worker.
    """
    newest = select(func.max(JobRun.id)).group_by(JobRun.job)
    return {run.job: run for run in session.scalars(select(JobRun).where(JobRun.id.in_(newest)))}


def completed_due_times(session: Session, job: str) -> JobRun | None:
    """Return the run of a job's latest due time, without runs by hand.

    visibility: for the worker.
    """
    return session.scalar(
        select(JobRun).where(JobRun.job == job, ~JobRun.is_by_hand).order_by(JobRun.due_at.desc()).limit(1)
    )


def runs(session: Session, job: str, *, limit: int, before_id: int | None = None) -> Sequence[JobRun]:
    """Return a page of a job's runs, newest first.

    visibility: the caller has checked that the viewer is an administrator.
    """
    asked = select(JobRun).where(JobRun.job == job)
    if before_id is not None:
        asked = asked.where(JobRun.id < before_id)
    return session.scalars(asked.order_by(JobRun.id.desc()).limit(limit)).all()


def count_runs(session: Session) -> Sequence[tuple[str, RunState, int]]:
    """Count the stored runs of each job by result.

    visibility: the caller has checked that the viewer is an administrator.
    """
    found = session.execute(
        select(JobRun.job, JobRun.result, func.count()).group_by(JobRun.job, JobRun.result)
    )
    return [(row[0], row[1], row[2]) for row in found]


def lease(session: Session) -> Lease | None:
    """Return the worker's lease; None if no worker has run yet.

    visibility: the caller has checked that the viewer is an administrator.
    """
    return session.get(Lease, WORKER)


def is_held(found: Lease | None, *, at: datetime) -> bool:
    return found is not None and found.expires_at > at
