"""Metrics of the worker, the outbox and the holiday calendars in Prometheus's text format 0.0.4."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.notifications.queries import outbox_backlogs
from aed.worker import queries


def metrics_text(
    session: Session,
    viewer: Viewer,
    jobs: Collection[str],
    *,
    calendar_days: Mapping[str, int],
    at: datetime,
) -> str:
    """Return the metrics that are read from the database. Raises NotSignedIn, NotAllowed.

    visibility: only for a network administrator; counts and times.
    """
    channels = outbox_backlogs(session, viewer)
    registry = CollectorRegistry()

    def gauge(name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=registry)

    alive = gauge("aed_worker_alive", "Whether a worker holds the lease")
    alive.set(queries.is_held(queries.lease(session), at=at))

    runs = gauge("aed_job_runs", "Runs that are kept, by how they ended", "job", "result")
    for job, result, count in queries.count_runs(session):
        runs.labels(job, result).set(count)

    last_end = gauge("aed_job_last_end_timestamp_seconds", "When the last run ended", "job")
    last_seconds = gauge("aed_job_last_seconds", "How long the last run took", "job")
    last_done = gauge("aed_job_last_done", "Whether the last run succeeded", "job")
    for job, run in queries.last_runs(session).items():
        if run.ended_at is not None and job in jobs:
            last_end.labels(job).set(run.ended_at.timestamp())
            last_seconds.labels(job).set(run.seconds or 0.0)
            last_done.labels(job).set(run.result == "done")

    waiting = gauge("aed_outbox_waiting", "Messages that wait to be sent", "channel")
    dead = gauge("aed_outbox_dead", "Messages that were given up", "channel")
    overdue = gauge(
        "aed_outbox_overdue_seconds", "How long the oldest message that is due has been waiting", "channel"
    )
    last_sent = gauge("aed_outbox_last_sent_timestamp_seconds", "When a message was sent last", "channel")
    for each in channels:
        waiting.labels(each.channel).set(each.waiting)
        dead.labels(each.channel).set(each.dead)
        since = at if each.oldest_due_at is None else min(each.oldest_due_at, at)
        overdue.labels(each.channel).set((at - since).total_seconds())
        if each.last_sent_at is not None:
            last_sent.labels(each.channel).set(each.last_sent_at.timestamp())

    days_left = gauge(
        "aed_holiday_calendar_days_left",
        "Days until a holiday calendar in use ends; below 0 once it has",
        "calendar",
    )
    for calendar, days in calendar_days.items():
        days_left.labels(calendar).set(days)
    return generate_latest(registry).decode()
