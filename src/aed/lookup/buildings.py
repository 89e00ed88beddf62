"""Whether two places are in one building, and what the floors between them take.

The register knows the buildings of estates by their entrances. A place is in the building whose entrance is
nearest, if that is within `BUILDING_METRES`. Where the building of either place is not known, only places at
one door (`SAME_DOOR_METRES`) count as one building: two towers may stand a few steps apart, and somebody who
must go down and up again would come later than was told.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection

from aed.geo import Position, distance_metres
from aed.registry import nearby as nearby_queries
from aed.settings import Arrival
from aed.walking.travel import floors_between

BUILDING_METRES: Final = 40.0
SAME_DOOR_METRES: Final = 10.0


class Spot(NamedTuple):
    """A place and a floor; 0 is the ground floor."""

    position: Position
    floor: int


class Buildings:
    """The buildings of places. Each place is asked once, and only where the answer matters."""

    def __init__(self, connection: Connection, numbers: Arrival) -> None:
        self._connection, self._numbers = connection, numbers
        self._known: dict[Position, int | None] = {}

    def floor_seconds(self, one: Spot, other: Spot) -> float:
        """One way on stairs and in lifts from one place to the other."""
        # From the ground floor it is the same by whichever door.
        is_same = bool(one.floor and other.floor) and self.is_same(one.position, other.position)
        return floors_between(one.floor, other.floor, is_same_building=is_same, numbers=self._numbers)

    def is_same(self, one: Position, other: Position) -> bool:
        """Whether both places are in one building."""
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
            around = nearby_queries.buildings_around(self._connection.dialect)
            near = [
                (distance_metres(place, Position(row.lat, row.lon)), row.id)
                for row in around.send(self._connection, place, within_metres=BUILDING_METRES)()
            ]
            within = [each for each in near if each[0] <= BUILDING_METRES]
            self._known[place] = min(within)[1] if within else None
        return self._known[place]
