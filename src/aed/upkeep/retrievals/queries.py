"""Queries for retrievals: devices that someone was sent to fetch, and their outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.upkeep.device_filter import DeviceFilter, managed_row, managed_rows
from aed.upkeep.models import ConfirmationRequest, Retrieval


def retrieval(session: Session, viewer: Viewer, retrieval_id: int) -> Retrieval:
    """Return a retrieval.

    Raises NotFound if it does not exist or the viewer does not keep, manage or dispatch its device.
    """
    found = managed_row(session, viewer, Retrieval, retrieval_id)
    if found is None:
        raise NotFound(
            "Retrieval {retrieval_id} does not exist, or you may not see it.",
            field="retrieval_id",
            retrieval_id=retrieval_id,
        )
    return found


def retrieval_by_key(session: Session, key: str) -> Retrieval | None:
    """Return the retrieval with that key, or None.

    visibility: the key is known only to the client that generated it.
    """
    return session.scalar(select(Retrieval).where(Retrieval.key == key))


def retrievals(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> Sequence[Retrieval]:
    """Return a page of retrievals in order of id, of devices that the viewer keeps, manages or dispatches."""
    statement = managed_rows(session, viewer, Retrieval, device_filter, limit=limit, after_id=after_id)
    if not also_closed:
        statement = statement.where(Retrieval.outcome.is_(None))
    return session.scalars(statement).all()


def open_retrievals(session: Session, device_id: int, *, until: datetime) -> Sequence[Retrieval]:
    """Return the open retrievals of a device that began no later than `until`.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(Retrieval).where(
            Retrieval.device_id == device_id, Retrieval.outcome.is_(None), Retrieval.sent_at <= until
        )
    ).all()


def due_for_follow_up(session: Session, *, at: datetime, limit: int) -> Sequence[int]:
    """Return the ids of open retrievals whose follow-up is due, the longest waiting first.

    visibility: for the scheduler.
    """
    return session.scalars(
        select(Retrieval.id)
        .where(Retrieval.outcome.is_(None), Retrieval.ask_at <= at)
        .order_by(Retrieval.ask_at, Retrieval.id)
        .limit(limit)
    ).all()


def open_requests(session: Session, device_id: int) -> Sequence[ConfirmationRequest]:
    """Return the open confirmation requests about a device.

    visibility: for closing the requests once one is answered.
    """
    return session.scalars(
        select(ConfirmationRequest)
        .where(ConfirmationRequest.device_id == device_id, ConfirmationRequest.closed_at.is_(None))
        .order_by(ConfirmationRequest.id)
    ).all()
