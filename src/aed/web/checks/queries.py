"""What the check page shows about a device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import NotAllowed, NotFound
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.settings import Settings
from aed.upkeep.checks.keepers import device_to_check
from aed.upkeep.checks.queries import check_by_key, policy_for, terms_of
from aed.upkeep.checks.rules import GLANCE_ASKS, questions_of
from aed.upkeep.faults.queries import DeviceReadiness, readiness_of
from aed.upkeep.models import Check
from aed.upkeep.rounds.queries import AssignedRound, rounds
from aed.upkeep.rounds.rules import MAX_LATE_DAYS
from aed.upkeep.rules import CheckKind, QuarantineReason, Question

SECOND_CHECK: Final = timedelta(hours=24)
"""A check within this time of an earlier one must be meant."""
MAX_ROUNDS: Final = 10
"""The latest rounds among which that of a device is looked for."""


@dataclass(frozen=True, slots=True)
class DeviceToCheck:
    """A device that the viewer may check, and the questions of its form."""

    device: Device
    ready: DeviceReadiness
    kinds: tuple[CheckKind, ...]
    """What the viewer may send, the usual one first."""
    asks: tuple[Question, ...]
    asks_about_recall: bool
    needs_new_pads: bool
    last_check: Check | None
    """The latest check or service within SECOND_CHECK."""


def device_form(
    session: Session, viewer: Viewer, device_id: int, *, at: datetime, settings: Settings
) -> DeviceToCheck:
    """Return the form of a device. Raises NotFound, NotSignedIn or NotAllowed as `device_to_check` does."""
    kinds, device = list[CheckKind](), None
    for kind in (CheckKind.CHECK, CheckKind.SERVICE, CheckKind.GLANCE):
        try:
            device = device_to_check(session, viewer, device_id, kind)
        except NotAllowed:
            continue
        kinds.append(kind)
    if device is None:
        raise NotAllowed("You need a role at the device's estate or in its region to check it.")
    ready = readiness_of(session, device, at=at, checked_within_days=settings.arrival.checked_within_days)
    reasons = {each.reason for each in ready.active}
    terms = terms_of(policy_for(session, device))
    return DeviceToCheck(
        device=device,
        ready=ready,
        kinds=tuple(kinds),
        asks=GLANCE_ASKS if kinds == [CheckKind.GLANCE] else questions_of(terms.asks, reasons),
        asks_about_recall=QuarantineReason.RECALL in reasons,
        needs_new_pads=QuarantineReason.USED in reasons,
        last_check=_last_check(session, device, since=at - SECOND_CHECK),
    )


def _last_check(session: Session, device: Device, *, since: datetime) -> Check | None:
    """Return the device's latest check or service after `since`.

    visibility: of a device that the viewer may check.
    """
    return session.scalar(
        select(Check)
        .where(
            Check.device_id == device.id,
            Check.kind.in_([CheckKind.CHECK, CheckKind.SERVICE]),
            Check.answered_at > since,
        )
        .order_by(Check.answered_at.desc())
        .limit(1)
    )


def visible_device(session: Session, viewer: Viewer, device_id: int) -> Device | None:
    """Return the device if the viewer may see it."""
    try:
        return device_queries.device(session, viewer, device_id)
    except NotFound:
        return None


def own_check(session: Session, viewer: Viewer, device: Device, key: str) -> Check | None:
    """Return the check of this device that the viewer sent under the key, or None.

    visibility: the viewer's own check.
    """
    check = check_by_key(session, key)
    is_own = check is not None and check.device_id == device.id and check.by_id == viewer.person_id
    return check if is_own else None


def round_of(session: Session, viewer: Viewer, device_id: int, *, at: datetime) -> AssignedRound | None:
    """Return the viewer's round of today, or an overdue one, with that device in its order."""
    if viewer.person_id is None:
        return None
    since = at.date() - timedelta(days=MAX_LATE_DAYS)
    for found in rounds(session, viewer, at=at, limit=MAX_ROUNDS, is_own=True, since=since):
        is_now = found.row.day <= at.date() + timedelta(days=1) and found.row.cancelled_at is None
        if is_now and any(each.device.id == device_id for each in found.in_order):
            return found
    return None
