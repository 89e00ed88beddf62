"""Queries for devices and consumables that the viewer may see, and for their history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload, selectinload

from aed.accounts.permissions import Audience, Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import visible_to
from aed.database.compiled import inline_text
from aed.errors import NotFound
from aed.geo import BoundingBox
from aed.registry.devices.dispatchable import hours_of_sharing
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.published import (
    inside_published_box,
    published_latitude,
    published_longitude,
    published_to,
)
from aed.registry.devices.rules import REQUIRED_CONSUMABLES, ConsumableKind, ConsumableState, DeviceState


def first_expiry(
    device_id: InstrumentedAttribute[int] | ColumnElement[int],
    kinds: Sequence[ConsumableKind] = REQUIRED_CONSUMABLES,
) -> ColumnElement[date]:
    """Return an expression for the date on which a device can no longer be used on an adult.

    It is the earliest expiry date of its fitted pads and battery. Child pads do not count: the device works
    without them.

    visibility: a part of statements that choose the devices.
    """
    return (
        select(func.min(Consumable.expires_on))
        .where(
            Consumable.device_id == device_id,
            Consumable.state == inline_text(ConsumableState.FITTED),
            Consumable.kind.in_([inline_text(kind) for kind in kinds]),
        )
        .scalar_subquery()
    )


def device(session: Session, viewer: Viewer, device_id: int, *, for_update: bool = False) -> Device:
    """Return one device with its keeper, estate, region and fitted consumables.

    Raises NotFound if there is none that the viewer may see.
    """
    statement = (
        select(Device)
        .where(Device.id == device_id, visible_to(viewer, Device))
        .options(
            joinedload(Device.keeper),
            joinedload(Device.estate),
            joinedload(Device.region),
            selectinload(Device.consumables),
        )
    )
    if for_update:
        statement = statement.with_for_update(of=Device)
    found = session.scalar(statement)
    if found is None:
        raise NotFound(
            "Device {device_id} does not exist, or you may not see it.",
            field="device_id",
            device_id=device_id,
        )
    return found


def devices(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int = 0,
    box: BoundingBox | None = None,
    estate_id: int | None = None,
    region: str | None = None,
    audience: Audience | None = None,
    state: DeviceState | None = None,
    registration_number: str | None = None,
    udi_di: str | None = None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a page of devices, ordered by id, as plain columns, in one statement."""
    statement = (
        select(
            Device.id,
            published_latitude(viewer).label("lat"),
            published_longitude(viewer).label("lon"),
            Device.source,
            Device.source_id,
            Region.code.label("region"),
            Region.counts_ground_as_one,
            Device.estate_id,
            Device.place_en,
            Device.place_zh,
            Device.floor,
            func.coalesce(hours_of_sharing(viewer), Device.opening_hours).label("opening_hours"),
            Device.entry,
            Device.audience,
            Device.state,
            first_expiry(Device.id).label("first_expiry"),
            Device.version,
        )
        .join(Region, Region.id == Device.region_id)
        .where(visible_to(viewer, Device), published_to(viewer), Device.id > after_id)
        .order_by(Device.id)
        .limit(limit)
    )
    if box is not None:
        statement = statement.where(
            inside_published_box(
                session, viewer, west=box.west, south=box.south, east=box.east, north=box.north
            )
        )
    if estate_id is not None:
        statement = statement.where(Device.estate_id == estate_id)
    if region is not None:
        statement = statement.where(Region.code == region)
    if audience is not None:
        statement = statement.where(Device.audience == audience)
    if state is not None:
        statement = statement.where(Device.state == state)
    if registration_number is not None:
        statement = statement.where(Device.registration_number == registration_number)
    if udi_di is not None:
        statement = statement.where(Device.udi_di == udi_di)
    return session.execute(statement).all()


def consumable(session: Session, viewer: Viewer, consumable_id: int) -> tuple[Consumable, Device]:
    """Return a consumable and its device. Raises NotFound if the viewer may not see the device."""
    row = session.execute(
        select(Consumable, Device)
        .join(Device, Device.id == Consumable.device_id)
        .where(Consumable.id == consumable_id, visible_to(viewer, Device))
    ).first()
    if row is None:
        raise NotFound(
            "Consumable {consumable_id} does not exist, or you may not see it.",
            field="consumable_id",
            consumable_id=consumable_id,
        )
    return row[0], row[1]
