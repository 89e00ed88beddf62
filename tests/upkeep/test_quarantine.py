"""A device that must not be used is quarantined until a check resolves the reason."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role
from aed.errors import Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.question import LookupQuestion
from aed.notifications.models import OutboxMessage
from aed.registry.devices.actions import amend_device
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceAmend
from aed.settings import Settings
from aed.upkeep.faults.queries import active_quarantines
from aed.upkeep.models import Quarantine
from aed.upkeep.rules import QuarantineReason
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT

NEW_PADS = [{"kind": "pads", "lot": "L2", "expires_on": "2029-01-31"}]


def lookup(session: Session, *, at: datetime = NOW) -> LookupAnswer:
    session.flush()
    return answer_lookup(
        session.connection(), ANYONE, LookupQuestion(PATIENT, at), network=None, settings=Settings()
    )


def offered(session: Session, *, at: datetime = NOW) -> list[int]:
    return [near.row.id for near in lookup(session, at=at).devices]


def reason(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def sent_texts(session: Session) -> list[str]:
    return [text or "" for text in session.scalars(select(OutboxMessage.text_en).order_by(OutboxMessage.id))]


def test_a_device_that_is_not_there_is_offered_to_nobody_until_it_is_found(session: Session) -> None:
    device = make.device(session)
    assert offered(session) == [device.id]

    make.check(session, device, is_there=False)

    assert offered(session) == []
    assert reason(session, device) == [QuarantineReason.MISSING]
    assert device.state is DeviceState.OUT_OF_SERVICE
    assert device.out_of_service_reason == "not in place; 不在原位"

    make.check(session, device, at=NOW + timedelta(hours=1))

    assert offered(session) == [device.id]
    assert reason(session, device) == []


def test_a_glance_takes_a_device_out_and_brings_none_back(session: Session) -> None:
    device = make.device(session)
    make.check(session, device, kind="glance", answers={"status_light": False})
    assert reason(session, device) == [QuarantineReason.FAILED_CHECK]

    make.check(session, device, kind="glance", at=NOW + timedelta(hours=1))

    assert reason(session, device) == [QuarantineReason.FAILED_CHECK]
    assert offered(session) == []


def test_a_used_device_returns_to_service_only_with_new_pads(session: Session) -> None:
    device = make.device(session, pads_expire_on=date(2028, 1, 31))
    make.check(session, device, was_used=True)
    assert reason(session, device) == [QuarantineReason.USED]

    make.check(session, device, at=NOW + timedelta(hours=1))
    assert reason(session, device) == [QuarantineReason.USED], "all is well but its pads are gone"

    taken = make.check(session, device, at=NOW + timedelta(hours=2), replaced=NEW_PADS)

    assert offered(session) == [device.id]
    assert taken.check.replaced == {
        "pads": {
            "lot": "L2",
            "expires_on": "2029-01-31",
            "lot_before": None,
            "expires_on_before": "2028-01-31",
        }
    }
    assert [(item.lot, item.expires_on) for item in device.consumables] == [("L2", date(2029, 1, 31))]


def test_pads_replaced_by_one_and_all_checked_by_another_bring_a_used_device_back(session: Session) -> None:
    device = make.device(session)
    make.check(session, device, was_used=True)
    half = make.check(
        session, device, at=NOW + timedelta(hours=1), answers={"status_light": False}, replaced=NEW_PADS
    )
    assert not half.check.is_passed
    assert reason(session, device) == [QuarantineReason.USED, QuarantineReason.FAILED_CHECK]

    make.check(session, device, at=NOW + timedelta(hours=2))

    assert reason(session, device) == []


def test_pads_replaced_on_the_spot_need_no_quarantine(session: Session) -> None:
    device = make.device(session)

    make.check(session, device, was_used=True, replaced=NEW_PADS)

    assert offered(session) == [device.id]


def test_each_reason_needs_its_own_answer(session: Session) -> None:
    device = make.device(session, maker="Heartline")
    make.check(session, device, answers={"pads_in_date": False})
    make.recall(session)
    assert reason(session, device) == [QuarantineReason.FAILED_CHECK, QuarantineReason.RECALL]

    make.check(session, device, at=NOW + timedelta(hours=1))
    assert reason(session, device) == [QuarantineReason.RECALL]
    assert device.out_of_service_reason == "recalled by its maker; 厂家召回"

    make.check(session, device, at=NOW + timedelta(hours=2), recall_is_done=True)

    assert offered(session) == [device.id]


def test_a_check_without_the_required_answers_ends_no_quarantine(session: Session) -> None:
    device = make.device(session)
    make.check(session, device, is_there=False)

    partly = make.check(session, device, at=NOW + timedelta(hours=1), only={"status_light": True})

    assert not partly.check.is_passed, "nobody looked at the pads"
    assert reason(session, device) == [QuarantineReason.MISSING]


def test_a_check_before_the_quarantine_does_not_end_it(session: Session) -> None:
    device = make.device(session, maker="Heartline")
    make.recall(session)

    make.check(
        session,
        device,
        at=NOW + timedelta(hours=1),
        answered_at=NOW - timedelta(hours=1),
        recall_is_done=True,
    )

    assert reason(session, device) == [QuarantineReason.RECALL]


def test_a_device_taken_out_by_hand_stays_out_when_the_quarantine_ends(session: Session) -> None:
    device = make.device(session, state="out_of_service", out_of_service_reason="Lobby rebuilt")
    make.check(session, device, is_there=False)
    make.check(session, device, at=NOW + timedelta(minutes=1), answers={"status_light": False})
    assert device.out_of_service_reason != "Lobby rebuilt"

    make.check(session, device, at=NOW + timedelta(hours=1))

    assert (device.state, device.out_of_service_reason) == (DeviceState.OUT_OF_SERVICE, "Lobby rebuilt")
    assert not device.is_quarantined


def test_nobody_brings_a_quarantined_device_back_by_hand_nor_does_a_list(session: Session) -> None:
    device = make.device(session)
    make.check(session, device, is_there=False)

    with pytest.raises(Conflict, match="only a check"):
        amend_device(
            session,
            ADMINISTRATOR,
            device.id,
            DeviceAmend(state=DeviceState.IN_SERVICE, out_of_service_reason=None),
            version=device.version,
            at=NOW,
        )

    amended = amend_device(
        session, ADMINISTRATOR, device.id, DeviceAmend(floor=2), version=device.version, at=NOW
    )
    assert (amended.floor, amended.state) == (2, DeviceState.OUT_OF_SERVICE)


def test_expired_pads_take_a_device_out_on_that_day_without_any_job(session: Session) -> None:
    device = make.device(session, pads_expire_on=date(2026, 9, 30))
    last_moment = datetime.fromisoformat("2026-09-30T23:59:00+08:00")
    assert offered(session, at=last_moment) == [device.id]

    found = lookup(session, at=last_moment + timedelta(minutes=1))

    assert found.devices == []
    assert [(near.row.id, str(near.readiness)) for near in found.unusable] == [(device.id, "pads_expired")]

    make.check(session, device, at=NOW, replaced=NEW_PADS)
    assert offered(session, at=last_moment + timedelta(minutes=1)) == [device.id]


def test_the_keeper_is_notified_once_for_each_reason_but_not_of_their_own_actions(session: Session) -> None:
    device = make.device(
        session, of=make.estate(session), keeper={"name": "Chen", "phone": "+86 138 0013 8222"}
    )
    make.check(session, device, answers={"status_light": False})
    make.check(session, device, at=NOW + timedelta(hours=1), answers={"status_light": False})

    (first,) = sent_texts(session)
    assert "failed its last check" in first
    assert "Estate" in first

    make.check(session, device, at=NOW + timedelta(hours=2), answers={"seal": False}, note="torn")
    assert [each.partition(": ")[2] for each in sent_texts(session)[1:]] == ["needs attention: seal (torn)."]


def test_without_a_keeper_the_managers_of_the_estate_are_notified(session: Session) -> None:
    estate = make.estate(session)
    manager, other = make.person(session), make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    make.role(session, other, Role.ESTATE_MANAGER, estate=make.estate(session))
    device = make.device(session, of=estate)

    make.check(session, device, is_there=False)

    assert session.scalars(select(OutboxMessage.person_id)).all() == [manager.id]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "glance", "replaced": NEW_PADS}, "glance"),
        ({"kind": "glance", "moved": {"floor": 3}}, "glance"),
        ({"is_there": False, "was_used": True}, "not there"),
        ({"replaced": NEW_PADS * 2}, "each kind only once"),
    ],
)
def test_invalid_values_are_refused(session: Session, given: dict[str, Any], message: str) -> None:
    device = make.device(session)
    with pytest.raises(ValueError, match=message):
        make.check(session, device, **given)


def test_new_pads_that_have_expired_are_refused(session: Session) -> None:
    device = make.device(session)
    with pytest.raises(InvalidInput, match="expired on 2026-09-21"):
        make.check(session, device, replaced=[{"kind": "pads", "expires_on": "2026-09-21"}])


def test_who_may_check(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    device = make.device(session, of=home)

    with pytest.raises(NotSignedIn):
        make.check(session, device, who=ANYONE)
    for stranger in (make.member(other, writes=True), make.member(home)):
        with pytest.raises(NotAllowed):
            make.check(session, device, who=stranger)
    assert make.check(session, device, who=make.member(home, writes=True)).check.is_passed


def test_the_database_allows_one_active_quarantine_per_reason(session: Session) -> None:
    device = make.device(session)
    for hour in range(3):
        make.check(session, device, at=NOW + timedelta(hours=hour), is_there=False)

    assert len(session.scalars(select(Quarantine)).all()) == 1
