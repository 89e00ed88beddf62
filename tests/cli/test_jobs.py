"""aed jobs, aed outbox, aed endpoints."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest

from aed import schedule
from aed.database.session import Database, database_now, transaction
from aed.settings import Settings
from aed.worker.jobs import Job, Now
from aed.worker.lease import take_lease
from aed.worker.rules import Counts, every
from aed.worker.runs import begin_run
from tests.cli.conftest import Aed
from tests.notifications.sinks import receiving, says

MINUTE = timedelta(minutes=1)


def test_a_job_is_run_by_hand_at_another_date(
    database: Database, aed: Aed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def sweep(_database: Database, _settings: Settings, now: Now) -> Counts:
        asked.append(now())
        return {"sent": 2}

    # Replace the timetable by one job, which records the time it was run for.
    monkeypatch.setattr(schedule, "TIMETABLE", (Job("sweep", every(hours=1), sweep, "Sweeps"),))
    assert "not run yet" in aed("jobs", "list").out

    assert "2 sent" in aed("jobs", "run", "sweep", "--at", "2027-03-01", "--for-real").out
    assert "2 sent" in aed("jobs", "run", "sweep", "--at", "2027-03-01T08:00+08:00", "--for-real").out
    assert "nothing was kept" in aed("jobs", "run", "sweep", "--at", "2027-03-01").out
    asked.pop()
    aed("jobs", "run", "sweep")
    assert asked[:2] == [datetime(2027, 3, 1, tzinfo=UTC)] * 2
    assert abs(asked[2] - datetime.now(UTC)) < MINUTE

    assert aed("jobs", "runs", "sweep").out.count("by hand") == 3
    assert "No worker is active" in aed("jobs").out
    assert "'nothing'" in aed("jobs", "run", "nothing", fails=True).err
    assert "2027-03-01" in aed("jobs", "run", "sweep", "--at", "soon", fails=True).err
    with transaction(database) as session:
        now = database_now(session)
        begin_run(session, "sweep", due_at=now, token="t", worker="w", at=now, lasts=MINUTE)
        take_lease(session, token="t", holder="the-machine:7", lasts=MINUTE)
    assert "is running" in aed("jobs", "run", "sweep", fails=True).err
    assert "The active worker is the-machine:7." in aed("jobs", "list").out


def test_an_endpoint_is_added_tested_and_removed_and_a_dead_letter_is_sent_again(
    aed: Aed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an administrator would find out why a group receives no messages."""
    monkeypatch.setenv("AED_NOTIFY_ALLOW_PRIVATE", "true")
    with receiving(says(200, {"errcode": 93000, "errmsg": "invalid webhook url"})) as bot:
        # Typed input.
        monkeypatch.setattr(sys, "stdin", io.StringIO(bot.url("/send?key=hidden") + "\n"))
        aed("endpoints", "add", "gate-group", "wecom")
        assert "hidden" not in aed("endpoints", "list").out
        assert "gate-group" in aed("endpoints", "list").out
        aed("endpoints", "test", "gate-group")
        assert "0 sent, 0 postponed, 1 refused" in aed("outbox", "send").out
        dead = aed("outbox", "list", "--state", "dead").out
        assert "93000" in dead
        assert "hidden" not in dead

        bot.answer = says(200, {"errcode": 0})
        assert "1 message will be sent again" in aed("outbox", "resend", "--all").out
        assert "1 sent, 0 postponed, 0 refused" in aed("outbox", "send").out
    assert "这是一条测试消息" in bot.posted[-1].json["text"]["content"]
    assert "wecom" in aed("outbox", "status").out
    assert "was sent" in aed("outbox", "resend", "1", fails=True).err
    aed("endpoints", "remove", "gate-group")
    assert "gate-group" in aed("endpoints", "test", "gate-group", fails=True).err
    assert aed("endpoints", "push-key").out.startswith("AED_WEB_PUSH__PRIVATE_KEY=")
