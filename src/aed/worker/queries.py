"""Reading runs of jobs and who acts. For network administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.worker.models import JobRun, Lease
from aed.worker.rules import WORKER, RunState


def last_runs(session: Session) -> Mapping[str, JobRun]:
    """The newest run of each job.

    visibility: the caller has made sure that it is an administrator who asks, or the worker.
    """
    newest = select(func.max(JobRun.id)).group_by(JobRun.job)
    return {run.job: run for run in session.scalars(select(JobRun).where(JobRun.id.in_(newest)))}


def completed_due_times(session: Session, job: str) -> JobRun | None:
    """The run of the job's latest due moment, those by hand not counted.

    visibility: for the worker.
    """
    return session.scalar(
        select(JobRun).where(JobRun.job == job, ~JobRun.is_by_hand).order_by(JobRun.due_at.desc()).limit(1)
    )


def runs(session: Session, job: str, *, limit: int, before_id: int | None = None) -> Sequence[JobRun]:
    """A page of a job's runs, the newest first.

    visibility: the caller has made sure that it is an administrator who asks.
    """
    asked = select(JobRun).where(JobRun.job == job)
    if before_id is not None:
        asked = asked.where(JobRun.id < before_id)
    return session.scalars(asked.order_by(JobRun.id.desc()).limit(limit)).all()


def count_runs(session: Session) -> Sequence[tuple[str, RunState, int]]:
    """How many runs of each job ended how, of those that are kept.

    visibility: the caller has made sure that it is an administrator who asks.
    """
    found = session.execute(
        select(JobRun.job, JobRun.result, func.count()).group_by(JobRun.job, JobRun.result)
    )
    return [(row[0], row[1], row[2]) for row in found]


def lease(session: Session) -> Lease | None:
    """visibility: the caller has made sure that it is an administrator who asks."""
    return session.get(Lease, WORKER)


def is_held(found: Lease | None, *, at: datetime) -> bool:
    return found is not None and found.expires_at > at
