"""The sharing ladder: who a device is for. Each step includes the ones before it."""

from __future__ import annotations

from enum import StrEnum

from aed.accounts.rules import Viewer


class Audience(StrEnum):
    """共享范围: from the estate alone to everyone."""

    ESTATE = "estate"
    NEIGHBOURS = "neighbours"
    DISPATCH = "dispatch"
    PUBLIC = "public"


def is_of_the_house(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Whether the viewer may know what is no stranger's business: serials, keepers, guards' phones."""
    if viewer.is_administrator:
        return True
    is_managed = estate_id is not None and region_id in viewer.managed_region_ids
    return is_managed or region_id in viewer.region_ids or viewer.belongs_to(estate_id)
