"""Approval of a check that passed by a second person (复核), where the policy asks for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, joinedload

from aed.accounts.free_text import MAX_REASON_CHARACTERS, quote
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.database.session import SETTINGS
from aed.errors import Conflict, NotFound, NotSignedIn
from aed.registry.changes import record_note
from aed.registry.devices.corrections import amend_from_check, local_day
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceAmend
from aed.upkeep.checks.keepers import device_to_check
from aed.upkeep.checks.rules import APPROVAL_REMINDERS, is_approval_reminder_due
from aed.upkeep.checks.schemas import ApprovalIn
from aed.upkeep.confirmations.actions import record_confirmations
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.queries import open_reports
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.messages import keepers_of_devices, notify_person
from aed.upkeep.models import Check, CheckApproval
from aed.upkeep.permissions import require_second_person
from aed.upkeep.rules import (
    ApprovalState,
    CheckKind,
    Fact,
    FaultKind,
    FaultReportState,
    QuarantineReason,
    short_number,
)

log = structlog.get_logger("aed")

NOTE: Final = "check_approval"
"""The name under which the history of a device records a decision."""
AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class DecidedCheck:
    """A check, with the decision of a second person, and its device."""

    check: Check
    approval: CheckApproval
    device: Device


def ask_for_approval(
    session: Session, check: Check, lifts: Collection[QuarantineReason], *, due_at: datetime
) -> None:
    """Let a check wait for a second person; `lifts` are the quarantines that an approval lifts."""
    session.add(
        CheckApproval(
            check_id=check.id,
            device_id=check.device_id,
            due_at=due_at,
            lifts=sorted(str(each) for each in lifts),
            state=ApprovalState.WAITING,
        )
    )
    session.flush()


def overtake_approvals(session: Session, device: Device, check: Check, *, at: datetime) -> None:
    """Close what waits for approval at a device, because it was checked again."""
    session.execute(
        update(CheckApproval)
        .where(
            CheckApproval.device_id == device.id,
            CheckApproval.state == ApprovalState.WAITING,
            CheckApproval.check_id != check.id,
        )
        .values(state=ApprovalState.OVERTAKEN, decided_at=at)
    )


def mark_as_checked(session: Session, who: Viewer, device: Device, check: Check, *, at: datetime) -> None:
    """Write the day of a passed check into the register, unless the device was checked later."""
    day = local_day(device, check.answered_at)
    if device.last_checked_on is None or day > device.last_checked_on:
        amend_from_check(session, who, device, DeviceAmend(last_checked_on=day), at=at)


def close_reports(session: Session, who: Viewer, check: Check, *, at: datetime) -> None:
    """Close the fault reports that were made before the device was checked."""
    for report in open_reports(session, check.device_id, until=check.answered_at):
        report.state, report.closed_at, report.closed_by = FaultReportState.ANSWERED, at, who.name


def decide_on_check(
    session: Session, who: Viewer, check_id: int, given: ApprovalIn, *, at: datetime
) -> DecidedCheck:
    """Approve or refuse a check that waits. For a keeper or manager of the device who did not check it.

    1. Approved, it counts from now as a check that passed: it lifts quarantines that began before it,
       closes reports made before it, and the device counts as checked on its day.
    2. Refused, it does not count: a report with the reason stays open until the next check.
    3. Failed: as refused, and the device is quarantined until it passes a check.

    The same decision of the same person again changes nothing. Raises Conflict if the check does not wait,
    NotFound, NotSignedIn or NotAllowed.

    visibility: through `device_to_check`.
    """
    check = session.get(Check, check_id)
    unknown = NotFound(
        "Check {check_id} does not exist, or you may not see it.", field="check_id", check_id=check_id
    )
    if check is None:
        raise unknown
    try:
        device = device_to_check(session, who, check.device_id, CheckKind.SERVICE, for_update=True)
    except NotFound as error:
        raise unknown from error
    except NotSignedIn as error:
        raise NotSignedIn("Sign in to approve a check.") from error
    require_second_person(who, checked_by_id=check.by_id)
    approval = session.get(CheckApproval, check.id, populate_existing=True)  # the device is locked
    if approval is None:
        raise Conflict("This check needs no approval by a second person.", field="check_id")
    decision = ApprovalState(given.decision)
    if approval.state is not ApprovalState.WAITING:
        if approval.state is decision and approval.decided_by_id == who.person_id:
            return DecidedCheck(check, approval, device)
        raise Conflict("This check is already {state}.", field="decision", state=approval.state)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="check_id")
    approval.state, approval.reason, approval.decided_at = decision, given.reason, at
    approval.decided_by_id, approval.decided_by = who.person_id, who.name
    record_note(session, who, device, {NOTE: [ApprovalState.WAITING.value, decision.value]}, at=at)
    session.flush()
    if decision is ApprovalState.APPROVED:
        mark_as_checked(session, who, device, check, at=at)
        lifts = {QuarantineReason(each) for each in approval.lifts}
        fault_actions.lift_quarantines(session, who, device, lifts, check=check, at=at)
        record_confirmations(session, who, device, {Fact.READINESS}, at=min(check.answered_at, at))
        close_reports(session, who, check, at=at)
    elif decision is ApprovalState.FAILED:
        reasons = [QuarantineReason.FAILED_CHECK]
        fault_actions.begin_quarantines(session, who, device, reasons, at=at, note=given.reason, check=check)
        _notify_of_refusal(session, who, device, check, given.reason or "", only_inspector=True, at=at)
    else:
        report = ReportIn(kind=FaultKind.OTHER, note=given.reason)
        fault_actions.store_report(session, who, device, report, from_key=None, at=at, is_notified=True)
        _notify_of_refusal(session, who, device, check, given.reason or "", at=at)
    session.flush()
    return DecidedCheck(check, approval, device)


def _notify_of_refusal(
    session: Session,
    who: Viewer,
    device: Device,
    check: Check,
    reason: str,
    *,
    only_inspector: bool = False,
    at: datetime,
) -> None:
    """Notify the person who checked and the device's keepers that the check is to be done again.

    `only_inspector`: the keepers have been notified already.

    visibility: for messages to the recipients themselves.
    """
    keepers = [person for person, _ in keepers_of_devices(session, [device])]
    people = {} if only_inspector else {person.id: person for person in keepers}
    inspector = session.get(Person, check.by_id) if check.by_id is not None else None
    if inspector is not None and not (only_inspector and inspector.id in {each.id for each in keepers}):
        people[inspector.id] = inspector
    words = quote(reason, limit=MAX_REASON_CHARACTERS)
    for person in people.values():
        if person.id != who.person_id:
            notify_person(
                session,
                person,
                [device],
                en=f"the check was not approved: {words}. Please check it again.",
                zh=f"复核未通过：{words}。请重新巡检。",
                at=at,
            )


def remind_of_approvals(session: Session, *, at: datetime) -> int:
    """Remind people of checks that wait too long for a second person, weekly and by day; return how many.

    Notifies the keepers and managers of the estate and the device's keeper, except who did the check;
    without any of them, the administrators of the region.

    visibility: for messages to the recipients themselves.
    """
    late = session.scalars(
        select(CheckApproval)
        .join(Device, Device.id == CheckApproval.device_id)
        .where(
            CheckApproval.state == ApprovalState.WAITING,
            CheckApproval.due_at <= at,
            or_(CheckApproval.reminded_at.is_(None), CheckApproval.reminded_at <= at - APPROVAL_REMINDERS),
            Device.state != DeviceState.WITHDRAWN,
        )
        .options(
            joinedload(CheckApproval.check),
            joinedload(CheckApproval.device).joinedload(Device.estate),
            joinedload(CheckApproval.device).joinedload(Device.region),
        )
        .order_by(CheckApproval.due_at)
        .limit(AT_ONCE)
    ).all()
    theirs: dict[int, list[Device]] = defaultdict(list)
    reminded = 0
    for approval in late:
        device = approval.device
        zone = (device.estate.time_zone if device.estate is not None else None) or device.region.time_zone
        hour = at.astimezone(ZoneInfo(zone)).hour
        if not is_approval_reminder_due(
            approval.due_at, reminded_at=approval.reminded_at, now=at, local_hour=hour
        ):
            continue
        approval.reminded_at = at
        reminded += 1
        people = _second_people(session, device, checked_by_id=approval.check.by_id)
        if not people:
            log.warning("nobody can approve a check", check=approval.check_id, device=device.id)
        for person_id in people:
            theirs[person_id].append(device)
    public_url: str | None = session.info[SETTINGS].public_url
    for person_id, devices in theirs.items():
        person = session.get_one(Person, person_id)
        count = len(devices)
        en = "a check waits for your approval." if count == 1 else f"{count} checks wait for your approval."
        zh = "巡检逾期未复核，请复核。" if count == 1 else f"{count}次巡检逾期未复核，请复核。"
        if public_url is not None and count == 1:
            link = f"{public_url}/d/{short_number(devices[0].id)}/checks"
            en, zh = f"{en} {link}", f"{zh}{link}"
        notify_person(session, person, devices, en=en, zh=zh, at=at, is_one_sms=count == 1)
    session.flush()
    return reminded


def _second_people(session: Session, device: Device, *, checked_by_id: int | None) -> list[int]:
    """Return the ids of the people who may approve a check of the device, in order of their roles.

    visibility: for messages to the recipients themselves.
    """
    grants = select(RoleGrant.person_id).where(RoleGrant.revoked_at.is_(None)).order_by(RoleGrant.id)
    found: list[int] = [device.keeper_id] if device.keeper_id is not None else []
    if device.estate_id is not None:
        roles = (Role.ESTATE_MANAGER, Role.KEEPER)
        of_estate = grants.where(RoleGrant.estate_id == device.estate_id, RoleGrant.role.in_(roles))
        found += session.scalars(of_estate)
    people = [each for each in dict.fromkeys(found) if each != checked_by_id]
    if people:
        return people
    of_region = grants.where(RoleGrant.region_id == device.region_id, RoleGrant.role == Role.ADMINISTRATOR)
    return [each for each in dict.fromkeys(session.scalars(of_region)) if each != checked_by_id]
