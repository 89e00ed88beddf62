"""A filter for choosing devices by estate, region, keeper or id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from aed.accounts.regions.queries import region_by_code, regions_below
from aed.registry.devices.models import Device


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices to include. None means no restriction."""

    estate_id: int | None = None
    region: str | None = None
    keeper_id: int | None = None
    device_id: int | None = None


def filter_conditions(session: Session, whose: DeviceFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the predicates of the filter. Raises NotFound for an unknown region.

    visibility: narrows a query that applies the viewer's predicates; returns no rows.
    """
    if whose.estate_id is not None:
        yield Device.estate_id == whose.estate_id
    if whose.region is not None:
        yield Device.region_id.in_(regions_below(session, region_by_code(session, whose.region).id))
    if whose.keeper_id is not None:
        yield Device.keeper_id == whose.keeper_id
    if whose.device_id is not None:
        yield Device.id == whose.device_id
