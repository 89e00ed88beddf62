"""Routes of regions."""

from __future__ import annotations

from fastapi import APIRouter

from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import regions
from aed.accounts.regions.schemas import RegionOut
from aed.database.dependencies import ReadSession

router = APIRouter(tags=["accounts"])


@router.get("/regions")
def list_regions(session: ReadSession) -> list[RegionOut]:
    """List the regions with their emergency numbers."""
    found = regions(session)
    codes = {region.id: region.code for region in found}
    return [region_out(region, parent=codes.get(region.parent_id or 0)) for region in found]


def region_out(region: Region, *, parent: str | None) -> RegionOut:
    return RegionOut(
        id=region.id,
        code=region.code,
        name_en=region.name_en,
        name_zh=region.name_zh,
        parent=parent,
        country=region.country,
        time_zone=region.time_zone,
        emergency_number=region.emergency_number,
        holiday_calendar=region.holiday_calendar,
        trust_needed=region.trust_needed,
        counts_ground_as_one=region.counts_ground_as_one,
        needs_second_factor=region.needs_second_factor,
        trust_in_force=region.trust_in_force,
        version=region.version,
    )
