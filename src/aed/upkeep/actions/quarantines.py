"""Taking a device out of what is offered, and bringing it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.registry.actions.record import flush, record_amendment
from aed.registry.models import Device
from aed.registry.rules.device import DeviceState
from aed.upkeep.models import Check, Quarantine
from aed.upkeep.queries import checks as queries
from aed.upkeep.rules.quarantine import WORDS, Reason


def begin(
    session: Session,
    who: Viewer,
    device: Device,
    reason: Reason,
    *,
    at: datetime,
    said: str | None = None,
    check: Check | None = None,
    recall_id: int | None = None,
) -> Quarantine:
    """The device is not offered from now on, for this reason; the standing one when it is so already.

    `device` was read for update: of two who begin, one waits for the other.
    """
    standing = queries.standing_quarantines(session, device.id)
    for each in standing:
        if each.reason is reason and each.recall_id == recall_id:
            return each
    was_out_by_hand = not standing and device.state is DeviceState.OUT_OF_SERVICE
    quarantine = Quarantine(
        device_id=device.id,
        reason=reason,
        since=at,
        said=said,
        by_check_id=check.id if check is not None else None,
        recall_id=recall_id,
        reason_before=device.out_of_service_reason if was_out_by_hand else None,
    )
    session.add(quarantine)
    session.flush()
    _show(session, who, device, [*standing, quarantine], at=at)
    return quarantine


def lift(
    session: Session,
    who: Viewer,
    device: Device,
    reasons: Collection[Reason],
    *,
    check: Check,
    at: datetime,
) -> None:
    """The check answers these reasons. The device is offered again when none is left."""
    standing = queries.standing_quarantines(session, device.id)
    ended = [each for each in standing if each.reason in reasons]
    for each in ended:
        each.lifted_at = max(at, each.since)
        each.lifted_by_check_id = check.id
    left = [each for each in standing if each not in ended]
    before = next((each.reason_before for each in standing if each.reason_before is not None), None)
    if ended and left and before is not None:
        left[0].reason_before = before
    if ended:
        session.flush()
        _show(session, who, device, left, at=at, by_hand=before)


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
    if standing:
        words = [WORDS[reason] for reason in dict.fromkeys(each.reason for each in standing)]
        device.out_of_service_reason = "; ".join(f"{en} {zh}" for en, zh in words)
    else:
        device.out_of_service_reason = by_hand
    if device.state is not DeviceState.WITHDRAWN:
        is_out = device.out_of_service_reason is not None
        device.state = DeviceState.OUT_OF_SERVICE if is_out else DeviceState.IN_SERVICE
    else:
        device.out_of_service_reason = None
    record_amendment(session, who, device, at=at)
    flush(session, "The device cannot be quarantined so.", None)
