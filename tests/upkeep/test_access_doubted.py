"""A stuck cabinet quarantines its device; access that is not as registered becomes unknown."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.actions import amend_device
from aed.registry.devices.models import Device
from aed.registry.devices.rules import Access, DeviceState
from aed.registry.devices.schemas import DeviceAmend
from aed.settings import Settings
from aed.upkeep.checks.rules import DEFAULT_ASKS, questions_of
from aed.upkeep.confirmations.actions import confirm_fact
from aed.upkeep.confirmations.schemas import ConfirmIn
from aed.upkeep.faults.queries import active_quarantines
from aed.upkeep.rules import Fact, QuarantineReason, Question
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT

LATER = NOW + timedelta(hours=1)


def access(session: Session, device: Device) -> Access | None:
    session.flush()
    found = answer_lookup(
        session.connection(), ANYONE, LookupQuestion(PATIENT, NOW), network=None, settings=Settings()
    )
    return next((near.access.access for near in found.devices if near.row.id == device.id), None)


def reason(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def test_a_cabinet_that_does_not_open_takes_the_device_out_until_a_check_opens_it(session: Session) -> None:
    device = make.device(session)

    taken = make.check(session, device, answers={"cabinet": False})

    assert not taken.check.is_passed
    assert reason(session, device) == [QuarantineReason.CANNOT_OPEN]
    assert device.state is DeviceState.OUT_OF_SERVICE
    assert access(session, device) is None, "it is offered to nobody"
    assert Question.CABINET in questions_of(
        (Question.STATUS_LIGHT, Question.PADS_IN_DATE), [QuarantineReason.CANNOT_OPEN]
    )

    make.check(session, device, at=LATER, only={"status_light": True, "pads_in_date": True, "cabinet": True})

    assert reason(session, device) == []
    assert access(session, device) is Access.OPEN


def test_a_dented_cabinet_that_opens_is_reported_to_the_keeper_and_stays_in_service(session: Session) -> None:
    assert Question.CABINET_WHOLE in DEFAULT_ASKS
    device = make.device(session)

    make.check(session, device, answers={"cabinet_whole": False})

    assert reason(session, device) == []
    assert access(session, device) is Access.OPEN


def test_access_not_as_described_is_unknown_until_a_check_confirms_it(session: Session) -> None:
    device = make.device(session)

    make.check(session, device, answers={"access_as_described": False})
    assert (access(session, device), reason(session, device)) == (Access.UNKNOWN, [])

    make.check(session, device, at=LATER, only={"status_light": True, "pads_in_date": True})
    assert access(session, device) is Access.UNKNOWN, "nobody looked at it"

    make.check(session, device, at=LATER + timedelta(hours=1))
    assert access(session, device) is Access.OPEN


def test_a_signed_in_person_denies_and_confirms_access_without_a_check(session: Session) -> None:
    device = make.device(session)

    confirm_fact(
        session, ADMINISTRATOR, device.id, ConfirmIn(fact=Fact.HOURS, is_as_registered=False), at=NOW
    )
    assert access(session, device) is Access.UNKNOWN

    confirm_fact(
        session, ADMINISTRATOR, device.id, ConfirmIn(fact=Fact.HOURS, is_as_registered=True), at=LATER
    )
    assert access(session, device) is Access.OPEN


def test_changed_access_ends_the_doubt_and_a_closed_device_stays_closed(
    session: Session,
) -> None:
    device = make.device(session)
    make.check(session, device, answers={"access_as_described": False})

    change = DeviceAmend(access_instructions_en="By the side door")
    amend_device(session, ADMINISTRATOR, device.id, change, version=device.version, at=LATER)
    assert access(session, device) is Access.OPEN

    closed = make.device(session, opening_hours="off")
    make.check(session, closed, answers={"access_as_described": False})
    assert access(session, closed) is None, "its hours say closed: nobody is sent there"
