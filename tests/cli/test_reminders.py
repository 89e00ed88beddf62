"""Reminders on the command line."""

from __future__ import annotations

import re
from datetime import date

from aed.accounts.rules.roles import HeldRole
from aed.db import Database, transaction
from tests import make
from tests.cli.conftest import Aed


def test_a_day_to_come_is_run_by_hand_and_what_was_told_is_listed(aed: Aed, database: Database) -> None:
    with transaction(database) as session:
        estate = make.estate(session)
        keeper = make.person(session)
        make.role(session, keeper, HeldRole.KEEPER, estate=estate)
        make.device(session, of=estate, pads_expire_on=date(2027, 3, 31))
        estate_id, keeper_id = estate.id, keeper.id

    assert "Nobody is to be reminded" in aed("reminders", "list").out
    said = aed("reminders", "preferences", keeper_id, "--from-hour", 9, "--until-hour", 18).out
    assert said == f"Person {keeper_id} is reminded 09:00-18:00.\n"
    aed("reminders", "preferences", keeper_id, "--from-hour", 9, fails=True)
    assert re.search(r"1 found", aed("jobs", "run", "expiry-reminders", "--at", "2027-03-01").out)
    assert re.search(r"0 found", aed("jobs", "run", "expiry-reminders", "--at", "2027-03-01").out)
    told = aed("jobs", "run", "reminder-messages", "--at", "2027-03-01T10:00:00+08:00").out
    assert "1 messages" in told
    assert re.search(
        r"pads +2027-03-31 +30 +keeper 03-01", aed("reminders", "list", "--estate", estate_id).out
    )
