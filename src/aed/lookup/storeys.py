"""How storeys are counted at a place."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions import Region
from aed.geo import Position, in_mainland_china
from aed.registry.estates.queries import estate_at


def counts_ground_as_one_at(session: Session, viewer: Viewer, here: Position) -> bool:
    """Return whether the ground floor is storey 1 at a place: the first of these that is certain.

    1. The region of the estate whose boundary holds the place.
    2. All regions, if they count alike; else the viewer's own, if they do.
    3. Whether the place is in mainland China.
    """
    estate = estate_at(session, here)
    if estate is not None:
        return session.get_one(Region, estate.region_id).counts_ground_as_one
    regions = session.execute(select(Region.id, Region.counts_ground_as_one)).all()
    own = [row for row in regions if row.id in viewer.region_ids]
    for some in (regions, own):
        ways = {bool(row.counts_ground_as_one) for row in some}
        if len(ways) == 1:
            return ways.pop()
    return in_mainland_china(here)
