"""aed rounds."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from tests import make
from tests.cli.conftest import Aed


def test_a_round_is_planned_assigned_shown_and_cancelled(aed: Aed, session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate, place_zh="东门")
    inspector = make.person(session, name="武敏")
    make.role(session, inspector, Role.KEEPER, estate=estate)
    session.commit()
    day = clock.now().date() + timedelta(days=2)
    given = ("--estate", estate.id, "--inspector", inspector.id, "--day", day, "--device", device.id)

    wrong = aed("rounds", "assign", *given, "--start", "30.29", "--starts", "25:00", fails=True).err
    assert "LATITUDE,LONGITUDE" in wrong
    assert "must be a time such as 08:00" in wrong, "all that is wrong at once"
    start = ("--start", f"{make.PATIENT.lat},{make.PATIENT.lon}")
    planned = aed("rounds", "assign", *given, *start, "--dry-run").out
    assert "武敏: 1 device" in planned
    assert "Assigned" not in planned
    assert "武敏" not in aed("rounds", "list").out
    made = re.search(r"Assigned: round (\d+)", aed("rounds", "assign", *given, *start).out)
    assert made
    assert "0/1" in aed("rounds", "list", "--estate", estate.id).out
    assert "东门" in aed("rounds", "show", made[1]).out
    assert "is cancelled" in aed("rounds", "cancel", made[1]).out
    assert "cancelled" in aed("rounds", "list").out
