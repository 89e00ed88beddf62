"""Choose devices by estate, region, keeper or id, and read the rows of upkeep about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.accounts.visibility import managed_by, visible_to
from aed.registry.devices.models import Device
from aed.upkeep.models import FaultReport, Quarantine, Retrieval


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices to include. None means no restriction."""

    estate_id: int | None = None
    region: str | None = None
    keeper_id: int | None = None
    device_id: int | None = None


def filter_conditions(session: Session, device_filter: DeviceFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the predicates of the filter. Raises NotFound for an unknown region.

    visibility: narrows a query that applies the viewer's predicates; returns no rows.
    """
    if device_filter.estate_id is not None:
        yield Device.estate_id == device_filter.estate_id
    if device_filter.region is not None:
        yield Device.region_id.in_(regions_below(session, region_by_code(session, device_filter.region).id))
    if device_filter.keeper_id is not None:
        yield Device.keeper_id == device_filter.keeper_id
    if device_filter.device_id is not None:
        yield Device.id == device_filter.device_id


def managed_row[Row: (Quarantine, FaultReport, Retrieval)](
    session: Session, viewer: Viewer, table: type[Row], row_id: int
) -> Row | None:
    """Return a row of upkeep by id; None if the viewer does not keep, manage or dispatch its device."""
    return session.scalar(
        select(table)
        .join(Device, Device.id == table.device_id)
        .where(table.id == row_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )


def managed_rows[Row: (Quarantine, FaultReport, Retrieval)](
    session: Session,
    viewer: Viewer,
    table: type[Row],
    device_filter: DeviceFilter,
    *,
    limit: int,
    after_id: int,
) -> Select[Row]:
    """Return the statement for a page in order of id.

    Covers the devices that the viewer keeps, manages or dispatches.
    Raises NotFound for an unknown region.
    """
    return (
        select(table)
        .join(Device, Device.id == table.device_id)
        .where(
            visible_to(viewer, Device), managed_by(viewer, Device), *filter_conditions(session, device_filter)
        )
        .where(table.id > after_id)
        .order_by(table.id)
        .limit(limit)
    )
