"""Reading call-outs: which devices were sent for, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import managed_by, visible_to
from aed.errors import NotFound
from aed.registry.devices.models import Device
from aed.upkeep.device_filter import Whose, narrowed
from aed.upkeep.models import CallOut, Errand


def call_out(session: Session, viewer: Viewer, call_out_id: int) -> CallOut:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    found = session.scalar(
        select(CallOut)
        .join(Device, Device.id == CallOut.device_id)
        .where(CallOut.id == call_out_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )
    if found is None:
        raise NotFound(f"There is no call-out {call_out_id} that you may see.", field="call_out_id")
    return found


def call_out_by_key(session: Session, key: str) -> CallOut | None:
    """visibility: the key is known to whoever made it up."""
    return session.scalar(select(CallOut).where(CallOut.key == key))


def call_outs(
    session: Session,
    viewer: Viewer,
    whose: Whose,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> Sequence[CallOut]:
    """A page in order of id, of devices whose upkeep is the viewer's business."""
    statement = (
        select(CallOut)
        .join(Device, Device.id == CallOut.device_id)
        .where(visible_to(viewer, Device), managed_by(viewer, Device), *narrowed(session, whose))
        .where(CallOut.id > after_id)
        .order_by(CallOut.id)
        .limit(limit)
    )
    if not also_closed:
        statement = statement.where(CallOut.outcome.is_(None))
    return session.scalars(statement).all()


def open_call_outs_of(session: Session, device_id: int, *, until: datetime) -> Sequence[CallOut]:
    """Those that began up to a moment.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(CallOut).where(
            CallOut.device_id == device_id, CallOut.outcome.is_(None), CallOut.sent_at <= until
        )
    ).all()


def to_be_asked_after(session: Session, *, at: datetime, limit: int) -> Sequence[int]:
    """The ids of those that are to be asked after now, the longest silent first.

    visibility: for the timetable.
    """
    return session.scalars(
        select(CallOut.id)
        .where(CallOut.outcome.is_(None), CallOut.ask_at <= at)
        .order_by(CallOut.ask_at, CallOut.id)
        .limit(limit)
    ).all()


def open_errands_of(session: Session, device_id: int) -> Sequence[Errand]:
    """visibility: for whoever answers a question about the device, so that it is closed."""
    return session.scalars(
        select(Errand).where(Errand.device_id == device_id, Errand.closed_at.is_(None)).order_by(Errand.id)
    ).all()
