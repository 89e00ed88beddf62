"""Taking a device out of what is offered, and bringing it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.registry.changes import flush_or_conflict, record_amendment
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.actions.telling import tell_keepers
from aed.upkeep.models import Check, Quarantine, Recall, Report
from aed.upkeep.queries import quarantines as queries
from aed.upkeep.rules.quarantine import WORDS, Reason


def begin(
    session: Session,
    who: Viewer,
    device: Device,
    reasons: Collection[Reason],
    *,
    at: datetime,
    since: datetime | None = None,
    said: str | None = None,
    check: Check | None = None,
    report: Report | None = None,
) -> None:
    """The device is not offered from now on, for these reasons, and whoever keeps it is told.

    A reason that stands already goes on standing. `since`: when it was so, where that was before it was told.
    `device` was read for update, with its estate and region: of two who begin, one waits for the other.
    """
    standing = list(queries.standing_quarantines(session, device.id))
    known = {each.reason for each in standing}
    new = [reason for reason in reasons if reason not in known]
    for reason in new:
        quarantine = Quarantine(
            device_id=device.id,
            reason=reason,
            since=min(since or at, at),
            said=said,
            by_check_id=check.id if check is not None else None,
            by_report_id=report.id if report is not None else None,
            reason_before=_by_hand(device, standing),
        )
        session.add(quarantine)
        standing.append(quarantine)
    if not new:
        return
    session.flush()
    _show(session, who, device, standing, at=at)
    en, zh = _in_words(new)
    tell_keepers(
        session,
        who,
        [device],
        en=f"{en}. It is offered to nobody until a check brings it back.",
        zh=f"{zh}。已停用，巡检合格后恢复。",
        at=at,
    )


def begin_recall(
    session: Session,
    who: Viewer,
    device: Device,
    recall: Recall,
    standing: Iterable[Quarantine],
    *,
    at: datetime,
) -> None:
    """The same for a recall. `standing` are the device's quarantines; its keeper is told of all at once."""
    others = list(standing)
    quarantine = Quarantine(
        device_id=device.id,
        reason=Reason.RECALL,
        since=at,
        said=recall.reference,
        recall_id=recall.id,
        reason_before=_by_hand(device, others),
    )
    session.add(quarantine)
    session.flush()
    _show(session, who, device, [*others, quarantine], at=at)


def lift(
    session: Session,
    who: Viewer,
    device: Device,
    reasons: Collection[Reason],
    *,
    check: Check,
    at: datetime,
) -> None:
    """The check answers these reasons, as far as they stood when it was answered. The device is offered again
    when none is left, unless somebody had taken it out of service by hand before."""
    standing = queries.standing_quarantines(session, device.id)
    ended = [each for each in standing if each.reason in reasons and each.since <= check.answered_at]
    if not ended:
        return
    by_hand = next((each.reason_before for each in standing if each.reason_before is not None), None)
    left = [each for each in standing if each not in ended]
    for each in ended:
        each.lifted_at = max(at, each.since)
        each.lifted_by_check_id = check.id
    if left:
        left[0].reason_before = by_hand
    session.flush()
    _show(session, who, device, left, at=at, by_hand=by_hand)


def _by_hand(device: Device, standing: Collection[Quarantine]) -> str | None:
    """Why the device is out of service already by somebody's word: it is so again when the last one ends."""
    was_out = not standing and device.state is DeviceState.OUT_OF_SERVICE
    return device.out_of_service_reason if was_out else None


def _show(
    session: Session,
    who: Viewer,
    device: Device,
    standing: Collection[Quarantine],
    *,
    at: datetime,
    by_hand: str | None = None,
) -> None:
    """Keeps the device's own state in step: it is what lookups and lists ask."""
    device.is_quarantined = bool(standing)
    if device.state is not DeviceState.WITHDRAWN:
        why = "; ".join(_in_words(each.reason for each in standing)) if standing else by_hand
        device.state = DeviceState.OUT_OF_SERVICE if why is not None else DeviceState.IN_SERVICE
        device.out_of_service_reason = why
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be quarantined so.", None)


def _in_words(reasons: Iterable[Reason]) -> tuple[str, str]:
    words = [WORDS[reason] for reason in dict.fromkeys(reasons)]
    return ", ".join(en for en, _ in words), "、".join(zh for _, zh in words)
