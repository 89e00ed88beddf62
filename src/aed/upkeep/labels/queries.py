"""Queries for the devices to print labels for, and for the device behind a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import managed_by, visible_to
from aed.errors import InvalidInput
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates.models import Estate
from aed.upkeep.device_filter import DeviceFilter, filter_conditions

MAX_LABELS = 2_000
"""Maximum number of labels in one PDF."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The text on the label of a device."""

    device_id: int
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    guard_phone: str | None
    emergency_number: str


def to_be_labelled(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    device_ids: Sequence[int] = (),
) -> list[Labelled]:
    """Return the labels of the requested devices, ordered by estate.

    Covers the devices that the viewer keeps, manages or dispatches. Raises InvalidInput for more than
    MAX_LABELS.
    """
    statement = (
        select(
            Device.id,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            Estate.guard_phone,
            Region.emergency_number,
        )
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            Device.state != DeviceState.WITHDRAWN,
            *filter_conditions(session, device_filter),
        )
        .order_by(Device.estate_id, Device.id)
        .limit(MAX_LABELS + 1)
    )
    if device_ids:
        statement = statement.where(Device.id.in_(device_ids))
    found = [Labelled(*row) for row in session.execute(statement)]
    if len(found) > MAX_LABELS:
        raise InvalidInput(
            "There are more than {max_labels} labels: print them estate by estate, with estate_id.",
            field="region",
            max_labels=MAX_LABELS,
        )
    return found


def labelled_device(session: Session, device_id: int, *, for_update: bool = True) -> Device | None:
    """Return a device by id, with its keeper, estate, region and consumables, or None.

    visibility: for a fault report, which reveals nothing, for people who were asked about the device, and for
    its keeper.
    """
    statement = (
        select(Device)
        .where(Device.id == device_id)
        .options(
            joinedload(Device.keeper),
            joinedload(Device.estate),
            joinedload(Device.region),
            selectinload(Device.consumables),
        )
    )
    return session.scalar(statement.with_for_update(of=Device) if for_update else statement)
