"""Reading retrievals: which devices were sent for, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import managed_by, visible_to
from aed.errors import NotFound
from aed.registry.devices.models import Device
from aed.upkeep.device_filter import DeviceFilter, filter_conditions
from aed.upkeep.models import ConfirmationRequest, Retrieval


def retrieval(session: Session, viewer: Viewer, retrieval_id: int) -> Retrieval:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    found = session.scalar(
        select(Retrieval)
        .join(Device, Device.id == Retrieval.device_id)
        .where(Retrieval.id == retrieval_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )
    if found is None:
        raise NotFound(f"There is no retrieval {retrieval_id} that you may see.", field="retrieval_id")
    return found


def retrieval_by_key(session: Session, key: str) -> Retrieval | None:
    """visibility: the key is known to whoever made it up."""
    return session.scalar(select(Retrieval).where(Retrieval.key == key))


def retrievals(
    session: Session,
    viewer: Viewer,
    whose: DeviceFilter,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> Sequence[Retrieval]:
    """A page in order of id, of devices whose upkeep is the viewer's business."""
    statement = (
        select(Retrieval)
        .join(Device, Device.id == Retrieval.device_id)
        .where(visible_to(viewer, Device), managed_by(viewer, Device), *filter_conditions(session, whose))
        .where(Retrieval.id > after_id)
        .order_by(Retrieval.id)
        .limit(limit)
    )
    if not also_closed:
        statement = statement.where(Retrieval.outcome.is_(None))
    return session.scalars(statement).all()


def open_retrievals(session: Session, device_id: int, *, until: datetime) -> Sequence[Retrieval]:
    """Those that began up to a moment.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(Retrieval).where(
            Retrieval.device_id == device_id, Retrieval.outcome.is_(None), Retrieval.sent_at <= until
        )
    ).all()


def due_for_follow_up(session: Session, *, at: datetime, limit: int) -> Sequence[int]:
    """The ids of those that are to be asked after now, the longest silent first.

    visibility: for the timetable.
    """
    return session.scalars(
        select(Retrieval.id)
        .where(Retrieval.outcome.is_(None), Retrieval.ask_at <= at)
        .order_by(Retrieval.ask_at, Retrieval.id)
        .limit(limit)
    ).all()


def open_requests(session: Session, device_id: int) -> Sequence[ConfirmationRequest]:
    """visibility: for whoever answers a question about the device, so that it is closed."""
    return session.scalars(
        select(ConfirmationRequest)
        .where(ConfirmationRequest.device_id == device_id, ConfirmationRequest.closed_at.is_(None))
        .order_by(ConfirmationRequest.id)
    ).all()
