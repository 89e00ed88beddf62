"""A check that passed waits for a second person, where the policy asks for that."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from aed.notifications.models import OutboxMessage
from aed.registry.changes import changes_of
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates.models import Estate
from aed.upkeep.checks.approvals import decide_on_check, remind_of_approvals
from aed.upkeep.checks.queries import approvals_of, count_checks, waiting_approvals
from aed.upkeep.checks.rules import is_approval_reminder_due
from aed.upkeep.checks.schemas import ApprovalIn
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import duties, is_due_before
from aed.upkeep.faults.queries import active_quarantines, open_reports
from aed.upkeep.models import Check, CheckApproval
from aed.upkeep.rounds.queries import round_by_id
from aed.upkeep.rounds.rules import RoundState
from aed.upkeep.rules import ApprovalState, QuarantineReason
from tests import make
from tests.make import ADMINISTRATOR, NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY, LONG_AGO = date(2026, 9, 22), date(2026, 8, 1)
APPROVED = ApprovalIn(decision="approved")
REFUSED = ApprovalIn(decision="refused", reason="The photo shows another AED")
FAILED = ApprovalIn(decision="failed", reason="The light is red on the photo")


def estate_that_asks(session: Session) -> tuple[Estate, Viewer, Viewer]:
    """Return an estate whose policy asks for approval within 3 days, its keeper and its manager."""
    estate = make.estate(session)
    make.policy(session, of=estate, approval_days=3)
    keeper = make.person_with_role(session, Role.KEEPER, estate=estate)
    return estate, keeper, make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)


def approval(session: Session, check: Check) -> CheckApproval | None:
    return approvals_of(session, [check]).get(check.id)


def reasons(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def test_strangers_and_the_inspector_approve_nothing(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    device = make.device(session, of=estate)
    check = make.check(session, device, who=keeper).check
    elsewhere = make.person_with_role(
        session, Role.ESTATE_MANAGER, estate=make.estate(session, in_region="CN-44")
    )
    resident = make.person_with_role(session, Role.RESIDENT, estate=estate)
    hidden = make.check(session, make.device(session, of=estate, audience="estate"), who=keeper).check
    with pytest.raises(NotFound, match=f"Check {hidden.id}"):
        decide_on_check(session, elsewhere, hidden.id, APPROVED, at=NOW)

    for who, error in (
        (ANYONE, NotSignedIn),
        (elsewhere, NotAllowed),
        (resident, NotAllowed),
        (make.member(estate), NotAllowed),
        (keeper, NotAllowed),
    ):
        with pytest.raises(error):
            decide_on_check(session, who, check.id, APPROVED, at=NOW)
        expected = [] if who in (ANYONE, elsewhere) else [check, hidden]
        found = waiting_approvals(session, who, DeviceFilter(), limit=10)
        assert [each.check for each in found] == expected
    assert decide_on_check(session, manager, check.id, APPROVED, at=NOW).approval.decided_by_id is not None


def test_a_passed_check_returns_a_device_to_service_once_it_is_approved(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    device = make.device(session, of=estate, last_checked_on=LONG_AGO)
    make.check(session, device, who=keeper, answers={"status_light": False})
    assert (device.state, reasons(session, device)) == (
        DeviceState.OUT_OF_SERVICE,
        [QuarantineReason.FAILED_CHECK],
    ), "a failure is never held back"
    report = make.report(session, device)

    check = make.check(session, device, who=keeper, at=NOW + HOUR).check
    assert check.is_passed
    assert (device.state, device.last_checked_on) == (DeviceState.OUT_OF_SERVICE, LONG_AGO)
    assert reasons(session, device) == [QuarantineReason.FAILED_CHECK]
    assert list(open_reports(session, device.id, until=NOW + DAY)) == [report]

    for _ in range(2):
        decide_on_check(session, manager, check.id, APPROVED, at=NOW + 2 * HOUR)
    assert (device.state, device.last_checked_on) == (DeviceState.IN_SERVICE, TODAY)
    assert reasons(session, device) == []
    assert list(open_reports(session, device.id, until=NOW + DAY)) == []
    with pytest.raises(Conflict, match="already approved"):
        decide_on_check(session, manager, check.id, REFUSED, at=NOW + 2 * HOUR)
    notes = [each.fields for each in changes_of(session, subject="devices", subject_id=str(device.id))]
    assert {"check_approval": ["waiting", "approved"]} in notes


def test_a_ready_device_stays_as_it_was_and_is_due_again_once_refused(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    device = make.device(session, of=estate, last_checked_on=LONG_AGO)
    check = make.check(session, device, who=keeper).check

    def is_check_due() -> bool:
        found = duties(session, ADMINISTRATOR, DeviceFilter(), at=NOW, within_days=0)
        listed = session.scalar(
            select(Device.id).where(
                is_due_before(session, TODAY, estate_id=estate.id, time_zone="Asia/Shanghai", today=TODAY)
            )
        )
        is_due = "check" in {str(each.due_kind) for each in found.dues}
        assert is_due == (listed is not None)
        return is_due

    assert (device.state, device.last_checked_on) == (DeviceState.IN_SERVICE, LONG_AGO)
    assert not is_check_due(), "the inspector has done their part"
    decide_on_check(session, manager, check.id, REFUSED, at=NOW + HOUR)

    assert (device.state, device.last_checked_on) == (DeviceState.IN_SERVICE, LONG_AGO)
    assert is_check_due()
    assert [each.note for each in open_reports(session, device.id, until=NOW + DAY)] == [REFUSED.reason]
    texts = session.scalars(select(OutboxMessage.text_zh)).all()
    assert [each for each in texts if each and "复核未通过" in each and "another AED" in each]


def test_a_round_is_done_once_the_checks_that_wait_are_approved(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    one, other = make.device(session, of=estate), make.device(session, of=estate)
    assert keeper.person_id is not None
    inspector = session.get_one(Person, keeper.person_id)
    row = make.inspection_round(session, estate, inspector, one, other)

    def seen() -> tuple[int, int, RoundState, int | None]:
        found = round_by_id(session, ADMINISTRATOR, row.id, at=NOW)
        next_id = found.next_stop.device.id if found.next_stop is not None else None
        return found.checked, found.waiting, found.state, next_id

    checks = [make.check(session, each, who=keeper, answered_at=NOW, at=NOW).check for each in (one, other)]
    assert seen() == (0, 2, RoundState.WAITING, None)
    decide_on_check(session, manager, checks[0].id, APPROVED, at=NOW)
    assert seen() == (1, 1, RoundState.WAITING, None)
    decide_on_check(session, manager, checks[1].id, REFUSED, at=NOW)
    assert seen() == (1, 0, RoundState.TODAY, other.id), "it is to be checked again"
    again = make.check(session, other, who=keeper, answered_at=NOW + HOUR, at=NOW + HOUR).check
    decide_on_check(session, manager, again.id, FAILED, at=NOW + HOUR)
    assert seen() == (2, 0, RoundState.DONE, None), "it was visited, and did not pass"
    stops = round_by_id(session, ADMINISTRATOR, row.id, at=NOW).stops
    assert {each.device.id: each.is_passed for each in stops} == {one.id: True, other.id: False}


def test_a_device_that_is_not_all_right_is_quarantined_by_the_second_person(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    device = make.device(session, of=estate)
    check = make.check(session, device, who=keeper).check

    decide_on_check(session, manager, check.id, FAILED, at=NOW + HOUR)

    assert reasons(session, device) == [QuarantineReason.FAILED_CHECK]
    assert [each.note for each in active_quarantines(session, device.id)] == [FAILED.reason]


def test_a_later_check_overtakes_and_a_policy_without_approval_asks_nobody(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    device, free = make.device(session, of=estate), make.device(session, last_checked_on=LONG_AGO)
    first = make.check(session, device, who=keeper).check
    failed = make.check(session, device, who=keeper, at=NOW + HOUR, answers={"status_light": False}).check

    overtaken = approval(session, first)
    assert overtaken is not None
    session.refresh(overtaken)
    assert overtaken.state is ApprovalState.OVERTAKEN
    assert approval(session, failed) is None
    with pytest.raises(Conflict, match="already overtaken"):
        decide_on_check(session, manager, first.id, APPROVED, at=NOW + HOUR)
    with pytest.raises(Conflict, match="needs no approval"):
        decide_on_check(session, manager, failed.id, APPROVED, at=NOW + HOUR)
    assert approval(session, make.check(session, free).check) is None
    assert free.last_checked_on == TODAY


def test_reminders_of_a_late_approval_are_weekly_and_by_day() -> None:
    def is_due(late: timedelta, reminded: timedelta | None, hour: int = 10) -> bool:
        reminded_at = NOW - reminded if reminded is not None else None
        return is_approval_reminder_due(NOW - late, reminded_at=reminded_at, now=NOW, local_hour=hour)

    assert [is_due(-HOUR, None), is_due(HOUR, None), is_due(HOUR, None, hour=22)] == [False, True, False]
    assert [is_due(9 * DAY, 6 * DAY), is_due(9 * DAY, 7 * DAY)] == [False, True]


def test_the_second_people_are_reminded_once_a_week(session: Session) -> None:
    estate, keeper, _ = estate_that_asks(session)
    device = make.device(session, of=estate)
    make.check(session, device, who=keeper)

    counts = [remind_of_approvals(session, at=NOW + each * DAY) for each in (2, 4, 5, 11)]

    texts = session.scalars(select(OutboxMessage.text_zh).where(OutboxMessage.text_zh.contains("复核"))).all()
    assert (counts, len(texts)) == ([0, 1, 0, 1], 2), "to the manager, not to the keeper who checked"
    assert all(each is not None and len(each) <= 70 for each in texts)


def test_checks_are_counted_as_the_second_person_decided(session: Session) -> None:
    estate, keeper, manager = estate_that_asks(session)
    checks = [make.check(session, make.device(session, of=estate), who=keeper).check for _ in range(4)]
    make.check(session, make.device(session, of=estate), who=keeper, answers={"status_light": False})
    counted = DeviceFilter(estate_id=estate.id)
    assert count_checks(session, manager, counted, bounds=[NOW - DAY, NOW + DAY]) == [(0, 1)], "they wait"

    for check, decision in zip(checks, (APPROVED, APPROVED, REFUSED, FAILED), strict=True):
        decide_on_check(session, manager, check.id, decision, at=NOW + HOUR)
    assert count_checks(session, manager, counted, bounds=[NOW - DAY, NOW + DAY]) == [(2, 2)]
