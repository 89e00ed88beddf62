"""When jobs are due, the record of their runs, and permissions to run them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pkgutil import resolve_name

import pytest
from apscheduler.triggers.base import BaseTrigger
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aed import schedule
from aed.accounts.permissions import TokenRole
from aed.database.session import Database, database_now, transaction
from aed.errors import Conflict
from aed.settings import Settings
from aed.worker.jobs import Job, Now, dry_run_job, fenced, run_by_hand
from aed.worker.lease import take_lease
from aed.worker.models import JobRun, Lease
from aed.worker.rules import (
    MAX_TRIES,
    Counts,
    LeaseLost,
    RunState,
    again_at,
    daily,
    every,
    last_due,
    next_due,
    schedule_words,
)
from aed.worker.runs import begin_run, delete_runs, end_run
from tests import make
from tests.make import NOW
from tests.waiting import eventually

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


# --- due times ------------------------------------------------------------------------------------------


def moment(text_: str) -> datetime:
    return datetime.fromisoformat(text_)


def test_the_due_times_of_a_job_are_the_same_for_every_process() -> None:
    night = daily("02:30", zone="Asia/Shanghai")

    assert last_due(night, moment("2026-09-22T18:29:59Z")) == moment("2026-09-21T18:30:00Z")
    assert last_due(night, moment("2026-09-22T18:30:00Z")) == moment("2026-09-22T18:30:00Z")
    assert next_due(night, moment("2026-09-22T18:30:00Z")) == moment("2026-09-23T18:30:00Z")
    assert last_due(every(minutes=5), moment("2026-09-22T10:04:59Z")) == moment("2026-09-22T10:00:00Z")
    assert next_due(every(minutes=5), moment("2026-09-22T10:05:00Z")) == moment("2026-09-22T10:10:00Z")
    assert (schedule_words(night), schedule_words(every(minutes=5))) == (
        "daily at 02:30 Asia/Shanghai",
        "every 5 min",
    )
    assert [schedule_words(every(seconds=each)) for each in (30, 60, 90, 3_600, 7_200, 3_660)] == [
        "every 30 s",
        "every 1 min",
        "every 90 s",
        "every 1 h",
        "every 2 h",
        "every 61 min",
    ]


@example(daily("02:30", zone="Europe/Zurich"), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))  # occurs twice
@example(daily("02:30", zone="Europe/Zurich"), datetime(2026, 10, 26, 0, 0, tzinfo=UTC))
@example(daily("02:30", zone="Europe/Zurich"), datetime(2027, 3, 28, 1, 0, tzinfo=UTC))  # is skipped
@given(
    st.sampled_from([every(seconds=7), every(hours=1), daily("19:10"), daily("02:30", zone="Europe/Zurich")]),
    st.integers(0, 5 * 366 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)
def test_now_lies_between_the_last_and_the_next_due_time(trigger: BaseTrigger, now: datetime) -> None:
    last, following = last_due(trigger, now), next_due(trigger, now)
    assert last is not None
    assert following is not None
    assert last <= now < following
    assert next_due(trigger, last) == following


def test_a_failed_run_is_retried_after_growing_delays_and_finally_given_up() -> None:
    waits = [again_at(RunState.FAILED, tries, NOW) for tries in range(1, MAX_TRIES + 1)]
    assert waits == [NOW + timedelta(seconds=each) for each in (30, 60, 120, 240)] + [None]
    assert again_at(RunState.CUT_OFF, 1, NOW) == NOW
    assert again_at(RunState.DONE, 1, NOW) is None


def test_on_a_single_machine_the_server_runs_the_jobs_too() -> None:
    assert schedule.runs_in_this_process(Settings(database_url="sqlite:///x.sqlite"))
    assert not schedule.runs_in_this_process(Settings(database_url="postgresql+psycopg://a@b/c"))
    assert schedule.runs_in_this_process(Settings(database_url="postgresql+psycopg://a@b/c", run_jobs=True))


def test_each_job_and_poller_has_a_function_that_is_imported_when_it_runs() -> None:
    lazy = [each.run for each in (*schedule.TIMETABLE, *schedule.WATCHES)]
    for run in lazy:
        assert isinstance(run, partial)
        assert callable(resolve_name(f"aed.jobs:{run.args[0]}"))


def test_each_job_has_a_unique_name_and_a_description() -> None:
    names = [job.name for job in schedule.TIMETABLE]
    assert len(set(names)) == len(names)
    assert all(job.what and last_due(job.when, NOW) for job in schedule.TIMETABLE)


# --- each due time runs once ----------------------------------------------------------------------------


def begun(
    session: Session, due_at: datetime, *, by: str = "one", at: datetime = NOW, job: str = "sweep"
) -> int | None:
    return begin_run(session, job, due_at=due_at, token=by, worker=by, at=at, lasts=MINUTE)


def test_a_due_time_is_run_once(session: Session) -> None:
    run = begun(session, NOW)
    assert run is not None
    assert begun(session, NOW, by="two") is None, "the run is in progress"
    assert begun(session, NOW + HOUR, by="two") is None, "no other run of this job begins"
    assert not end_run(session, run, token="two", result=RunState.DONE, error=None, counts=None, at=NOW)
    assert end_run(session, run, token="one", result=RunState.DONE, error=None, counts={"sent": 3}, at=NOW)

    assert begun(session, NOW, by="two") is None, "the run finished"
    assert begun(session, NOW + HOUR, by="two") is not None


def test_a_database_constraint_refuses_a_second_run_for_a_due_time(database: Database) -> None:
    row = text(
        "INSERT INTO job_runs (job, due_at, is_by_hand, worker, token, tries, started_at, held_until, "
        "ended_at, result) VALUES ('sweep', :at, :by_hand, 'w', 't', 1, :at, :at, :at, 'done')"
    )
    with transaction(database) as session:
        session.execute(row, {"at": NOW.isoformat(), "by_hand": False})
        session.execute(row, {"at": NOW.isoformat(), "by_hand": True})
    with pytest.raises(DBAPIError), database.write_sessions.begin() as session:
        session.execute(row, {"at": NOW.isoformat(), "by_hand": False})


def test_an_abandoned_run_is_marked_as_interrupted_and_started_again(session: Session) -> None:
    run = begun(session, NOW)
    later = NOW + MINUTE

    assert begun(session, NOW, by="two", at=later) == run
    session.expire_all()
    kept = session.get_one(JobRun, run)
    assert (kept.result, kept.tries, kept.token) == (RunState.RUNNING, 2, "two")


def test_old_runs_are_deleted_except_the_last_of_each_job(session: Session) -> None:
    for number in range(3):
        run = begun(session, NOW + number * HOUR)
        assert run is not None
        end_run(session, run, token="one", result=RunState.DONE, error=None, counts=None, at=NOW)

    assert delete_runs(session, before=NOW + HOUR) == 2
    assert session.scalars(select(JobRun.due_at)).one() == NOW + 2 * HOUR


# --- the worker -----------------------------------------------------------------------------------------


def test_missed_runs_are_caught_up_once_and_shown(
    database: Database, settings: Settings, client: TestClient, session: Session
) -> None:
    """After a week without a worker, the hourly job runs once, for its latest due time."""
    ran: list[datetime] = []

    def sweep(_database: Database, _settings: Settings, now: Now) -> Counts:
        ran.append(now())
        return {"sent": 7}

    reading = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    with transaction(database) as writing:
        now = database_now(writing)
        old = begun(writing, now - timedelta(days=7), at=now - timedelta(days=7), job="feeds")
        assert old is not None
        end_run(writing, old, token="one", result=RunState.DONE, error=None, counts=None, at=now)
    hourly = Job("feeds", every(hours=1), sweep, "A sweep under the name of a real one")

    with schedule.working(settings, [hourly]):
        assert eventually(lambda: bool(ran) and _ended(database, "feeds") == 2)
        time.sleep(1.5)  # longer than the polling interval
    assert len(ran) == 1
    assert abs(ran[0] - now) < timedelta(minutes=2)

    answer = client.get("/v1/jobs", headers=reading).json()
    (feeds,) = [each for each in answer["jobs"] if each["name"] == "feeds"]
    due = last_due(every(hours=1), ran[0])
    assert due is not None
    assert moment(feeds["last"]["due_at"]) == due
    assert (feeds["last"]["result"], feeds["last"]["counts"]) == ("done", {"sent": 7})
    assert feeds["last"]["seconds"] >= 0
    page = client.get("/v1/jobs/feeds/runs?limit=1", headers=reading).json()
    rest = client.get(f"/v1/jobs/feeds/runs?limit=1&cursor={page['next']}", headers=reading).json()
    assert [each["result"] for each in page["runs"] + rest["runs"]] == ["done", "done"]
    assert rest["next"] is None
    assert client.get("/v1/jobs/nothing/runs", headers=reading).status_code == 404
    figures = client.get("/metrics", headers=reading).text.splitlines()
    assert 'aed_job_runs{job="feeds",result="done"} 2.0' in figures
    assert 'aed_job_last_done{job="feeds"} 1.0' in figures
    assert "aed_worker_alive 0.0" in figures, "the worker released its lease"


def _ended(database: Database, job: str) -> int:
    with database.read_sessions() as session:
        return len(
            session.scalars(select(JobRun.id).where(JobRun.job == job, JobRun.result == RunState.DONE)).all()
        )


def test_a_failed_run_is_recorded_with_its_reason_and_other_jobs_continue(
    database: Database, settings: Settings
) -> None:
    def refuses(_database: Database, _settings: Settings, _now: Now) -> None:
        raise Conflict("The list is being written.")

    def breaks(_database: Database, _settings: Settings, _now: Now) -> None:
        raise ZeroDivisionError("secret of the inside")

    def goes(_database: Database, _settings: Settings, _now: Now) -> Counts:
        return {"sent": 1}

    jobs = [Job(each.__name__, every(hours=1), each, "") for each in (refuses, breaks, goes)]
    with schedule.working(settings, jobs):
        assert eventually(lambda: len(_said(database)) == 3)
    error = _said(database)
    assert error["refuses"] == (RunState.FAILED, "The list is being written.")
    assert error["breaks"] == (RunState.FAILED, "Internal error: ZeroDivisionError. See the log.")
    assert error["goes"] == (RunState.DONE, None)


def _said(database: Database) -> dict[str, tuple[RunState, str | None]]:
    with database.read_sessions() as session:
        ended = session.scalars(select(JobRun).where(JobRun.ended_at.is_not(None)))
        return {run.job: (run.result, run.error) for run in ended}


def test_a_worker_that_lost_its_lease_commits_nothing(database: Database) -> None:
    with transaction(database) as session:
        taken = take_lease(session, token="one", holder="one", lasts=MINUTE)
        assert taken is not None
        assert take_lease(session, token="two", holder="two", lasts=MINUTE) is None
    ours = fenced(database, "one")
    with transaction(ours) as session:
        make.person(session)
    with transaction(database) as session:
        session.execute(text("UPDATE leases SET token = 'two'"))
    with pytest.raises(LeaseLost), transaction(ours) as session:
        make.person(session)
    with database.read_sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM people")) == 1
        assert session.scalars(select(Lease.token)).one() == "two"


# --- by hand --------------------------------------------------------------------------------------------


def test_a_failed_run_by_hand_is_recorded_too(database: Database, settings: Settings) -> None:
    def refuses(_database: Database, _settings: Settings, _now: Now) -> None:
        raise Conflict("The list is being written.")

    ended, seconds = run_by_hand(
        Job("sweep", every(hours=1), refuses, ""), database, settings, at=NOW, who="me"
    )

    assert (ended.result, ended.error) == (RunState.FAILED, "The list is being written.")
    assert seconds >= 0
    assert _said(database)["sweep"] == (RunState.FAILED, "The list is being written.")


def test_a_dry_run_of_a_job_sees_its_own_writes_and_rolls_back(
    database: Database, settings: Settings
) -> None:
    def sweep(given: Database, _settings: Settings, now: Now) -> Counts:
        for _ in range(2):
            with transaction(given) as session:
                make.person(session)
        try:
            with transaction(given) as session:
                make.person(session)
                raise Conflict("This one is not kept.")
        except Conflict:
            pass
        with given.read_sessions() as session:
            return {"people": session.scalar(text("SELECT count(*) FROM people")) or 0, "year": now().year}

    ended = dry_run_job(
        Job("sweep", every(hours=1), sweep, ""), database, settings, at=NOW.replace(year=2099)
    )

    assert ended.counts == {"people": 2, "year": 2099}
    with database.read_sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM people")) == 0
        assert session.scalar(text("SELECT count(*) FROM job_runs")) == 0
