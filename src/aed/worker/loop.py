"""The worker: renews its lease, runs due jobs, and sends the outbox. Only one worker is active at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from aed.database.failover import FailoverWatch
from aed.database.session import open_database, read_session, transaction
from aed.deadlines import answer_within
from aed.errors import AedError
from aed.notifications import claims
from aed.notifications.channels import Deliver
from aed.notifications.jobs import DATABASE_SECONDS, Outages, Sent, send_channel
from aed.notifications.rules import Channel
from aed.settings import Settings
from aed.worker import queries
from aed.worker.jobs import Job, Poller, RunResult, fenced, new_token, run_job, worker_name
from aed.worker.lease import release_lease, take_lease
from aed.worker.rules import PATIENT_MS, again_at, last_due
from aed.worker.runs import begin_run, end_run, end_runs_of, hold_run

log = structlog.get_logger("aed")

POLL_SECONDS: Final = 1.0
"""How often due jobs are looked for, in memory."""
DELIVERY_POLL_SECONDS: Final = 0.5
STOP_SECONDS: Final = 20.0
MIN_RENEWAL_SECONDS: Final = 2.5
"""Opening a connection takes psycopg up to 2 s."""
POLLER_SECONDS: Final = 20.0
"""The deadline of a poller: after it, the next run takes a new connection to a database that was silent."""
KEPT_CONNECTIONS: Final = 3
"""Pooled connections kept between jobs, which start together and then wait. SpatiaLite's take 2 to 10 MB
each.
"""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # continues while the machine sleeps


def _seconds() -> float:
    return time.clock_gettime(_CLOCK)


class Worker:
    """Run scheduled jobs and deliver the outbox while holding the lease.

    1. The lease is taken and renewed by the database's clock, and the current time is read there too, so that
       the clock of this machine does not matter.
    2. If the database does not answer for the duration of the lease, the worker assumes that it was replaced,
       and starts nothing. Jobs still running cannot commit once another worker has the lease.
    3. Each step at the database has a deadline of its own, so that a server that is frozen or cut off holds
       up neither the lease nor the messages; a job alone may wait for its statement.
    4. A worker that takes over the lease releases the claims and runs of the previous holder.
    """

    def __init__(
        self,
        settings: Settings,
        timetable: Sequence[Job],
        channels: Mapping[Channel, Deliver],
        watches: Sequence[Poller] = (),
    ) -> None:
        patient = {
            "lock_timeout_ms": PATIENT_MS,
            "statement_timeout_ms": PATIENT_MS,
            "threads": min(64, len(timetable) + len(channels) + len(watches) + 2),
        }
        self._settings, self._timetable, self._channels = settings, timetable, channels
        self._watches = watches
        self._failover = FailoverWatch(settings)
        self._database = open_database(
            settings.model_copy(update=patient), kept=KEPT_CONNECTIONS, prepare=self._failover.guard
        )
        self._keeping = open_database(
            settings.model_copy(update={"threads": 2}), prepare=self._failover.guard
        )
        self._lasts = timedelta(seconds=settings.worker_lease_seconds)
        self._name, self._token = worker_name(), new_token()
        self._held_until = float("-inf")
        self._clock: tuple[datetime, float] = (datetime.min.replace(tzinfo=UTC), 0.0)
        self._outages = Outages()
        self._interrupted: set[Channel] = set()
        """Channels on which sending ended with an error."""
        self._lock = threading.Lock()
        self._going_on: dict[str, str] = {}
        """Jobs that are running, by name, with their tokens."""
        self._runs: dict[int, str] = {}
        self._settled: dict[str, datetime] = {}
        """Due times that need no further run."""
        self._stopping, self._stop_at = threading.Event(), float("inf")
        self._keeper = threading.Thread(target=self._keep_lease, name="aed-lease", daemon=True)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                "default": ThreadPoolExecutor(2),
                "jobs": ThreadPoolExecutor(max(1, len(timetable) + len(watches))),
                "channels": ThreadPoolExecutor(max(1, len(channels))),
            },
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it logs every poll
        self._failover.start()
        self._keeper.start()
        for look, seconds in (
            (self._start_due_jobs, POLL_SECONDS),
            (self._look_at_the_outbox, DELIVERY_POLL_SECONDS),
        ):
            self._scheduler.add_job(look, IntervalTrigger(seconds=seconds), name=look.__name__)
        self._scheduler.start()

    def stop(self) -> None:
        """Stop: start nothing new, wait a while for running jobs, then release the lease."""
        self._stop_at = _seconds() + STOP_SECONDS
        self._stopping.set()
        self._scheduler.shutdown(wait=False)
        while self._going_on and _seconds() < self._stop_at:
            time.sleep(0.05)  # running jobs do not signal their end; this loses at most 0.05 s
        self._keeper.join()
        if not self._going_on:
            try:
                with transaction(self._keeping) as session:
                    release_lease(session, token=self._token)
            except AedError as error:
                log.warning("lease not released", reason=error.detail)
            self._database.close()
        self._keeping.close()
        self._failover.close()

    @property
    def acts(self) -> bool:
        """True while the lease is held."""
        return _seconds() < self._held_until and not self._stopping.is_set()

    def now(self) -> datetime:
        """The time by the database's clock, as last read."""
        read, at = self._clock
        return read + timedelta(seconds=_seconds() - at)

    # --- Lease -------------------------------------------------------------------------------------------

    def _keep_lease(self) -> None:
        pause = self._lasts.total_seconds() / 4
        while True:
            try:
                self._renew()
            except AedError as error:
                log.warning("lease not renewed", reason=error.detail)
            except Exception as error:  # a thread that ended would lose the lease for good: log and retry
                log.error("lease not renewed", exc_info=error)
            if self._stopping.wait(pause):
                if not self._going_on or _seconds() > self._stop_at:
                    return
                time.sleep(0.5)  # running jobs still need the lease

    def _renew(self) -> None:
        asked = _seconds()
        deadline = answer_within(max(MIN_RENEWAL_SECONDS, self._lasts.total_seconds() / 3))
        with deadline, transaction(self._keeping) as session:
            taken = take_lease(session, token=self._token, holder=self._name, lasts=self._lasts)
            if taken is None:
                lost = self._held_until > float("-inf")
                self._held_until = float("-inf")
                self._token = new_token()  # jobs started under the old token can no longer commit
                if lost:
                    log.warning("lease lost", worker=self._name)
                return
            if taken.before is not None:
                end_runs_of(session, taken.before, at=taken.at)
                claims.release_claims_of(session, taken.before)
            for run_id, token in list(self._runs.items()):
                hold_run(session, run_id, token=token, at=taken.at, lasts=self._lasts)
        is_new = self._held_until == float("-inf")
        if is_new:
            with self._lock:
                self._settled.clear()
        self._clock = (taken.at, _seconds())
        self._held_until = asked + self._lasts.total_seconds()
        if is_new:
            log.info("lease taken", worker=self._name)

    # --- Jobs --------------------------------------------------------------------------------------------

    def _start_due_jobs(self) -> None:
        """Start every job whose latest due time has not run yet; a missed job runs once."""
        if not self.acts:
            return
        now, token = self.now(), self._token
        for job in self._timetable:
            due = last_due(job.when, now)
            if due is None or self._settled.get(job.name) == due:
                continue
            self._start(job.name, token, "jobs", partial(self._run, job, due, token))
        for watch in self._watches:
            self._start(f"watch {watch.name}", token, "jobs", partial(self._poll, watch, token))

    def _poll(self, watch: Poller, token: str) -> None:
        with answer_within(POLLER_SECONDS):
            watch.run(fenced(self._database, token), self._settings, self.now)

    def _run(self, job: Job, due: datetime, token: str) -> None:
        with answer_within(DATABASE_SECONDS), read_session(self._database) as session:
            last = queries.completed_due_times(session, job.name)
        now = self.now()
        if last is not None and last.ended_at is not None and last.due_at >= due:
            again = again_at(last.result, last.tries, last.ended_at)
            if last.due_at > due or again is None:
                self._settled[job.name] = due
                return
            if again > now:
                return
        database = fenced(self._database, token)
        with answer_within(DATABASE_SECONDS), transaction(database) as session:
            run_id = begin_run(
                session,
                job.name,
                due_at=due,
                token=token,
                worker=self._name,
                at=now,
                lasts=self._lasts,
            )
        if run_id is None:
            return
        self._runs[run_id] = token
        try:
            ended = run_job(job, database, self._settings, self.now)
            self._record(run_id, token, ended)
        finally:
            self._runs.pop(run_id, None)

    def _record(self, run_id: int, token: str, ended: RunResult) -> None:
        """Record the result of a run; wait for a database that restarts.

        A run that cannot be recorded counts as interrupted, and is repeated.
        """
        until = _seconds() + 2 * self._lasts.total_seconds()
        while True:
            try:
                with answer_within(DATABASE_SECONDS), transaction(self._keeping) as session:
                    is_kept = end_run(
                        session,
                        run_id,
                        token=token,
                        result=ended.result,
                        error=ended.error,
                        counts=ended.counts,
                        at=self.now(),
                    )
            except AedError as error:
                if _seconds() > until:
                    log.warning("run not recorded", run=run_id, reason=error.detail)
                    return
                time.sleep(0.5)  # the database may be restarting, which takes seconds
            else:
                if not is_kept:
                    log.warning("run not recorded", run=run_id, reason="Another worker has taken over.")
                return

    # --- Messages ----------------------------------------------------------------------------------------

    def _look_at_the_outbox(self) -> None:
        if not self.acts:
            return
        token = self._token
        try:
            with answer_within(DATABASE_SECONDS), read_session(self._keeping) as session:
                due = claims.due_channels(session, at=self.now())
        except AedError as error:
            log.warning("outbox not read", reason=error.detail)
            return
        for channel in {*due, *self._interrupted}:
            if channel in self._channels and self._outages.is_over(channel):
                self._start(f"channel {channel}", token, "channels", partial(self._send, channel, token))

    def _send(self, channel: Channel, token: str) -> None:
        if channel in self._interrupted:  # what this worker claimed there last is not being sent
            with answer_within(DATABASE_SECONDS), transaction(self._database) as session:
                claims.release_claims_of(session, token, channel=channel)
        self._interrupted.add(channel)
        sent: Sent = send_channel(
            self._database,
            self.now,
            channel=channel,
            deliver=self._channels[channel],
            by=token,
            outages=self._outages,
            goes_on=lambda: self.acts and self._token == token,
        )
        self._interrupted.discard(channel)
        if sent != Sent():
            log.info(
                "messages",
                channel=str(channel),
                sent=sent.sent,
                postponed=sent.postponed,
                refused=sent.refused,
            )

    # --- Jobs and messages -------------------------------------------------------------------------------

    def _start(self, what: str, token: str, executor: str, run: Callable[[], None]) -> None:
        """Run a task on a thread of its own, unless it is already running."""
        with self._lock:
            if what in self._going_on:
                return
            self._going_on[what] = token

        def guarded() -> None:
            try:
                if self.acts:
                    run()
            except AedError as error:
                log.warning("step failed", what=what, reason=error.detail)
            except Exception as error:  # the scheduler would log it in its own format
                log.error("step failed", what=what, exc_info=error)
            finally:
                with self._lock:
                    self._going_on.pop(what, None)

        try:
            self._scheduler.add_job(guarded, executor=executor, name=what)
        except BaseException:  # the task was not started, so it is not running; the error is raised again
            with self._lock:
                self._going_on.pop(what, None)
            raise
