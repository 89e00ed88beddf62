"""Makers' recalls: entered once, every device that is meant is quarantined and its keeper told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import batched
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, quote
from aed.accounts.permissions import Viewer, require_administrator
from aed.errors import Conflict
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation, require_version
from aed.registry.devices.models import Device
from aed.upkeep.faults import actions as quarantines
from aed.upkeep.faults.queries import active_quarantines_of
from aed.upkeep.messages import notify_keepers
from aed.upkeep.models import Recall
from aed.upkeep.recalls import queries
from aed.upkeep.recalls.schemas import RecallIn
from aed.upkeep.rules import RecallState

_AT_ONCE = 1_000
RECALL_CHARACTERS: Final = 300


def announce_recall(session: Session, who: Viewer, new: RecallIn, *, at: datetime) -> Recall:
    """The recall is entered, and every device that it means is not offered from now on.

    Raises Conflict for a reference that is entered already.
    """
    require_administrator(who)
    recall = Recall(**new.model_dump(), state=RecallState.OPEN)
    session.add(recall)
    flush_or_conflict(session, f"The recall '{new.reference}' is entered already.", "reference")
    record_creation(session, who, recall, at=at)
    apply_recall(session, who, recall, at=at)
    return recall


def apply_recall(session: Session, who: Viewer, recall: Recall, *, at: datetime) -> int:
    """How many devices fell under it that did not before: registered or corrected since.

    Each keeper gets one message, however many devices it means.
    """
    meant = queries.devices_meant(session, recall)
    if not meant:
        return 0
    devices = _devices(session, meant)
    standing = active_quarantines_of(session, meant)
    for device in devices:
        quarantines.begin_recall(session, who, device, recall, standing.get(device.id, []), at=at)
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
    """visibility: for the quarantine alone, see `queries.devices_meant`."""
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
    """How many devices fell under open recalls that did not before. The timetable's."""
    return sum(apply_recall(session, who, each, at=at) for each in queries.open_recalls(session))


def close_recall(session: Session, who: Viewer, recall_id: int, *, version: int, at: datetime) -> Recall:
    """No further device falls under it. Those that do stay quarantined until a check says it is done."""
    require_administrator(who)
    recall = queries.recall(session, recall_id)
    require_version(recall, version)
    if recall.state is RecallState.CLOSED:
        raise Conflict("The recall is closed already.", field="state")
    recall.state = RecallState.CLOSED
    record_amendment(session, who, recall, at=at)
    flush_or_conflict(session, "The recall cannot be closed.", None)
    return recall
