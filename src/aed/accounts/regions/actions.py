"""Create and amend regions."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

from aed.accounts.regions import queries as region_queries
from aed.accounts.regions.models import Region, counts_ground_as_one
from aed.accounts.regions.schemas import RegionIn
from aed.errors import InvalidInput


def put_region(session: Session, region: RegionIn) -> tuple[Region, bool | None]:
    """Create or amend the region with that code; return it, and True if new, False if changed, else None.

    Fields that are not given stay unchanged.
    """
    parent = region_queries.region_by_code(session, region.parent) if region.parent else None
    found = session.scalar(select(Region).where(Region.code == region.code))
    is_new = found is None
    if found is None:
        found = Region(code=region.code)
        session.add(found)
    elif parent is not None and parent.id in region_queries.regions_below(session, found.id):
        raise InvalidInput("A region cannot be below itself.", field="parent")
    found.name_en, found.name_zh = region.name_en, region.name_zh
    if "parent" in region.model_fields_set:
        found.parent_id = parent.id if parent else None
    if "holiday_calendar" in region.model_fields_set:
        found.holiday_calendar = region.holiday_calendar
    if region.counts_ground_as_one is not None:
        found.counts_ground_as_one = region.counts_ground_as_one
    elif is_new:
        found.counts_ground_as_one = counts_ground_as_one(region.country)
    found.country, found.time_zone = region.country, region.time_zone
    found.emergency_number = region.emergency_number
    if "trust_needed" in region.model_fields_set:
        found.trust_needed = region.trust_needed
    if "needs_second_factor" in region.model_fields_set:
        found.needs_second_factor = region.needs_second_factor
    has_moved = is_new or bool(is_amended(found, "parent_id", "trust_needed"))
    has_changed = session.is_modified(found)
    try:
        session.flush()
    except IntegrityError:
        raise InvalidInput(
            "There is no holiday calendar '{holiday_calendar}'.",
            field="holiday_calendar",
            holiday_calendar=region.holiday_calendar,
        ) from None
    if has_moved:
        keep_trust_in_step(session)
    return found, is_new or (False if has_changed else None)


def is_amended(region: Region, *names: str) -> bool:
    """Return True if one of these columns differs from the database."""
    state = instance_state(region)
    return any(state.attrs[name].history.has_changes() for name in names)


_IN_STEP: Final = text(
    "WITH RECURSIVE tree (id, trust) AS ("
    "SELECT id, coalesce(trust_needed, 'verified') FROM regions WHERE parent_id IS NULL UNION ALL "
    "SELECT regions.id, coalesce(regions.trust_needed, tree.trust) "
    "FROM regions JOIN tree ON regions.parent_id = tree.id) "
    "UPDATE regions SET trust_in_force = (SELECT tree.trust FROM tree WHERE tree.id = regions.id) "
    "WHERE trust_in_force <> (SELECT tree.trust FROM tree WHERE tree.id = regions.id)"
)


def keep_trust_in_step(session: Session) -> None:
    """Set `trust_in_force` of every region to its `trust_needed`, or that of the nearest region above."""
    session.execute(_IN_STEP)
    for region in session.identity_map.values():
        if isinstance(region, Region):
            session.expire(region, ["trust_in_force"])
