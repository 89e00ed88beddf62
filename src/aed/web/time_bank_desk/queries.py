"""Queries for the desk of the time bank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.accounts.people.queries import account_by_phone, people_visible_to
from aed.accounts.people.rules import e164
from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.models import Region
from aed.registry.estates.models import Estate
from aed.timebank.goods.models import GoodsOrder
from aed.volunteering.models import ServiceRecord
from aed.volunteering.rules import ServiceState
from aed.volunteering.volunteers.queries import in_managed_estates


def count_to_confirm(session: Session, viewer: Viewer) -> int:
    """Return how many pending records of others wait in estates that the viewer manages.

    visibility: by `in_managed_estates`.
    """
    managed = in_managed_estates(viewer, estate_id=ServiceRecord.estate_id, region_id=ServiceRecord.region_id)
    found = session.scalar(
        select(func.count())
        .select_from(ServiceRecord)
        .where(
            ServiceRecord.state == ServiceState.PENDING,
            ServiceRecord.person_id != viewer.person_id,
            or_(ServiceRecord.recorded_by_id.is_(None), ServiceRecord.recorded_by_id != viewer.person_id),
            managed,
        )
    )
    return found or 0


def records_to_settle(session: Session, viewer: Viewer, *, limit: int) -> Sequence[ServiceRecord]:
    """Return disputed records and those with open flags, in estates that the viewer manages.

    visibility: by `in_managed_estates`.
    """
    managed = in_managed_estates(viewer, estate_id=ServiceRecord.estate_id, region_id=ServiceRecord.region_id)
    return session.scalars(
        select(ServiceRecord)
        .where(or_(ServiceRecord.is_held, ServiceRecord.state == ServiceState.DISPUTED), managed)
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.decided_at, ServiceRecord.id)
        .limit(limit)
    ).all()


def latest_orders_of(session: Session, goods_id: int, *, limit: int) -> list[tuple[GoodsOrder, str]]:
    """Return the latest orders of goods with the names of people. visibility: of goods that one manages."""
    rows = session.execute(
        select(GoodsOrder, Person.name)
        .join(Person, Person.id == GoodsOrder.person_id)
        .where(GoodsOrder.goods_id == goods_id)
        .order_by(GoodsOrder.id.desc())
        .limit(limit)
    )
    return [(order, name) for order, name in rows]


def managed_estates(session: Session, viewer: Viewer, *, limit: int) -> Sequence[Estate]:
    """Return the estates that the viewer manages, in order of id. visibility: by `in_managed_estates`."""
    managed = in_managed_estates(viewer, estate_id=Estate.id, region_id=Estate.region_id)
    return session.scalars(select(Estate).where(managed).order_by(Estate.id).limit(limit)).all()


def administered_regions(session: Session, viewer: Viewer) -> dict[int, Region]:
    """Return the regions that the viewer administers, by id, in order of code."""
    held = [each for each in viewer.role_assignments if each.role is Role.ADMINISTRATOR]
    ids = [each for assignment in held for each in assignment.region_ids]
    statement = select(Region).order_by(Region.code)
    if not viewer.is_administrator:
        statement = statement.where(Region.id.in_(ids))
    return {each.id: each for each in session.scalars(statement)}


def estate_names(session: Session, estate_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the names of estates as {"en", "zh"}. visibility: of estates of rows that the caller found."""
    rows = session.execute(
        select(Estate.id, Estate.name_en, Estate.name_zh).where(Estate.id.in_(set(estate_ids)))
    )
    return {row.id: {"en": row.name_en, "zh": row.name_zh} for row in rows}


def person_id_by_phone(session: Session, viewer: Viewer, phone: str, *, estate_id: int) -> int | None:
    """Return who signs in with that number, or None for nobody whom the viewer may see.

    `estate_id`: numbers without a country code are of its country. Raises InvalidInput.
    """
    region = session.execute(
        select(Region).join(Estate, Estate.region_id == Region.id).where(Estate.id == estate_id)
    ).scalar_one()
    found = account_by_phone(session, e164(phone, country=region.country))
    if found is None:
        return None
    return session.scalar(select(Person.id).where(Person.id == found[1].id, people_visible_to(viewer)))
