"""Queries for regions and for what lies below them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import column, exists, select, table
from sqlalchemy.orm import Session

from aed.accounts.permissions import ROLES_NEEDING_SECOND_FACTOR, RoleAssignment
from aed.accounts.regions.models import Region
from aed.errors import NotFound

_estates = table("estates", column("id"), column("neighbourhood"), column("region_id"))


def regions_below(session: Session, region_id: int) -> tuple[int, ...]:
    """Return the ids of the region and of every region below it."""
    below = select(Region.id).where(Region.id == region_id).cte("below", recursive=True)
    below = below.union_all(select(Region.id).join(below, Region.parent_id == below.c.id))
    return tuple(session.scalars(select(below.c.id).order_by(below.c.id)))


def estates_sharing(session: Session, *estate_ids: int) -> tuple[int, ...]:
    """Return the estates and those of their neighbourhoods. (Their model is on a higher layer.)

    visibility: predicates are built from it; it returns only ids.
    """
    here = select(_estates.c.neighbourhood).where(_estates.c.id.in_(estate_ids))
    neighbours = select(_estates.c.id).where(_estates.c.neighbourhood.in_(here))
    return tuple(sorted({*estate_ids, *session.scalars(neighbours)}))


def region_of_estate(session: Session, estate_id: int) -> int:
    """Return the region id of an estate. Raises NotFound.

    visibility: for granting roles, by people who know the estate's id; it returns only the region's id.
    """
    found: int | None = session.scalar(select(_estates.c.region_id).where(_estates.c.id == estate_id))
    if found is None:
        raise NotFound("There is no estate {estate_id}.", field="estate_id", estate_id=estate_id)
    return found


def region_by_code(session: Session, code: str) -> Region:
    """Return the region with this code. Raises NotFound, which lists the known codes."""
    region = session.scalar(select(Region).where(Region.code == code))
    if region is None:
        known = list(session.scalars(select(Region.code).order_by(Region.code).limit(20)))
        names = ", ".join(known) or "none yet: aed regions put"
        raise NotFound("There is no region '{code}'. Known: {names}.", field="region", code=code, names=names)
    return region


def regions(session: Session) -> Sequence[Region]:
    return session.scalars(select(Region).order_by(Region.code)).all()


def codes_of_regions(session: Session, region_ids: Iterable[int]) -> dict[int, str]:
    statement = select(Region.id, Region.code).where(Region.id.in_(set(region_ids)))
    return {row.id: row.code for row in session.execute(statement)}


def is_second_factor_demanded(session: Session, role_assignments: Collection[RoleAssignment]) -> bool:
    """Return True if a region of an administrator or dispatcher, or one above it, requires a second factor.

    An administrator of the whole network needs one as soon as any region requires one.
    """
    held = [each for each in role_assignments if each.role in ROLES_NEEDING_SECOND_FACTOR]
    if not held:
        return False
    if any(each.is_everywhere for each in held):
        return bool(session.scalar(select(exists().where(Region.needs_second_factor))))
    here = {region_id for each in held for region_id in each.region_ids}
    up = select(Region.id, Region.parent_id).where(Region.id.in_(here)).cte("up", recursive=True)
    up = up.union(select(Region.id, Region.parent_id).join(up, Region.id == up.c.parent_id))
    demands = select(Region.id).where(Region.needs_second_factor, Region.id.in_(select(up.c.id)))
    return session.scalar(demands.limit(1)) is not None
