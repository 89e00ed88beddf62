"""Beginning and lifting quarantines, and handling fault reports."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, is_insider
from aed.errors import Conflict, TooBusy
from aed.registry.changes import flush_or_conflict, record_amendment
from aed.registry.devices import queries as device_queries
from aed.registry.devices.loans import open_loan
from aed.registry.devices.models import Device
from aed.registry.devices.rules import AWAY, DeviceState
from aed.upkeep.faults import queries
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.labels.queries import labelled_device
from aed.upkeep.messages import notify_keepers
from aed.upkeep.models import Check, FaultReport, Quarantine, Recall
from aed.upkeep.permissions import require_check_allowed, require_retrieval_reporter
from aed.upkeep.rules import (
    BY_NAME_ONLY,
    QUARANTINE_WORDS,
    REPORT_WORDS,
    WHEN_CONFIRMED,
    CheckKind,
    FaultReportState,
    QuarantineReason,
    device_id_of,
    quarantine_reason_of,
)


def begin_quarantines(
    session: Session,
    who: Viewer,
    device: Device,
    reasons: Collection[QuarantineReason],
    *,
    at: datetime,
    since: datetime | None = None,
    note: str | None = None,
    check: Check | None = None,
    report: FaultReport | None = None,
) -> None:
    """Quarantine a device for each of these reasons and notify its keepers.

    Skips reasons for which the device is already quarantined. `since` is when the reason arose, if earlier
    than `at`. The device must have been read for update, with its estate and region, so that concurrent
    calls wait for each other.
    """
    active = list(queries.active_quarantines(session, device.id))
    known = {each.reason for each in active}
    new = [reason for reason in reasons if reason not in known]
    for reason in new:
        quarantine = Quarantine(
            device_id=device.id,
            reason=reason,
            since=min(since or at, at),
            note=note,
            by_check_id=check.id if check is not None else None,
            by_report_id=report.id if report is not None else None,
            reason_before=_by_hand(session, device, active),
        )
        session.add(quarantine)
        active.append(quarantine)
    if not new:
        return
    session.flush()
    _update_device_state(session, who, device, active, at=at)
    en, zh = _in_words(new)
    notify_keepers(
        session,
        who,
        [device],
        en=f"{en}. The AED is out of service until it passes a check.",
        zh=f"{zh}。已停用，巡检合格后恢复。",
        at=at,
    )


def begin_recall(
    session: Session,
    who: Viewer,
    device: Device,
    recall: Recall,
    active: Iterable[Quarantine],
    *,
    at: datetime,
) -> None:
    """Quarantine a device because of a recall, without notifying its keepers.

    `active` holds the device's active quarantines. The caller notifies each keeper once for all of their
    devices.
    """
    others = list(active)
    quarantine = Quarantine(
        device_id=device.id,
        reason=QuarantineReason.RECALL,
        since=at,
        note=recall.reference,
        recall_id=recall.id,
        reason_before=_by_hand(session, device, others),
    )
    session.add(quarantine)
    session.flush()
    _update_device_state(session, who, device, [*others, quarantine], at=at)


def lift_quarantines(
    session: Session,
    who: Viewer,
    device: Device,
    reasons: Collection[QuarantineReason],
    *,
    check: Check,
    at: datetime,
) -> None:
    """Lift the quarantines for these reasons that began before the check was answered.

    The device returns to service when none is left, unless it was taken out of service manually before the
    first quarantine.
    """
    active = queries.active_quarantines(session, device.id)
    ended = [each for each in active if each.reason in reasons and each.since <= check.answered_at]
    if not ended:
        return
    by_hand = next((each.reason_before for each in active if each.reason_before is not None), None)
    left = [each for each in active if each not in ended]
    for each in ended:
        each.lifted_at = max(at, each.since)
        each.lifted_by_check_id = check.id
    if left:
        left[0].reason_before = by_hand
    session.flush()
    _update_device_state(session, who, device, left, at=at, by_hand=by_hand)


def _by_hand(session: Session, device: Device, active: Collection[Quarantine]) -> str | None:
    """Return why the device was taken out of service manually, or None.

    That reason is restored when the last quarantine is lifted; for a loaner, once it was returned.

    visibility: of a device that the caller quarantines.
    """
    if device.stands_in_for_id is not None and not active:
        loan = open_loan(session, device)
        return loan.loaner_before["out_of_service_reason"] if loan is not None else None
    if device.out_of_service_reason == AWAY:
        return None
    was_out = not active and device.state is DeviceState.OUT_OF_SERVICE
    return device.out_of_service_reason if was_out else None


def _update_device_state(
    session: Session,
    who: Viewer,
    device: Device,
    active: Collection[Quarantine],
    *,
    at: datetime,
    by_hand: str | None = None,
) -> None:
    """Update the device's state, which lookups and lists read, from its active quarantines.

    A device that is away stays out of service until its loaner is returned; a loaner is in service.
    """
    device.is_quarantined = bool(active)
    if device.stands_in_for_id is not None:
        by_hand = None
    elif device.loaner_id is not None:
        by_hand = by_hand or AWAY
    if device.state is not DeviceState.WITHDRAWN:
        reason = "; ".join(_in_words(each.reason for each in active)) if active else by_hand
        device.state = DeviceState.OUT_OF_SERVICE if reason is not None else DeviceState.IN_SERVICE
        device.out_of_service_reason = reason
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be quarantined for this reason.", None)


def _in_words(reasons: Iterable[QuarantineReason]) -> tuple[str, str]:
    """Return the reasons in words: English, Chinese."""
    words = [QUARANTINE_WORDS[reason] for reason in dict.fromkeys(reasons)]
    return ", ".join(en for en, _ in words), "、".join(zh for _, zh in words)


log = structlog.get_logger("aed")

MAX_REPORTS_PER_ADDRESS: Final = 5
"""Maximum number of reports per hour from one address that has no role at the device."""
MAX_REPORTS_PER_DEVICE: Final = 20
"""Maximum number of reports per day of one device from strangers, from all addresses together."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def report_device(
    session: Session, who: Viewer, device_id: int, new: ReportIn, *, from_key: str | None, at: datetime
) -> FaultReport:
    """Store a fault report and notify the device's keepers of the first open one of its kind.

    A stranger's report quarantines nothing, so that strangers cannot take a network down: someone with a
    role at the device confirms it or checks the device. The kinds in `BY_NAME_ONLY` can quarantine at once
    and are accepted only from people with a role there and from dispatchers.

    Raises TooBusy if a stranger sends too many reports, NotFound for a device that the viewer may not see,
    Conflict for a withdrawn one, and NotSignedIn or NotAllowed for a kind that the viewer may not report.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    if new.kind in BY_NAME_ONLY:
        require_retrieval_reporter(who, device.estate_id, device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    is_stranger = not is_insider(who, device.estate_id, device.region_id)
    if is_stranger:
        _require_few_reports_from(session, from_key, at=at)
        if _has_enough(session, device, at=at):
            raise TooBusy(
                "Thank you. This device has already been reported several times today, and its keeper "
                "has been notified. 谢谢！今天已多次收到该设备的反映，并已通知AED管理员。",
                retry_after_seconds=3600,
            )
    return store_report(session, who, device, new, from_key=from_key if is_stranger else None, at=at)


def report_by_number(
    session: Session, who: Viewer, number: str, new: ReportIn, *, from_key: str | None, at: datetime
) -> None:
    """Store a fault report for the device with that label number, even a private one.

    Someone who reads the label stands in front of the device. The response does not reveal whether the
    device exists. Raises InvalidInput for a mistyped number and TooBusy for too many reports.
    """
    device_id = device_id_of(number)
    if new.kind in BY_NAME_ONLY:
        report_device(session, who, device_id, new, from_key=from_key, at=at)
        return
    device = labelled_device(session, device_id)
    is_stranger = device is None or not is_insider(who, device.estate_id, device.region_id)
    if is_stranger:
        _require_few_reports_from(session, from_key, at=at)
    if device is None or device.state is DeviceState.WITHDRAWN:
        log.info("fault report with an unknown device number", number=number)
    elif not (is_stranger and _has_enough(session, device, at=at)):
        store_report(session, who, device, new, from_key=from_key if is_stranger else None, at=at)


def _require_few_reports_from(session: Session, from_key: str | None, *, at: datetime) -> None:
    """Raise TooBusy if the address has reached MAX_REPORTS_PER_ADDRESS."""
    if queries.count_recent_reports(session, since=at - _HOUR, from_key=from_key) >= MAX_REPORTS_PER_ADDRESS:
        raise TooBusy(
            "Thank you. You have reported several devices: please wait an hour before reporting "
            "another. 谢谢！您已反映多台设备，请一小时后再试。",
            retry_after_seconds=3600,
        )


def _has_enough(session: Session, device: Device, *, at: datetime) -> bool:
    """Return whether the device has reached MAX_REPORTS_PER_DEVICE."""
    return (
        queries.count_recent_reports(session, since=at - _DAY, device_id=device.id) >= MAX_REPORTS_PER_DEVICE
    )


def store_report(
    session: Session,
    who: Viewer,
    device: Device,
    new: ReportIn,
    *,
    from_key: str | None,
    at: datetime,
    is_notified: bool = False,
) -> FaultReport:
    """Store a fault report, begin the quarantine that follows from it, or else notify the keepers.

    `is_notified`: the caller notifies the keepers itself.

    The caller has checked permissions and read the device for update, with its estate and region.
    """
    is_first = all(each.kind is not new.kind for each in queries.open_reports(session, device.id, until=at))
    report = FaultReport(
        device_id=device.id,
        kind=new.kind,
        note=new.note,
        at=at,
        by_id=who.person_id,
        by_name=who.name if who.is_signed_in else None,
        from_key=from_key,
        state=FaultReportState.OPEN,
    )
    session.add(report)
    session.flush()
    reason = quarantine_reason_of(new.kind, failed_fetches=queries.count_failed_fetches(session, device.id))
    if reason is not None:
        begin_quarantines(session, who, device, [reason], at=at, note=new.note, report=report)
    elif is_first and not is_notified:
        en, zh = REPORT_WORDS[new.kind]
        # Leave out the note itself, because a stranger may have written it.
        said_en, said_zh = (" (with a note)", "（附有说明）") if new.note else ("", "")
        notify_keepers(
            session,
            who,
            [device],
            en=f"reported: {en}{said_en}. Please check it and send the result (report {report.id}).",
            zh=f"有人反映：{zh}{said_zh}。请到现场巡检并提交结果（反映{report.id}）。",
            at=at,
        )
    return report


def close_report(
    session: Session, who: Viewer, report_id: int, *, state: FaultReportState, at: datetime
) -> FaultReport:
    """Confirm or dismiss a fault report; a confirmed one may quarantine the device.

    For viewers who may check the device. Raises Conflict if the report is already closed.
    """
    found = queries.report(session, who, report_id)
    device = device_queries.device(session, who, found.device_id, for_update=True)
    require_check_allowed(who, CheckKind.CHECK, device.estate_id, device.region_id)
    session.refresh(found, with_for_update=True)
    if found.state is not FaultReportState.OPEN:
        raise Conflict("The report is already {state}.", field="state", state=found.state)
    found.state, found.closed_at, found.closed_by = state, at, who.name
    session.flush()
    reason = WHEN_CONFIRMED.get(found.kind)
    if (
        state is FaultReportState.CONFIRMED
        and reason is not None
        and device.state is not DeviceState.WITHDRAWN
    ):
        begin_quarantines(session, who, device, [reason], at=at, note=found.note, report=found)
    return found


def forget_addresses(session: Session, *, at: datetime) -> None:
    """Erase reporters' address keys after one day, when the rate limits no longer need them."""
    session.execute(
        update(FaultReport)
        .where(FaultReport.at <= at - _DAY, FaultReport.from_key.is_not(None))
        .values(from_key=None)
    )
