"""Building, walking pace and storey numbering at a place, from the register.

The register stores buildings by their entrances. A place belongs to the building with the nearest entrance
within `BUILDING_METRES`. If the building of either place is unknown, two places count as one building only
within `SAME_DOOR_METRES`: two towers may be a few steps apart, and a person who must go down and up again
would arrive later than estimated.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.database.boxes import window_around
from aed.geo import Position, distance_metres, in_mainland_china
from aed.registry.estates.models import EstatePace
from aed.registry.estates.queries import estate_at
from aed.registry.nearby import buildings_around
from aed.settings.arrival import Arrival
from aed.walking.travel import Pace, floors_between, pace_at

BUILDING_METRES: Final = 40.0
SAME_DOOR_METRES: Final = 10.0


class Spot(NamedTuple):
    """A position and a floor; 0 is the ground floor."""

    position: Position
    floor: int


class Buildings:
    """A cache of the building at each place, looked up only when it makes a difference."""

    def __init__(self, connection: Connection, numbers: Arrival) -> None:
        self._connection, self._numbers = connection, numbers
        self._known: dict[Position, int | None] = {}

    def floor_seconds(self, one: Spot, other: Spot) -> float:
        """Return the seconds, one way, on stairs and in lifts from one place to the other."""
        # If either place is on the ground floor, the building makes no difference.
        is_same = bool(one.floor and other.floor) and self.is_same(one.position, other.position)
        return floors_between(one.floor, other.floor, is_same_building=is_same, numbers=self._numbers)

    def is_same(self, one: Position, other: Position) -> bool:
        """Return whether both places are in the same building."""
        metres = distance_metres(one, other)
        if metres > 2 * BUILDING_METRES:
            return False
        here, there = self._building_at(one), self._building_at(other)
        if here is not None and there is not None:
            return here == there
        return metres <= SAME_DOOR_METRES

    def _building_at(self, place: Position) -> int | None:
        """Return the id of the building at a place, or None if it is unknown.

        visibility: only used to compare the buildings of two places.
        """
        if place not in self._known:
            around = buildings_around(self._connection.dialect)
            near = [
                (distance_metres(place, Position(row.lat, row.lon)), row.id)
                for row in around.fetch(self._connection, window_around(place, BUILDING_METRES))
            ]
            within = [each for each in near if each[0] <= BUILDING_METRES]
            self._known[place] = min(within)[1] if within else None
        return self._known[place]


def pace_to(session: Session, place: Position, numbers: Arrival) -> Pace:
    """Return the pace to a patient's place, learned from its estate's drills if there are enough.

    visibility: only the pace of an estate, used by the plan.
    """
    estate = estate_at(session, place)
    return pace_in(session, estate.id if estate is not None else None, numbers)


def pace_in(session: Session, estate_id: int | None, numbers: Arrival) -> Pace:
    """Return the pace to a device of the estate; None means that the device belongs to no estate.

    visibility: only the pace of an estate, used by the plan.
    """
    learned = session.get(EstatePace, estate_id) if estate_id is not None else None
    return pace_at(
        is_in_estate=estate_id is not None,
        seconds_per_metre=learned.seconds_per_metre if learned is not None else None,
        pick_up_seconds=learned.pick_up_seconds if learned is not None else None,
        numbers=numbers,
    )


def counts_ground_as_one_at(session: Session, viewer: Viewer, here: Position) -> bool:
    """Return whether the ground floor is storey 1 at a place, from the first source that is unambiguous.

    1. The region of the estate whose boundary contains the place.
    2. All regions, if they agree; else the viewer's regions, if they agree.
    3. True in mainland China, false elsewhere.
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
