"""Reading regions and which estates share with each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import column, select, table
from sqlalchemy.orm import Session

from aed.accounts.models import Region
from aed.errors import NotFound

_estates = table("estates", column("id"), column("neighbourhood"), column("region_id"))


def regions_below(session: Session, region_id: int) -> tuple[int, ...]:
    """The region and every region under it."""
    below = select(Region.id).where(Region.id == region_id).cte("below", recursive=True)
    below = below.union_all(select(Region.id).join(below, Region.parent_id == below.c.id))
    return tuple(session.scalars(select(below.c.id).order_by(below.c.id)))


def estates_sharing(session: Session, *estate_ids: int) -> tuple[int, ...]:
    """The estates and those of their neighbourhoods. Their table lies above this floor: asked for by name.

    visibility: it is what the predicates are made of, and answers ids alone.
    """
    here = select(_estates.c.neighbourhood).where(_estates.c.id.in_(estate_ids))
    neighbours = select(_estates.c.id).where(_estates.c.neighbourhood.in_(here))
    return tuple(sorted({*estate_ids, *session.scalars(neighbours)}))


def region_of_estate(session: Session, estate_id: int) -> int:
    """Where the estate lies. Raises NotFound when there is none.

    visibility: roles are given by those who know the estate by its id; it answers the region's id alone.
    """
    found: int | None = session.scalar(select(_estates.c.region_id).where(_estates.c.id == estate_id))
    if found is None:
        raise NotFound(f"There is no estate {estate_id}.", field="estate_id")
    return found


def region_by_code(session: Session, code: str) -> Region:
    """Raises NotFound with the codes that exist, when they are few."""
    region = session.scalar(select(Region).where(Region.code == code))
    if region is None:
        known = list(session.scalars(select(Region.code).order_by(Region.code).limit(20)))
        names = ", ".join(known) or "none yet: aed regions put"
        raise NotFound(f"There is no region '{code}'. Known: {names}.", field="region")
    return region


def regions(session: Session) -> Sequence[Region]:
    return session.scalars(select(Region).order_by(Region.code)).all()


def codes_of_regions(session: Session, region_ids: Iterable[int]) -> dict[int, str]:
    statement = select(Region.id, Region.code).where(Region.id.in_(set(region_ids)))
    return {row.id: row.code for row in session.execute(statement)}
