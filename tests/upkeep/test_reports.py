"""Fault reports: strangers may report, but their reports alone quarantine nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.database.session import SETTINGS
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn, TooBusy
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.faults.actions import (
    MAX_REPORTS_PER_ADDRESS,
    MAX_REPORTS_PER_DEVICE,
    close_report,
    forget_addresses,
    report_device,
)
from aed.upkeep.faults.queries import active_quarantines, reports
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.models import FaultReport
from aed.upkeep.rules import FaultKind, FaultReportState, QuarantineReason, short_number
from tests import make
from tests.make import NOW

HOUR = timedelta(hours=1)


def say(
    session: Session,
    device: Device,
    kind: FaultKind,
    *,
    who: Viewer = ANYONE,
    hours: float = 0,
    address: str = "a",
) -> FaultReport:
    new = ReportIn(kind=kind)
    return report_device(session, who, device.id, new, from_key=address, at=NOW + hours * HOUR)


def reason(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def test_reports_of_strangers_alone_quarantine_nothing(session: Session) -> None:
    device = make.device(session, keeper={"name": "Chen", "phone": "+86 138 0013 8222"})

    for number in range(MAX_REPORTS_PER_DEVICE):
        say(session, device, FaultKind.MISSING, address=f"address {number}")

    assert reason(session, device) == []
    assert len(session.scalars(select(OutboxMessage)).all()) == 1, "the keeper is notified of the first"
    with pytest.raises(TooBusy):
        say(session, device, FaultKind.MISSING, address="one more")
    say(session, device, FaultKind.MISSING, address="one more", hours=25)


def test_the_keepers_message_leads_to_the_check_page(session: Session) -> None:
    device = make.device(session, keeper={"name": "Chen", "phone": "+86 138 0013 8222"})
    session.info[SETTINGS] = session.info[SETTINGS].model_copy(
        update={"public_url": "https://aed.example.cn"}
    )

    say(session, device, FaultKind.MISSING)

    message = session.scalars(select(OutboxMessage)).one()
    link = f"https://aed.example.cn/d/{short_number(device.id)}/check"
    assert (message.text_zh or "").endswith(link)
    assert (message.text_en or "").endswith(f" {link}")


def test_a_check_that_finds_the_device_gone_confirms_the_report_of_it(session: Session) -> None:
    device = make.device(session)
    missing, beeping = (say(session, device, kind) for kind in (FaultKind.MISSING, FaultKind.BEEPING))

    make.check(session, of=device, is_there=False)

    assert missing.state is FaultReportState.CONFIRMED
    assert beeping.state is FaultReportState.OPEN, "answered once the device is found"


def test_an_address_may_report_five_times_an_hour(session: Session) -> None:
    devices = [make.device(session) for _ in range(MAX_REPORTS_PER_ADDRESS + 1)]
    for device in devices[:-1]:
        say(session, device, FaultKind.BEEPING)

    with pytest.raises(TooBusy, match="hour"):
        say(session, devices[-1], FaultKind.BEEPING)
    say(session, devices[-1], FaultKind.BEEPING, address="b")
    say(session, devices[-1], FaultKind.BEEPING, hours=1.1)


def test_a_signed_in_person_of_another_estate_is_a_stranger(session: Session) -> None:
    devices = [make.device(session, of=make.estate(session)) for _ in range(MAX_REPORTS_PER_ADDRESS + 1)]
    elsewhere = make.person_with_role(session, Role.RESIDENT, estate=make.estate(session))
    for device in devices[:-1]:
        say(session, device, FaultKind.BEEPING, who=elsewhere)

    with pytest.raises(TooBusy):
        say(session, devices[-1], FaultKind.BEEPING, who=elsewhere)


def test_a_stranger_reports_only_what_a_stranger_may_see(session: Session) -> None:
    hidden = make.device(session, of=make.estate(session), audience="estate")
    with pytest.raises(NotFound):
        say(session, hidden, FaultKind.MISSING)


def test_people_of_the_estate_confirm_or_dismiss_a_strangers_report(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    device = make.device(session, of=home)
    lead = make.person_with_role(session, Role.LEAD, estate=home)
    resident = make.person_with_role(session, Role.RESIDENT, estate=home)
    first, second = say(session, device, FaultKind.MISSING), say(session, device, FaultKind.DAMAGED)
    state, at = FaultReportState.CONFIRMED, NOW + HOUR

    for stranger in (ANYONE, make.member(other, writes=True)):
        with pytest.raises(NotFound):
            close_report(session, stranger, first.id, state=state, at=at)
    with pytest.raises(NotAllowed):
        close_report(session, resident, first.id, state=state, at=at)
    close_report(session, lead, second.id, state=FaultReportState.DISMISSED, at=at)
    assert reason(session, device) == []
    close_report(session, lead, first.id, state=state, at=at)

    assert reason(session, device) == [QuarantineReason.MISSING]
    assert (first.state, first.closed_by) == (FaultReportState.CONFIRMED, lead.name)
    with pytest.raises(Conflict, match="already confirmed"):
        close_report(session, lead, first.id, state=state, at=at)


def test_a_check_closes_the_reports_before_it(session: Session) -> None:
    device = make.device(session)
    before, after = say(session, device, FaultKind.BEEPING), say(session, device, FaultKind.OTHER, hours=2)

    make.check(session, device, at=NOW + 3 * HOUR, answered_at=NOW + HOUR)

    assert (before.state, after.state) == (FaultReportState.ANSWERED, FaultReportState.OPEN)
    assert reports(session, make.ADMINISTRATOR, DeviceFilter(), limit=10) == [after]
    assert reports(session, make.ADMINISTRATOR, DeviceFilter(), limit=10, also_closed=True) == [before, after]
    assert reports(session, ANYONE, DeviceFilter(), limit=10, also_closed=True) == []


def test_two_failed_fetches_quarantine_a_device(session: Session) -> None:
    home = make.estate(session)
    device = make.device(session, of=home)
    one, two = (make.person_with_role(session, Role.RESIDENT, estate=home) for _ in range(2))

    with pytest.raises(NotSignedIn):
        say(session, device, FaultKind.NOT_FETCHED)
    elsewhere = make.person_with_role(session, Role.RESIDENT, estate=make.estate(session))
    with pytest.raises(NotAllowed):
        say(session, device, FaultKind.NOT_FETCHED, who=elsewhere)
    say(session, device, FaultKind.NOT_FETCHED, who=one)
    assert reason(session, device) == []
    say(session, device, FaultKind.NOT_FETCHED, who=two, hours=1)
    assert reason(session, device) == [QuarantineReason.FAILED_FETCHES]

    make.check(session, device, at=NOW + 2 * HOUR, answers={"access_as_described": False})
    assert reason(session, device) == [QuarantineReason.FAILED_FETCHES], (
        "one still does not get in as the register says"
    )
    make.check(session, device, at=NOW + 3 * HOUR)
    assert reason(session, device) == []


def test_failed_fetches_are_counted_from_the_last_check(session: Session) -> None:
    device = make.device(session)
    say(session, device, FaultKind.NOT_FETCHED, who=make.ADMINISTRATOR)
    make.check(session, device, at=NOW + HOUR)

    say(session, device, FaultKind.NOT_FETCHED, who=make.ADMINISTRATOR, hours=2)

    assert reason(session, device) == []


def test_a_device_that_was_used_is_out_at_once(session: Session) -> None:
    device = make.device(session)
    dispatcher = make.person_with_role(session, Role.DISPATCHER, region=make.region(session))

    say(session, device, FaultKind.USED, who=dispatcher)

    assert reason(session, device) == [QuarantineReason.USED]


def test_a_strangers_address_is_forgotten_after_a_day(session: Session) -> None:
    device = make.device(session)
    old, new = say(session, device, FaultKind.OTHER), say(session, device, FaultKind.OTHER, hours=20)

    forget_addresses(session, at=NOW + 25 * HOUR)
    session.refresh(old)
    session.refresh(new)

    assert (old.from_key, new.from_key) == (None, "a")
