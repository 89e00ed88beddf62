"""What the register knows of a place: its building, its estate's pace, and how its storeys are counted.

The register knows the buildings of estates by their entrances. A place is in the building whose entrance is
nearest, if that is within `BUILDING_METRES`. Where the building of either place is unknown, only places at
one door (`SAME_DOOR_METRES`) count as one building: two towers may stand a few steps apart, and a person who
must go down and up again would arrive later than promised.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions import Region
from aed.database.boxes import window_around
from aed.geo import Position, distance_metres, in_mainland_china
from aed.registry.estates.models import EstatePace
from aed.registry.estates.queries import estate_at
from aed.registry.nearby import buildings_around
from aed.settings import Arrival
from aed.walking.travel import Pace, floors_between, pace_at

BUILDING_METRES: Final = 40.0
SAME_DOOR_METRES: Final = 10.0


class Spot(NamedTuple):
    """A place and a floor; 0 is the ground floor."""

    position: Position
    floor: int


class Buildings:
    """The buildings of places. Each place is looked up once, and only where the answer matters."""

    def __init__(self, connection: Connection, numbers: Arrival) -> None:
        self._connection, self._numbers = connection, numbers
        self._known: dict[Position, int | None] = {}

    def floor_seconds(self, one: Spot, other: Spot) -> float:
        """Return the seconds one way on stairs and in lifts from one place to the other."""
        # From the ground floor it is the same by either door.
        is_same = bool(one.floor and other.floor) and self.is_same(one.position, other.position)
        return floors_between(one.floor, other.floor, is_same_building=is_same, numbers=self._numbers)

    def is_same(self, one: Position, other: Position) -> bool:
        """Return whether both places are in one building."""
        metres = distance_metres(one, other)
        if metres > 2 * BUILDING_METRES:
            return False
        here, there = self._building_at(one), self._building_at(other)
        if here is not None and there is not None:
            return here == there
        return metres <= SAME_DOOR_METRES

    def _building_at(self, place: Position) -> int | None:
        """visibility: whether two places are in one building."""
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
    """Return the pace to a patient's place: of its estate's drills where there are enough.

    visibility: a number of an estate, for the plan.
    """
    estate = estate_at(session, place)
    return pace_in(session, estate.id if estate is not None else None, numbers)


def pace_in(session: Session, estate_id: int | None, numbers: Arrival) -> Pace:
    """Return the pace to a device of that estate (None: of no estate).

    visibility: a number of an estate, for the plan.
    """
    learned = session.get(EstatePace, estate_id) if estate_id is not None else None
    return pace_at(
        is_in_estate=estate_id is not None,
        seconds_per_metre=learned.seconds_per_metre if learned is not None else None,
        pick_up_seconds=learned.pick_up_seconds if learned is not None else None,
        numbers=numbers,
    )


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
