"""Of which devices something is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from aed.accounts.authentication import ViewerDep
from aed.accounts.regions import region_by_code, regions_below
from aed.errors import NotSignedIn
from aed.http.parameters import OfEstate, OfRegion
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


async def _asked(
    estate_id: OfEstate = None,
    region: OfRegion = None,
    device_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> DeviceFilter:
    return DeviceFilter(estate_id=estate_id, region=region, device_id=device_id)


DeviceFilterDep = Annotated[DeviceFilter, Depends(_asked)]


async def _due(
    viewer: ViewerDep,
    whose: DeviceFilterDep,
    mine: Annotated[bool, Query(description="Only the devices that you keep yourself")] = False,
) -> DeviceFilter:
    """Raises NotSignedIn for anyone: what is due is told to those who do it."""
    if not viewer.is_signed_in:
        raise NotSignedIn("What is due is told to a device's own people: send a token, or sign in.")
    if not mine:
        return whose
    if viewer.person_id is None:
        raise NotSignedIn("A token keeps no devices: sign in as a person, or leave out `mine`.")
    return replace(whose, keeper_id=viewer.person_id)


DueFilterDep = Annotated[DeviceFilter, Depends(_due)]
