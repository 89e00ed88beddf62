"""Of which devices something is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from aed.accounts.regions import region_by_code, regions_below
from aed.registry.devices.models import Device


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Whose devices are asked for; None: whosever."""

    estate_id: int | None = None
    region: str | None = None
    keeper_id: int | None = None
    device_id: int | None = None


def filter_conditions(session: Session, whose: DeviceFilter) -> Iterator[ColumnElement[bool]]:
    """What must hold of a device that is asked for. Raises NotFound for a region that there is not.

    visibility: it narrows what somebody may see, and shows nothing.
    """
    if whose.estate_id is not None:
        yield Device.estate_id == whose.estate_id
    if whose.region is not None:
        yield Device.region_id.in_(regions_below(session, region_by_code(session, whose.region).id))
    if whose.keeper_id is not None:
        yield Device.keeper_id == whose.keeper_id
    if whose.device_id is not None:
        yield Device.id == whose.device_id
