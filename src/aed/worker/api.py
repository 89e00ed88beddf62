"""Routes of scheduled jobs and their runs, and metrics for monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

from apscheduler.triggers.base import BaseTrigger
from fastapi import APIRouter, Depends, Path, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.database.session import database_now
from aed.errors import NotFound
from aed.http.parameters import Cursor, Limit, next_cursor
from aed.notifications.queries import require_can_see_outbox
from aed.worker import queries
from aed.worker.metrics import metrics_text
from aed.worker.rules import next_due, schedule_words
from aed.worker.schemas import JobOut, JobsOut, RunOut, RunsPage, WorkerOut

router = APIRouter(tags=["jobs"])
monitoring = APIRouter(tags=["health"])


class ListedJob(Protocol):
    """A scheduled job, as far as the routes need it."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def when(self) -> BaseTrigger: ...


async def _timetable(request: Request) -> Sequence[ListedJob]:
    timetable: Sequence[ListedJob] = request.app.state.timetable
    return timetable


TimetableDep = Annotated[Sequence[ListedJob], Depends(_timetable)]
JobName = Annotated[str, Path(max_length=64, pattern="^[a-z0-9-]+$", examples=["feeds"])]


@router.get("/jobs")
def list_jobs(session: ReadSession, viewer: ViewerDep, timetable: TimetableDep) -> JobsOut:
    """List scheduled jobs: next due time, last run, and the active worker."""
    require_can_see_outbox(viewer)
    now, last, lease = database_now(session), queries.last_runs(session), queries.lease(session)
    worker = None
    if lease is not None:
        worker = WorkerOut(
            holder=lease.holder,
            taken_at=lease.taken_at,
            expires_at=lease.expires_at,
            is_alive=queries.is_held(lease, at=now),
        )
    return JobsOut(
        worker=worker,
        jobs=[
            JobOut(
                name=job.name,
                what=job.what,
                when=schedule_words(job.when),
                next_due_at=next_due(job.when, now),
                last=RunOut.of(last[job.name]) if job.name in last else None,
            )
            for job in timetable
        ],
    )


@router.get("/jobs/{job}/runs")
def list_job_runs(
    session: ReadSession,
    viewer: ViewerDep,
    timetable: TimetableDep,
    job: JobName,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> RunsPage:
    """List the runs of a job, newest first."""
    require_can_see_outbox(viewer)
    if job not in {each.name for each in timetable}:
        raise NotFound(f"There is no job '{job}'.", field="job")
    before = min(int(cursor), 2**63 - 1) if cursor else None
    found = queries.runs(session, job, limit=limit + 1, before_id=before)
    return RunsPage(runs=[RunOut.of(each) for each in found[:limit]], next=next_cursor(found, limit))


@monitoring.get("/metrics", response_class=Response)
def get_metrics(
    request: Request, session: ReadSession, viewer: ViewerDep, timetable: TimetableDep
) -> Response:
    """Get metrics in Prometheus's text format, with a network administrator's read-only token.

    Metrics of requests and of the process cover only the process that answers.
    """
    require_can_see_outbox(viewer)
    now = database_now(session)
    calendar_days: Mapping[str, int] = request.app.state.calendar_days(session, now)
    jobs = {job.name for job in timetable}
    text = metrics_text(session, viewer, jobs, calendar_days=calendar_days, at=now)
    return Response(text + request.app.state.request_metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
