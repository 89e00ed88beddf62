"""Announcing and closing makers' recalls: every affected device is quarantined and its keepers notified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import batched
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, quote
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.types import require_version
from aed.errors import Conflict
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.registry.devices.models import Device
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.queries import active_quarantines_of
from aed.upkeep.messages import notify_keepers
from aed.upkeep.models import Recall
from aed.upkeep.recalls import queries
from aed.upkeep.recalls.schemas import RecallIn
from aed.upkeep.rules import RecallState

_AT_ONCE = 1_000
RECALL_CHARACTERS: Final = 300


def announce_recall(session: Session, who: Viewer, new: RecallIn, *, at: datetime) -> Recall:
    """Create a recall and quarantine every affected device.

    For administrators. Raises Conflict if a recall with that reference exists.
    """
    require_administrator(who)
    recall = Recall(**new.model_dump(), state=RecallState.OPEN)
    session.add(recall)
    flush_or_conflict(
        session, f"The recall '{new.reference}' of this maker is already registered.", "reference"
    )
    record_creation(session, who, recall, at=at)
    apply_recall(session, who, recall, at=at)
    return recall


def apply_recall(session: Session, who: Viewer, recall: Recall, *, at: datetime) -> int:
    """Quarantine devices newly affected by a recall, and return how many.

    Sends each keeper one message, however many devices are affected.
    """
    meant = queries.devices_to_recall(session, recall)
    if not meant:
        return 0
    devices = _devices(session, meant)
    active = active_quarantines_of(session, meant)
    for device in devices:
        fault_actions.begin_recall(session, who, device, recall, active.get(device.id, []), at=at)
    reference = quote(recall.reference, limit=MAX_PLACE_CHARACTERS)
    notify_keepers(
        session,
        who,
        devices,
        en=f"recalled by the maker ({reference}): {quote(recall.text_en, limit=RECALL_CHARACTERS)}",
        zh=f"厂家召回（{reference}）：{quote(recall.text_zh, limit=RECALL_CHARACTERS)}",
        at=at,
    )
    return len(devices)


def _devices(session: Session, ids: Sequence[int]) -> list[Device]:
    """Lock and return these devices, in order of id.

    visibility: only for quarantining, see `queries.devices_meant`.
    """
    found: list[Device] = []
    for some in batched(ids, _AT_ONCE):
        found += session.scalars(
            select(Device)
            .where(Device.id.in_(some))
            .options(joinedload(Device.region), joinedload(Device.estate))
            .order_by(Device.id)
            .with_for_update(of=Device)
        )
    return found


def apply_open_recalls(session: Session, who: Viewer, *, at: datetime) -> int:
    """Apply every open recall to devices registered or corrected since; return the number of devices."""
    return sum(apply_recall(session, who, each, at=at) for each in queries.open_recalls(session))


def close_recall(session: Session, who: Viewer, recall_id: int, *, version: int, at: datetime) -> Recall:
    """Close a recall; devices already quarantined remain so until they pass a check.

    For administrators. Raises Conflict if it is already closed or if `version` is not the current one.
    """
    require_administrator(who)
    recall = queries.recall(session, recall_id)
    require_version(recall, version)
    if recall.state is RecallState.CLOSED:
        raise Conflict("The recall is already closed.", field="state")
    recall.state = RecallState.CLOSED
    record_amendment(session, who, recall, at=at)
    flush_or_conflict(session, "The recall cannot be closed.", None)
    return recall
