"""Adding and amending regions."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts import queries
from aed.accounts.models import Region
from aed.accounts.schemas import RegionIn
from aed.errors import InvalidInput


def put_region(session: Session, region: RegionIn) -> tuple[Region, bool | None]:
    """The region with that code is as given; beside it True when new, False when changed, else None.

    What is not given stays as it is.
    """
    parent = queries.region_by_code(session, region.parent) if region.parent else None
    found = session.scalar(select(Region).where(Region.code == region.code))
    is_new = found is None
    if found is None:
        found = Region(code=region.code)
        session.add(found)
    elif parent is not None and parent.id in queries.regions_below(session, found.id):
        raise InvalidInput("A region cannot lie below itself.", field="parent")
    found.name_en, found.name_zh = region.name_en, region.name_zh
    if "parent" in region.model_fields_set:
        found.parent_id = parent.id if parent else None
    if "holiday_calendar" in region.model_fields_set:
        found.holiday_calendar = region.holiday_calendar
    found.country, found.time_zone = region.country, region.time_zone
    found.emergency_number = region.emergency_number
    has_changed = session.is_modified(found)
    try:
        session.flush()
    except IntegrityError:
        raise InvalidInput(
            f"There is no holiday calendar '{region.holiday_calendar}'.", field="holiday_calendar"
        ) from None
    return found, is_new or (False if has_changed else None)
