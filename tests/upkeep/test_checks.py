"""A check is recorded once, however often it is sent, and its findings are applied to the register."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.database.geometry import position_of
from aed.errors import Conflict, InvalidInput
from aed.registry.devices.actions import withdraw_device
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.origins import BY_HAND, origins_in
from aed.upkeep.faults.queries import active_quarantines
from aed.upkeep.models import Check
from aed.upkeep.rules import QuarantineReason
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

KEY = "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a10"
HOUR = timedelta(hours=1)
NEW_PADS = [{"kind": "pads", "lot": "L2", "expires_on": "2029-01-31"}]


def count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Check)) or 0


def reason(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def test_a_check_that_is_sent_again_is_the_same_check(session: Session) -> None:
    device = make.device(session)
    given: dict[str, Any] = {"key": KEY, "replaced": NEW_PADS, "note": "clean"}
    first = make.check(session, device, answered_at=NOW, **given)

    again = make.check(session, device, at=NOW + HOUR, answered_at=NOW, **given)
    hurried = make.check(session, device, at=NOW + HOUR, **given)

    assert (first.is_new, again.is_new, hurried.is_new) == (True, False, False)
    assert again.check.id == hurried.check.id == first.check.id
    assert count(session) == 1
    assert [item.lot for item in device.consumables] == ["L2"]


def test_another_check_under_the_same_key_is_refused(session: Session) -> None:
    device, other = make.device(session), make.device(session)
    make.check(session, device, key=KEY)

    with pytest.raises(Conflict, match="key"):
        make.check(session, device, key=KEY, note="another")
    with pytest.raises(Conflict, match="key"):
        make.check(session, other, key=KEY)


def test_answers_keep_their_own_time_for_sixty_days(session: Session) -> None:
    device = make.device(session)
    then = NOW - timedelta(days=59)

    taken = make.check(session, device, answered_at=then)

    assert (taken.check.answered_at, taken.check.received_at) == (then, NOW)
    for wrong in (NOW - timedelta(days=61), NOW + timedelta(minutes=11)):
        with pytest.raises(InvalidInput, match="answered_at"):
            make.check(session, device, answered_at=wrong)


def test_a_check_counts_on_the_day_it_was_answered_where_the_device_is(session: Session) -> None:
    device = make.device(session, last_checked_on=None)

    make.check(session, device, at=NOW + HOUR, answered_at="2026-09-21T23:30:00Z")

    assert device.last_checked_on == date(2026, 9, 22), "in China it was the next morning"


def test_an_older_check_that_arrives_later_does_not_undo_the_newer_one(session: Session) -> None:
    device = make.device(session)
    make.check(session, device, at=NOW + HOUR)

    late = make.check(session, device, at=NOW + 2 * HOUR, answered_at=NOW, is_there=False)

    assert late.check.is_late
    assert reason(session, device) == []

    make.check(session, device, at=NOW + 3 * HOUR, is_there=False)
    late = make.check(session, device, at=NOW + 4 * HOUR, answered_at=NOW + HOUR / 2)
    assert late.check.is_late
    assert reason(session, device) == [QuarantineReason.MISSING]


def test_replacements_of_an_older_check_apply_unless_a_newer_check_replaced_the_same(
    session: Session,
) -> None:
    device = make.device(session)
    make.check(session, device, at=NOW + HOUR)
    battery = {"kind": "battery", "lot": "B2", "expires_on": "2030-01-31"}
    make.check(session, device, at=NOW + 2 * HOUR, answered_at=NOW, replaced=NEW_PADS)
    assert [item.lot for item in device.consumables] == ["L2"]

    make.check(session, device, at=NOW + 3 * HOUR, replaced=[{**NEW_PADS[0], "lot": "L3"}])
    make.check(session, device, at=NOW + 4 * HOUR, answered_at=NOW, replaced=[*NEW_PADS, battery])

    fitted = session.scalars(
        select(Consumable.lot).where(Consumable.device_id == device.id, Consumable.state == "fitted")
    )
    assert sorted(lot or "" for lot in fitted) == ["B2", "L3"]


def test_a_device_that_was_found_elsewhere_is_moved_in_the_register(session: Session) -> None:
    device = make.device(session)
    there = north_of(PATIENT, metres=40)

    make.check(
        session,
        device,
        moved={"position": {"lat": there.lat, "lon": there.lon}, "floor": 2, "place_zh": "二楼大厅"},
    )

    found = position_of(device.position)
    assert (round(found.lat, 6), device.floor, device.place_zh) == (round(there.lat, 6), 2, "二楼大厅")
    assert origins_in(device.origins, device.source).of("floor").source == BY_HAND


def test_the_lives_of_new_pads_and_batteries_come_from_the_policy_where_they_say_no_date(
    session: Session,
) -> None:
    device = make.device(session, maker="Heartline", model="H1")
    new = [{"kind": "pads"}, {"kind": "battery"}]
    taken = make.check(session, device, replaced=new)
    assert {kind: each["expires_on"] for kind, each in taken.check.replaced.items()} == {
        "pads": "2028-09-22",
        "battery": "2030-09-22",
    }

    policy = make.policy(session, maker="Heartline", pads_months=5, battery_months=None)
    taken = make.check(session, device, at=NOW + HOUR, replaced=[{"kind": "pads"}])
    assert taken.check.replaced["pads"]["expires_on"] == "2027-02-22"
    assert (taken.check.policy_id, taken.check.policy_version) == (policy.id, policy.version)
    with pytest.raises(InvalidInput, match="battery"):
        make.check(session, device, at=NOW + 2 * HOUR, replaced=[{"kind": "battery"}])


def test_a_withdrawn_device_takes_no_checks(session: Session) -> None:
    device = make.device(session)
    withdraw_device(session, ADMINISTRATOR, device.id, version=device.version, at=NOW)

    with pytest.raises(Conflict, match="withdrawn"):
        make.check(session, device)
