"""Queries for the pages of the time bank."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.registry.estates.models import Estate
from aed.timebank.goods.models import Goods, GoodsOrder
from aed.volunteering.models import ServiceRecord, Volunteer
from aed.volunteering.records.queries import service_visible_to, time_zone_of
from aed.volunteering.rules import ServiceState


def volunteer_of(session: Session, person_id: int) -> Volunteer | None:
    """Return the person as a volunteer, or None if they are not one now.

    visibility: the viewer's own.
    """
    return session.scalar(
        select(Volunteer).where(Volunteer.person_id == person_id, Volunteer.ended_at.is_(None))
    )


def zone_of(session: Session, volunteer: Volunteer | None) -> ZoneInfo:
    """Return the time zone of the volunteer's estate; UTC for a person who is no volunteer."""
    return ZoneInfo(time_zone_of(session, volunteer.estate_id) if volunteer is not None else "UTC")


def estates_to_join(session: Session, viewer: Viewer) -> Sequence[Estate]:
    """Return the estates that the viewer belongs to. visibility: the viewer's own."""
    return session.scalars(
        select(Estate).where(Estate.id.in_(viewer.own_estate_ids)).order_by(Estate.id)
    ).all()


def latest_service(session: Session, person_id: int, *, limit: int) -> Sequence[ServiceRecord]:
    """Return the latest service records of a person, newest first. visibility: the viewer's own."""
    return session.scalars(
        select(ServiceRecord)
        .where(ServiceRecord.person_id == person_id)
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.started_at.desc(), ServiceRecord.id.desc())
        .limit(limit)
    ).all()


def latest_orders(session: Session, person_id: int, *, limit: int) -> list[tuple[GoodsOrder, Goods]]:
    """Return a person's latest orders with their goods, newest first. visibility: the viewer's own."""
    rows = session.execute(
        select(GoodsOrder, Goods)
        .join(Goods, Goods.id == GoodsOrder.goods_id)
        .where(GoodsOrder.person_id == person_id)
        .order_by(GoodsOrder.id.desc())
        .limit(limit)
    )
    return [(order, goods) for order, goods in rows]


def service_to_confirm(session: Session, viewer: Viewer, *, limit: int) -> Sequence[ServiceRecord]:
    """Return pending records of others that the viewer may see, oldest first.

    Whether the viewer may confirm one of them is decided when they do.
    """
    return session.scalars(
        select(ServiceRecord)
        .where(
            ServiceRecord.state == ServiceState.PENDING,
            ServiceRecord.person_id != viewer.person_id,
            or_(ServiceRecord.recorded_by_id.is_(None), ServiceRecord.recorded_by_id != viewer.person_id),
            service_visible_to(viewer),
        )
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.id)
        .limit(limit)
    ).all()
