"""Routes of scheduled jobs and their runs, and metrics in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Protocol, Self

from apscheduler.triggers.base import BaseTrigger
from fastapi import APIRouter, Depends, Path, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession
from aed.database.session import database_now
from aed.errors import NotFound
from aed.http.parameters import Cursor, Limit, next_cursor
from aed.notifications.queries import outbox_backlogs, require_can_see_outbox
from aed.settings import Settings
from aed.worker import queries
from aed.worker.models import JobRun
from aed.worker.rules import GaugeValue, RunState, next_due, schedule_words


class RunOut(BaseModel):
    """One run of a job."""

    id: int
    due_at: datetime = Field(description="The time for which the run was due")
    is_by_hand: bool
    worker: str
    tries: int
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    result: RunState
    error: str | None
    counts: dict[str, int] | None

    @classmethod
    def of(cls, run: JobRun) -> Self:
        return cls(
            id=run.id,
            due_at=run.due_at,
            is_by_hand=run.is_by_hand,
            worker=run.worker,
            tries=run.tries,
            started_at=run.started_at,
            ended_at=run.ended_at,
            seconds=run.seconds,
            result=run.result,
            error=run.error,
            counts=run.counts,
        )


class JobOut(BaseModel):
    """A scheduled job and its last run."""

    name: str
    what: str
    when: str
    next_due_at: datetime | None
    last: RunOut | None


class WorkerOut(BaseModel):
    """The active worker."""

    holder: str
    taken_at: datetime
    expires_at: datetime
    is_alive: bool


class JobsOut(BaseModel):
    worker: WorkerOut | None
    jobs: list[JobOut]


class RunsPage(BaseModel):
    runs: list[RunOut]
    next: str | None = Field(None, description="The cursor of the next page")


def metrics_text(
    session: Session,
    viewer: Viewer,
    jobs: Collection[str],
    *,
    calendar_days: Mapping[str, int],
    more: Sequence[GaugeValue] = (),
    at: datetime,
) -> str:
    """Return the metrics that are read from the database. Raises NotSignedIn, NotAllowed.

    visibility: only for a network administrator; counts and times.
    """
    channels = outbox_backlogs(session, viewer)
    gauges = _Gauges()

    alive = gauges.new("aed_worker_alive", "Whether a worker holds the lease")
    alive.add_metric([], queries.is_held(queries.lease(session), at=at))

    runs = gauges.new("aed_job_runs", "Stored runs, by result", "job", "result")
    for job, result, count in queries.count_runs(session):
        runs.add_metric([job, result], count)

    last_end = gauges.new("aed_job_last_end_timestamp_seconds", "When the last run ended", "job")
    last_seconds = gauges.new("aed_job_last_seconds", "How long the last run took", "job")
    last_done = gauges.new("aed_job_last_done", "Whether the last run succeeded", "job")
    for job, run in queries.last_runs(session).items():
        if run.ended_at is not None and job in jobs:
            last_end.add_metric([job], run.ended_at.timestamp())
            last_seconds.add_metric([job], run.seconds or 0.0)
            last_done.add_metric([job], run.result == "done")

    waiting = gauges.new("aed_outbox_waiting", "Messages waiting to be sent", "channel")
    dead = gauges.new("aed_outbox_dead", "Messages that failed for good", "channel")
    overdue = gauges.new("aed_outbox_overdue_seconds", "Age of the oldest message that is due", "channel")
    last_sent = gauges.new(
        "aed_outbox_last_sent_timestamp_seconds", "When a message was last sent", "channel"
    )
    for each in channels:
        waiting.add_metric([each.channel], each.waiting)
        dead.add_metric([each.channel], each.dead)
        since = at if each.oldest_due_at is None else min(each.oldest_due_at, at)
        overdue.add_metric([each.channel], (at - since).total_seconds())
        if each.last_sent_at is not None:
            last_sent.add_metric([each.channel], each.last_sent_at.timestamp())

    days_left = gauges.new(
        "aed_holiday_calendar_days_left",
        "Days until a holiday calendar in use ends; negative once it has ended",
        "calendar",
    )
    for calendar, days in calendar_days.items():
        days_left.add_metric([calendar], days)
    families: dict[str, GaugeMetricFamily] = {}
    for value in more:
        if value.name not in families:
            families[value.name] = gauges.new(value.name, value.documentation, *value.labels)
        families[value.name].add_metric([*value.labels.values()], value.value)
    registry = CollectorRegistry()
    registry.register(gauges)
    return generate_latest(registry).decode()


class _Gauges(Collector):
    """Gauges of one answer. (The library's Gauge would outlive it if processes count together.)"""

    def __init__(self) -> None:
        self._families: list[GaugeMetricFamily] = []

    def new(self, name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, documentation, labels=labels)
        self._families.append(family)
        return family

    def collect(self) -> list[GaugeMetricFamily]:
        return self._families


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
        raise NotFound("There is no job '{job}'.", field="job", job=job)
    before = min(int(cursor), 2**63 - 1) if cursor else None
    found = queries.runs(session, job, limit=limit + 1, before_id=before)
    return RunsPage(runs=[RunOut.of(each) for each in found[:limit]], next=next_cursor(found, limit))


@monitoring.get("/metrics", response_class=Response)
def get_metrics(
    request: Request, session: ReadSession, viewer: ViewerDep, timetable: TimetableDep
) -> Response:
    """Get metrics in Prometheus's text format, with a network administrator's read-only token.

    Metrics of requests cover all processes of the server that answers.
    """
    require_can_see_outbox(viewer)
    now = database_now(session)
    calendar_days: Mapping[str, int] = request.app.state.calendar_days(session, now)
    jobs = {job.name for job in timetable}
    settings: Settings = request.app.state.settings
    more: Sequence[GaugeValue] = request.app.state.more_gauges(session, settings.mqtt, at=now)
    text = metrics_text(session, viewer, jobs, calendar_days=calendar_days, more=more, at=now)
    return Response(text + request.app.state.request_metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
