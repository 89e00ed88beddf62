"""Query parameters that choose devices, as FastAPI dependencies."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from aed.accounts.authentication import ViewerDep
from aed.errors import NotSignedIn
from aed.http.parameters import OfEstate, OfRegion
from aed.upkeep.device_filter import DeviceFilter


async def _device_filter(
    estate_id: OfEstate = None,
    region: OfRegion = None,
    device_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> DeviceFilter:
    """Return the filter given by the query parameters."""
    return DeviceFilter(estate_id=estate_id, region=region, device_id=device_id)


DeviceFilterDep = Annotated[DeviceFilter, Depends(_device_filter)]


async def _due(
    viewer: ViewerDep,
    device_filter: DeviceFilterDep,
    mine: Annotated[bool, Query(description="Only devices that you keep yourself")] = False,
) -> DeviceFilter:
    """Return the filter for due upkeep, restricted to the viewer's own devices if `mine` is set.

    Raises NotSignedIn for anonymous viewers, and for a token with `mine`.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Due upkeep is visible only to a device's own people: send a token, or sign in.")
    if not mine:
        return device_filter
    if viewer.person_id is None:
        raise NotSignedIn("`mine` needs a person: sign in, or leave out `mine`.")
    return replace(device_filter, keeper_id=viewer.person_id)


DueFilterDep = Annotated[DeviceFilter, Depends(_due)]
