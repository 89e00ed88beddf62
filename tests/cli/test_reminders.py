"""Reminders on the command line."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from aed import clock
from aed.accounts.permissions import Role
from aed.database.session import Database, transaction
from aed.notifications.outbox import Notice, notify_person
from tests import make
from tests.cli.conftest import Aed


def test_reminders_of_a_future_day_are_run_by_hand_and_listed(aed: Aed, database: Database) -> None:
    with transaction(database) as session:
        estate = make.estate(session)
        keeper = make.person(session)
        make.role(session, keeper, Role.KEEPER, estate=estate)
        make.device(session, of=estate, pads_expire_on=date(2027, 3, 31))
        estate_id, keeper_id = estate.id, keeper.id

    assert "There are no open reminders" in aed("reminders", "list").out
    output = aed("reminders", "preferences", keeper_id, "--from-hour", 9, "--until-hour", 18).out
    assert output == f"Person {keeper_id} is reminded between 09:00 and 18:00.\n"
    aed("reminders", "preferences", keeper_id, "--from-hour", 9, fails=True)
    day = ("--at", "2027-03-01")
    for _ in range(2):
        assert re.search(r"nothing was kept. 1 found", aed("jobs", "run", "expiry-reminders", *day).out)
    assert re.search(r"1 found", aed("jobs", "run", "expiry-reminders", *day, "--for-real").out)
    assert re.search(r"0 found", aed("jobs", "run", "expiry-reminders", *day, "--for-real").out)
    sent = aed("jobs", "run", "reminder-messages", "--at", "2027-03-01T10:00:00+08:00", "--for-real").out
    assert "1 messages" in sent
    assert re.search(
        r"pads +2027-03-31 +30 +keeper 03-01", aed("reminders", "list", "--estate", estate_id).out
    )


def test_a_run_for_a_future_day_does_not_delay_the_messages_of_today(
    aed: Aed, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AED_OUTBOX_SPOOL", str(tmp_path / "spool"))
    with transaction(database) as session:
        estate = make.estate(session)
        keeper = make.person(session)
        make.role(session, keeper, Role.KEEPER, estate=estate)
        make.device(session, of=estate, pads_expire_on=date(2027, 3, 31))
        keeper_id = keeper.id
    aed("jobs", "run", "expiry-reminders", "--at", "2027-03-01", "--for-real")
    aed("jobs", "run", "reminder-messages", "--at", "2027-03-01T10:00:00+08:00", "--for-real")
    with transaction(database) as session:
        notify_person(session, keeper_id, Notice("Today's news", "今日消息"), clock.now())

    assert "2 sent, 0 postponed, 0 refused" in aed("outbox", "send").out
    assert "--for-real" in aed("jobs", "run", "expiry-reminders", "--for-real", fails=True).err
    assert "a dry run is not possible" in aed("jobs", "run", "feeds", "--at", "2027-03-01", fails=True).err
