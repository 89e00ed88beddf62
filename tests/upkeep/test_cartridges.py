"""Combined cartridges: pads and battery in one, with one expiry date."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.rules import ConsumableKind
from aed.settings import Settings
from aed.upkeep.checks.rules import DEFAULT_ASKS
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import duties
from aed.upkeep.due.rules import CALENDAR_KINDS
from aed.upkeep.faults.queries import active_quarantines
from aed.web.checks.rules import check_in_form
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT

CARTRIDGE: dict[str, Any] = {"kind": "cartridge", "lot": "PP-1", "expires_on": "2026-12-31"}


def test_a_cartridge_replaces_pads_and_battery_and_expires_as_one(session: Session) -> None:
    device = make.device(session, pads_expire_on=date(2026, 10, 1))
    later = NOW + timedelta(hours=1)
    make.check(session, device, replaced=[{"kind": "battery", "expires_on": "2027-01-01"}], was_used=True)
    assert [str(each.reason) for each in active_quarantines(session, device.id)] == ["used"]

    make.check(session, device, at=later, replaced=[CARTRIDGE], was_used=True)

    assert [(each.kind, each.lot) for each in device.consumables] == [(ConsumableKind.CARTRIDGE, "PP-1")]
    assert active_quarantines(session, device.id) == [], "it has new pads"
    found = duties(
        session, ADMINISTRATOR, DeviceFilter(), at=later, within_days=400, due_kinds=CALENDAR_KINDS
    )
    dates = {str(each.due_kind): each.due_on for each in found.dues}
    assert dates["cartridge"] == date(2026, 12, 31)
    assert not {"pads", "battery"} & set(dates)
    session.flush()
    expired = answer_lookup(
        session.connection(),
        ADMINISTRATOR,
        LookupQuestion(PATIENT, NOW + timedelta(days=120)),
        network=None,
        settings=Settings(),
    )
    assert [str(each.readiness) for each in expired.unusable] == ["expired"], (
        "without power, not without pads"
    )


def test_an_earlier_check_that_arrives_late_does_not_take_the_cartridge_out(session: Session) -> None:
    device = make.device(session)
    make.check(session, device, replaced=[CARTRIDGE])
    pads = [{"kind": "pads", "expires_on": "2027-06-30"}]

    late = make.check(session, device, replaced=pads, answered_at=NOW - timedelta(hours=2))

    assert late.check.is_late
    assert [str(each.kind) for each in device.consumables] == ["cartridge"]


def test_the_form_takes_a_first_and_a_next_cartridge() -> None:
    def replaced(form: dict[str, str], *, has_cartridge: bool) -> list[str]:
        new = check_in_form(
            {"key": str(uuid.UUID(int=7)), "rest": "well", **form},
            DEFAULT_ASKS,
            today=date(2026, 9, 22),
            language="zh-CN",
            counts_ground_as_one=True,
            now=NOW,
            has_cartridge=has_cartridge,
        )
        return [f"{each.kind} {each.expires_on}" for each in new.replaced]

    first = {"new_cartridge": "on", "until_cartridge": "2030-01-31"}
    following = {"a_pads_in_date": "new", "until_cartridge": "2030-01-31", "until_pads": "2029-01-31"}

    assert replaced(first, has_cartridge=False) == ["cartridge 2030-01-31"]
    assert replaced(following, has_cartridge=True) == ["cartridge 2030-01-31"]
    assert replaced(following, has_cartridge=False) == ["pads 2029-01-31"]
