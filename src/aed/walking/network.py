"""The walking network: where points and gates stand on it, and what is within reach of a start."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike
from pyproj import Geod

from aed.geo import Position
from aed.walking.footing import SNAP_METRES, Footings, find_footing, find_footings
from aed.walking.memory import RememberedFootings
from aed.walking.reach import Reach, find_reach
from aed.walking.streets import Crossing, Floats, Streets
from aed.walking.window import ScratchPad

__all__ = ["Barrier", "Crossing", "WalkingNetwork"]

_WGS84 = Geod(ellps="WGS84")
_SHORTEST_DEGREE_METRES = 110_574.0  # of latitude, at the equator


@dataclass(frozen=True, slots=True)
class Barrier:
    """A gate on the map, and what the map says of it: who may pass on foot, whether locked, when open."""

    osm_id: int
    position: Position
    crossing: Crossing
    access: str | None
    locked: bool
    opening_hours: str | None


class WalkingNetwork:
    """The streets of one extract with their gates. Never changes; any number of threads may ask at once."""

    def __init__(self, streets: Streets, barriers: Sequence[Barrier]) -> None:
        self.streets = streets
        self.barriers = tuple(sorted(barriers, key=lambda barrier: barrier.position.lat))
        self._barrier_lats = [barrier.position.lat for barrier in self.barriers]
        self._scratch = ScratchPad()
        self._remembered = RememberedFootings()

    @property
    def node_count(self) -> int:
        return self.streets.node_count

    @property
    def edge_count(self) -> int:
        """Streets and gates together; `Crossing.edge` and `Footings.edge` are below it."""
        return self.streets.edge_count

    def covers(self, position: Position) -> bool:
        """Whether a street is near enough to walk from here."""
        return self.start_at(position) is not None

    def start_at(self, position: Position) -> Footings | None:
        """Where a walk from here begins, or None when no street is near enough."""
        footing = find_footing(self.streets, position.lat, position.lon, within_metres=SNAP_METRES)
        return footing if footing.edge[0] >= 0 else None

    def barriers_near(self, position: Position, within_metres: float) -> list[Barrier]:
        """The gates on the map within a straight line of here, nearest first."""
        degrees = within_metres / _SHORTEST_DEGREE_METRES
        first = bisect_left(self._barrier_lats, position.lat - degrees)
        end = bisect_right(self._barrier_lats, position.lat + degrees)
        if first == end:
            return []
        widest = max(math.cos(math.radians(min(90.0, abs(position.lat) + degrees))), 1e-9)
        degrees_across = degrees / widest
        near: list[tuple[float, Barrier]] = []
        for barrier in self.barriers[first:end]:
            if abs(barrier.position.lon - position.lon) <= degrees_across:
                metres = _straight_metres(position, barrier.position)
                if metres <= within_metres:
                    near.append((metres, barrier))
        near.sort(key=lambda pair: pair[0])
        return [barrier for _, barrier in near]

    def crossing_at(self, position: Position, *, within_metres: float = 15.0) -> Crossing | None:
        """Where a gate at this position stands, or None when there is no street that near.

        A gate on the map that near is taken for the same gate; otherwise the gate stands on the nearest edge.
        """
        for barrier in self.barriers_near(position, within_metres):
            return barrier.crossing
        footing = find_footing(self.streets, position.lat, position.lon, within_metres=within_metres)
        edge = int(footing.edge[0])
        return Crossing(edge, float(footing.along_metres[0])) if edge >= 0 else None

    def footings(self, lats: ArrayLike, lons: ArrayLike, *, within_metres: float = SNAP_METRES) -> Footings:
        """Where points stand: each on the nearest edge, if one is within `within_metres`."""
        return find_footings(self.streets, lats, lons, within_metres=within_metres)

    def footings_of_places(self, lats: Floats, lons: Floats) -> Footings:
        """The same within `SNAP_METRES`, for places that are asked for again and again: remembered."""
        return self._remembered.footings(lats, lons, self.footings)

    def reach(
        self,
        start: Position | Footings,
        *,
        within_metres: float,
        closed: Sequence[Crossing] = (),
        delays: Sequence[tuple[Crossing, float]] = (),
    ) -> Reach | None:
        """All that is within `within_metres` on foot, or None when no street is near the start.

        Nobody passes a `closed` crossing. A delay, in metres of walking that it is worth, is paid each time
        its crossing is passed. Raises InvalidInput for a crossing of another network, or a number below 0.
        """
        footing = self.start_at(start) if isinstance(start, Position) else start
        if footing is None:
            return None
        return find_reach(
            self.streets, self._scratch, footing, within_metres=within_metres, closed=closed, delays=delays
        )


def _straight_metres(one: Position, other: Position) -> float:
    _, _, metres = _WGS84.inv(one.lon, one.lat, other.lon, other.lat)
    return float(metres)
