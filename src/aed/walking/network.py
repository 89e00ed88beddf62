"""The walking network: snap points and gates to streets, and compute distances from a start."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aed.geo import Position, distance_metres
from aed.walking.contracted_edges import ContractedEdges, contract_edges
from aed.walking.reachable import Reachable, find_reachable
from aed.walking.snapping import SNAP_METRES, SnappedPoint, SnappedPoints, snap_point, snap_points
from aed.walking.streets import UNITS_PER_DEGREE, Crossing, Floats, Streets
from aed.walking.subgraph import ScratchPad

MAX_SNAPPED_POINTS = 25_000
"""Maximum number of cached snapped points, about 10 MB."""


class SnapCache:
    """A thread-safe cache of snapped points."""

    def __init__(self, contracted: ContractedEdges, find: Callable[[Floats, Floats], SnappedPoints]) -> None:
        self._contracted, self._find = contracted, find
        self._known: dict[tuple[float, float], SnappedPoint | None] = {}

    def snap(self, places: Sequence[tuple[float, float]]) -> list[SnappedPoint | None]:
        """Return the snapped point of each (latitude, longitude); None where no street is nearby."""
        known = self._known
        missing = [place for place in places if place not in known]
        if not missing:
            return [known[place] for place in places]
        lats, lons = np.array(missing, dtype=np.float64).T
        found = self._find(lats, lons)
        new = {place: found.one(i, self._contracted) for i, place in enumerate(missing)}
        if len(known) + len(new) > MAX_SNAPPED_POINTS:
            self._known = {}  # other threads may be reading the old dictionary
        if len(new) <= MAX_SNAPPED_POINTS:
            self._known.update(new)
        return [new[place] if place in new else known[place] for place in places]


__all__ = ["Barrier", "Crossing", "WalkingNetwork"]

_MIN_DEGREE_METRES = 110_574.0  # of latitude, at the equator


@dataclass(frozen=True, slots=True)
class Barrier:
    """A gate from the map, with its tags: access on foot, whether it is locked, and opening hours."""

    osm_id: int
    position: Position
    crossing: Crossing
    access: str | None
    locked: bool
    opening_hours: str | None


class WalkingNetwork:
    """The streets of one extract with their gates. Immutable and thread-safe."""

    def __init__(
        self, streets: Streets, barriers: Sequence[Barrier], contracted: ContractedEdges | None = None
    ) -> None:
        """Prepare the network; `contracted` are the contracted edges of the streets, if they are known."""
        self.streets = streets
        self.contracted = contract_edges(streets) if contracted is None else contracted
        self.barriers = tuple(sorted(barriers, key=lambda barrier: barrier.position.lat))
        self._barrier_lats = [barrier.position.lat for barrier in self.barriers]
        self._scratch = ScratchPad()
        self._snap_cache = SnapCache(self.contracted, self.snap)

    @property
    def node_count(self) -> int:
        return self.streets.node_count

    @property
    def edge_count(self) -> int:
        """Number of edges, streets and gates; `Crossing.edge` and `SnappedPoints.edge` are less than this."""
        return self.streets.edge_count

    @cached_property
    def digest(self) -> str:
        """A checksum of the streets and gates, equal for equal networks."""
        streets = self.streets
        found = hashlib.blake2b(digest_size=16)
        for values in (
            streets.edge_u,
            streets.edge_v,
            streets.point_start,
            streets.point_lat,
            streets.point_lon,
            streets.point_along,
            streets.gate_first,
        ):
            found.update(np.ascontiguousarray(values).data)
        found.update(repr(self.barriers).encode())
        return found.hexdigest()

    def covers(self, position: Position) -> bool:
        """Return whether a street is within `SNAP_METRES` of a position."""
        return self.start_at(position) is not None

    def start_at(self, position: Position) -> SnappedPoint | None:
        """Return where a walk from a position starts, or None if no street is within `SNAP_METRES`."""
        return snap_point(self.contracted, position.lat, position.lon, within_metres=SNAP_METRES)

    def barriers_near(self, position: Position, within_metres: float) -> list[Barrier]:
        """Return the gates from the map within a straight-line distance, nearest first."""
        degrees = within_metres / _MIN_DEGREE_METRES
        first = bisect_left(self._barrier_lats, position.lat - degrees)
        end = bisect_right(self._barrier_lats, position.lat + degrees)
        if first == end:
            return []
        widest = max(math.cos(math.radians(min(90.0, abs(position.lat) + degrees))), 1e-9)
        degrees_across = degrees / widest
        near: list[tuple[float, Barrier]] = []
        for barrier in self.barriers[first:end]:
            if abs(barrier.position.lon - position.lon) <= degrees_across:
                metres = distance_metres(position, barrier.position)
                if metres <= within_metres:
                    near.append((metres, barrier))
        near.sort(key=lambda pair: pair[0])
        return [barrier for _, barrier in near]

    def lines_within(
        self, *, west: float, south: float, east: float, north: float, limit: int
    ) -> list[NDArray[np.float64]]:
        """Return the streets whose first point is in a box of degrees, each as an array of (lon, lat).

        Returns none of them if there are more than `limit`.
        """
        streets, units = self.streets, UNITS_PER_DEGREE
        first = streets.point_start[: streets.street_count]
        lat, lon = streets.point_lat[first], streets.point_lon[first]
        inside = (
            (lat >= south * units) & (lat <= north * units) & (lon >= west * units) & (lon <= east * units)
        )
        chosen = np.flatnonzero(inside).tolist()
        if len(chosen) > limit:
            return []
        bounds = [(int(streets.point_start[each]), int(streets.point_start[each + 1])) for each in chosen]
        return [
            np.column_stack((streets.point_lon[start:end], streets.point_lat[start:end])) / units
            for start, end in bounds
        ]

    def crossing_at(self, position: Position, *, within_metres: float = 15.0) -> Crossing | None:
        """Return the place on the streets of a gate at this position, or None if no street is near.

        A gate from the map within the distance is taken for the same gate; otherwise uses the nearest edge.
        """
        for barrier in self.barriers_near(position, within_metres):
            return barrier.crossing
        snapped = snap_point(self.contracted, position.lat, position.lon, within_metres=within_metres)
        return Crossing(snapped.edge, snapped.along_metres) if snapped is not None else None

    def snap(self, lats: ArrayLike, lons: ArrayLike, *, within_metres: float = SNAP_METRES) -> SnappedPoints:
        """Snap points to the nearest edge within `within_metres`."""
        return snap_points(self.streets, lats, lons, within_metres=within_metres)

    def snapped_places(self, places: Sequence[tuple[float, float]]) -> list[SnappedPoint | None]:
        """Snap places (latitude, longitude) to the nearest edge within `SNAP_METRES`, with a cache.

        Returns None for a place without a street nearby.
        """
        return self._snap_cache.snap(places)

    def reachable(
        self,
        start: Position | SnappedPoint,
        *,
        within_metres: float,
        closed: Sequence[Crossing] = (),
        delays: Sequence[tuple[Crossing, float]] = (),
    ) -> Reachable | None:
        """Compute everything within `within_metres` on foot; return None if no street is near the start.

        `closed` crossings cannot be passed. A delay, in equivalent metres of walking, is added each time its
        crossing is passed. Raises InvalidInput for a crossing of another network, or a negative number.
        """
        snapped = self.start_at(start) if isinstance(start, Position) else start
        if snapped is None:
            return None
        return find_reachable(
            self.contracted, self._scratch, snapped, within_metres=within_metres, closed=closed, delays=delays
        )
