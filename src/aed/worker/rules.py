"""When jobs are due, and when a failed run is retried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from aed.errors import AedError

WORKER: Final = "worker"
"""The name of the lease."""
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
MAX_PERIOD: Final = timedelta(days=366)
MAX_TRIES: Final = 5
"""Attempts for one due time; after these, the job waits for its next due time."""
FIRST_WAIT: Final = timedelta(seconds=30)
PATIENT_MS: Final = 600_000
"""Statement timeout of jobs, which may take longer than requests."""

type Counts = Mapping[str, int]
"""What a run did, as {name: number}."""


class LeaseLost(AedError):
    """Another worker holds the lease now, so the transaction is rolled back."""

    status = 503
    code = "lease-lost"
    title = "Another worker has taken over"
    retry_after_seconds = 5


class GaugeValue(NamedTuple):
    """A value for `/metrics` of a feature of its own."""

    name: str
    documentation: str
    labels: Mapping[str, str]
    value: float


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CUT_OFF = "cut_off"
    """The worker stopped before the run ended."""


def every(**period: float) -> BaseTrigger:
    """Return a trigger at fixed intervals since the epoch: `every(minutes=5)` is at :00, :05, and so on."""
    return IntervalTrigger(seconds=timedelta(**period).total_seconds(), start_date=EPOCH, timezone=UTC)


def daily(at: str, *, zone: str = "UTC") -> BaseTrigger:
    """Return a daily trigger at a local time: `daily("02:30", zone="Asia/Shanghai")`."""
    hour, _, minute = at.partition(":")
    return CronTrigger(hour=int(hour), minute=int(minute), timezone=zone)


def last_due(trigger: BaseTrigger, now: datetime) -> datetime | None:
    """Return the latest due time up to `now`; earlier missed ones are skipped."""
    if isinstance(trigger, IntervalTrigger):
        period: timedelta = trigger.interval
        return EPOCH + (now - EPOCH) // period * period
    for back in (timedelta(minutes=2), timedelta(days=2), timedelta(days=32), MAX_PERIOD):
        latest: datetime | None = None
        moment = next_due(trigger, now - back)
        while moment is not None and moment <= now:
            latest, moment = moment, next_due(trigger, moment)
        if latest is not None:
            return latest
    return None


def next_due(trigger: BaseTrigger, now: datetime) -> datetime | None:
    """Return the first due time after `now`.

    Within the repeated hour of autumn, and just after the skipped hour of spring, APScheduler (3.11) repeats
    or skips a due time. So it is asked from an earlier time, minute by minute.
    """
    if not isinstance(trigger, CronTrigger):
        return _next_time(trigger, now + timedelta(microseconds=1))
    start = now - timedelta(hours=3)
    while (moment := _next_time(trigger, start)) is not None and moment <= now:
        start = max(start, moment) + timedelta(minutes=1)
    return moment


def _next_time(trigger: BaseTrigger, start: datetime) -> datetime | None:
    moment: datetime | None = trigger.get_next_fire_time(None, start)
    return moment.astimezone(UTC) if moment is not None else None


def again_at(result: RunState, tries: int, ended_at: datetime | None) -> datetime | None:
    """Return when the same due time is retried; None if it is not."""
    if tries >= MAX_TRIES or result in (RunState.DONE, RunState.RUNNING) or ended_at is None:
        return None
    return ended_at if result is RunState.CUT_OFF else ended_at + FIRST_WAIT * 2 ** (tries - 1)


def schedule_words(trigger: BaseTrigger) -> str:
    """Return the schedule in words, such as `every 5 min` or `daily at 19:10 UTC`."""
    if isinstance(trigger, IntervalTrigger):
        seconds = int(trigger.interval.total_seconds())
        for unit, length in (("h", 3600), ("min", 60)):
            if seconds % length == 0:
                return f"every {seconds // length} {unit}"
        return f"every {seconds} s"
    if isinstance(trigger, CronTrigger):
        given = {field.name: str(field) for field in trigger.fields if not field.is_default}
        if set(given) == {"hour", "minute"} and all(part.isdecimal() for part in given.values()):
            return f"daily at {int(given['hour']):02}:{int(given['minute']):02} {trigger.timezone}"
    return str(trigger)
