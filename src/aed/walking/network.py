"""The walking network: where points and gates stand on it, and what is within reach of a start."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike
from pyproj import Geod

from aed.geo import Position
from aed.walking.chains import chains_of
from aed.walking.footing import SNAP_METRES, Footing, Footings, find_footing, find_footings
from aed.walking.memory import RememberedFootings
from aed.walking.reach import Reach, find_reach
from aed.walking.streets import Crossing, Streets
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
        self.chains = chains_of(streets)
        self.barriers = tuple(sorted(barriers, key=lambda barrier: barrier.position.lat))
        self._barrier_lats = [barrier.position.lat for barrier in self.barriers]
        self._scratch = ScratchPad()
        self._remembered = RememberedFootings(self.chains, self.footings)

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

    def start_at(self, position: Position) -> Footing | None:
        """Where a walk from here begins, or None when no street is near enough."""
        return find_footing(self.chains, position.lat, position.lon, within_metres=SNAP_METRES)

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
        footing = find_footing(self.chains, position.lat, position.lon, within_metres=within_metres)
        return Crossing(footing.edge, footing.along_metres) if footing is not None else None

    def footings(self, lats: ArrayLike, lons: ArrayLike, *, within_metres: float = SNAP_METRES) -> Footings:
        """Where points stand: each on the nearest edge, if one is within `within_metres`."""
        return find_footings(self.streets, lats, lons, within_metres=within_metres)

    def footings_of_places(self, places: Sequence[tuple[float, float]]) -> list[Footing | None]:
        """The same within `SNAP_METRES`, for places (latitude, longitude) that are asked for again and again:
        remembered. None for a place without a street near."""
        return self._remembered.footings(places)

    def reach(
        self,
        start: Position | Footing,
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
            self.chains, self._scratch, footing, within_metres=within_metres, closed=closed, delays=delays
        )


def _straight_metres(one: Position, other: Position) -> float:
    _, _, metres = _WGS84.inv(one.lon, one.lat, other.lon, other.lat)
    return float(metres)
