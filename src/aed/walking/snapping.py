"""Snap points to the streets: find the nearest place on the nearest edge."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aed.geo import radii_of_curvature
from aed.walking.contracted_edges import DEAD_END, ContractedEdges
from aed.walking.streets import EDGE_STRIP_UNITS, UNITS_PER_DEGREE, Floats, Ints, Streets

SNAP_METRES = 250.0

# Most points have a street within this distance, so that few need a search up to the limit.
_FIRST_SEARCH_METRES = 60.0
_SEARCHES_FOR_ONE_METRES = (25.0, 80.0)  # tried before the limit, for a single point
_POINTS_AT_ONCE = 4096
_MAX_LATITUDE = 89.0  # nearer to the poles, planar approximation fails

_UNIT = math.pi / 180 / UNITS_PER_DEGREE
"""1e-7 degrees in radians."""


class SnappedPoint(NamedTuple):
    """The place on the streets that one point is snapped to."""

    lat: float
    lon: float
    """Latitude and longitude of the point itself."""
    edge: int
    along_metres: float
    """Metres from the edge's first end."""
    off_metres: float
    """Metres on the straight line from the point to the street."""
    chain: int
    """The chain of the edge: see `ContractedEdges`."""
    order: int
    """Index of the edge in the chain."""
    first_metres: float
    """Metres to the chain's first end."""
    last_metres: float
    """Metres to the chain's last end."""
    first_end: int
    last_end: int
    """The junctions at the ends of the chain, or `DEAD_END`."""


@dataclass(frozen=True, slots=True, eq=False)
class SnappedPoints:
    """The places on the streets that points are snapped to, in parallel arrays.

    `edge` is -1 for a point without a street within the limit; its other values are then undefined.
    `along_metres` is measured from the edge's first end, `off_metres` on the straight line from the point to
    the street. `lats` and `lons` are the points themselves.
    """

    lats: Floats
    lons: Floats
    edge: Ints
    along_metres: Floats
    off_metres: Floats

    def __len__(self) -> int:
        return len(self.edge)

    def take(self, which: Sequence[int] | NDArray[np.intp]) -> SnappedPoints:
        """Return the snapped points at the given indices, in that order."""
        chosen = np.asarray(which, dtype=np.intp)
        return SnappedPoints(
            self.lats[chosen],
            self.lons[chosen],
            self.edge[chosen],
            self.along_metres[chosen],
            self.off_metres[chosen],
        )

    @staticmethod
    def of(places: Sequence[SnappedPoint | None]) -> SnappedPoints:
        """Convert single snapped points to arrays; None becomes a point without a street."""
        known = [place or _NOWHERE for place in places]
        return SnappedPoints(
            np.array([place.lat for place in known], dtype=np.float64),
            np.array([place.lon for place in known], dtype=np.float64),
            np.array([place.edge for place in known], dtype=np.int32),
            np.array([place.along_metres for place in known], dtype=np.float64),
            np.array([place.off_metres for place in known], dtype=np.float64),
        )

    def one(self, i: int, contracted: ContractedEdges) -> SnappedPoint | None:
        """Return the snapped point of point i, or None if no street is near."""
        edge = int(self.edge[i])
        if edge < 0:
            return None
        lat, lon, along = float(self.lats[i]), float(self.lons[i]), float(self.along_metres[i])
        return _snapped_at(contracted, lat, lon, edge, along, float(self.off_metres[i]))

    def followed_by(self, others: SnappedPoints) -> SnappedPoints:
        """Return these snapped points followed by `others`."""
        return _concatenated([self, others])


def snap_points(streets: Streets, lats: ArrayLike, lons: ArrayLike, *, within_metres: float) -> SnappedPoints:
    """Snap each point to the nearest edge within `within_metres`; `edge` is -1 if there is none.

    Searches a small circle first and, for points without a street there, the whole limit.
    """
    lat = np.atleast_1d(np.asarray(lats, dtype=np.float64))
    lon = np.atleast_1d(np.asarray(lons, dtype=np.float64))
    if len(lat) > _POINTS_AT_ONCE:
        return _concatenated(
            [
                snap_points(
                    streets,
                    lat[start : start + _POINTS_AT_ONCE],
                    lon[start : start + _POINTS_AT_ONCE],
                    within_metres=within_metres,
                )
                for start in range(0, len(lat), _POINTS_AT_ONCE)
            ]
        )
    first_metres = min(_FIRST_SEARCH_METRES, within_metres)
    edge, along_metres, off_metres = _nearest(streets, lat, lon, first_metres)
    if within_metres > first_metres and len(missing := (edge < 0).nonzero()[0]):
        edge[missing], along_metres[missing], off_metres[missing] = _nearest(
            streets, lat[missing], lon[missing], within_metres
        )
    return SnappedPoints(lat, lon, edge, along_metres, off_metres)


def snap_point(
    contracted: ContractedEdges, lat: float, lon: float, *, within_metres: float
) -> SnappedPoint | None:
    """Snap a single point, with the same result as `snap_points`; None if no street is near.

    Every lookup calls this once. It examines about a hundred line segments one by one, which takes a third of
    the time of array operations.
    """
    streets = contracted.streets
    for metres in _SEARCHES_FOR_ONE_METRES:
        found = _nearest_to_one(streets, lat, lon, min(metres, within_metres))
        if found is not None:
            return _snapped_at(contracted, lat, lon, *found)
        if within_metres <= metres:
            return None
    return snap_points(streets, [lat], [lon], within_metres=within_metres).one(0, contracted)


_NOWHERE = SnappedPoint(math.nan, math.nan, -1, 0.0, 0.0, -1, 0, 0.0, 0.0, DEAD_END, DEAD_END)


def _snapped_at(
    contracted: ContractedEdges, lat: float, lon: float, edge: int, along_metres: float, off_metres: float
) -> SnappedPoint:
    chain, order, within = int(contracted.chain[edge]), int(contracted.order[edge]), along_metres
    if not contracted.is_forward[edge]:
        within = max(0.0, contracted.streets.edge_metres(edge) - along_metres)
    first_metres = float(contracted.before_metres[edge]) + within
    last_metres = max(0.0, float(contracted.metres[chain]) - first_metres)
    ends = int(contracted.first_end[chain]), int(contracted.last_end[chain])
    return SnappedPoint(
        lat, lon, edge, along_metres, off_metres, chain, order, first_metres, last_metres, *ends
    )


def _concatenated(parts: Sequence[SnappedPoints]) -> SnappedPoints:
    return SnappedPoints(
        np.concatenate([part.lats for part in parts]),
        np.concatenate([part.lons for part in parts]),
        np.concatenate([part.edge for part in parts]),
        np.concatenate([part.along_metres for part in parts]),
        np.concatenate([part.off_metres for part in parts]),
    )


def _nearest(streets: Streets, lat: Floats, lon: Floats, radius_metres: float) -> tuple[Ints, Floats, Floats]:
    """Return the nearest edge within the radius of each point (or -1), metres along it, and metres off it.

    1. Take the edges whose middle is within the radius plus half the longest edge: one slice for each strip.
       No other edge can be within the radius.
    2. Project the segments of their lines to a plane around the point, in metres. Over such distances the
       plane differs from the spheroid by less than 1 in 10,000.
    3. Find the nearest place on each segment, and the best segment of each point.
    """
    count = len(lat)
    edge, along_metres = np.full(count, -1, dtype=np.int32), np.zeros(count)
    off_metres = np.full(count, np.inf)
    if not count or not bool((np.abs(lat) <= _MAX_LATITUDE).all()) or not bool(np.isfinite(lon).all()):
        usable = np.flatnonzero((np.abs(lat) <= _MAX_LATITUDE) & (np.abs(lon) <= 180.0))
        if len(usable):
            found = _nearest(streets, lat[usable], lon[usable], radius_metres)
            edge[usable], along_metres[usable], off_metres[usable] = found
        return edge, along_metres, off_metres

    north, east = _metres_per_unit(np.cos(np.radians(lat)))
    at_lat, at_lon = lat * UNITS_PER_DEGREE, lon * UNITS_PER_DEGREE
    box_metres = _box_metres(streets, radius_metres)
    up, across = box_metres / north, box_metres / east
    lowest = ((at_lat - up + 90 * UNITS_PER_DEGREE) / EDGE_STRIP_UNITS).astype(np.int64)
    strips = np.arange(int(2 * box_metres / (float(north.min()) * EDGE_STRIP_UNITS)) + 2)
    base = (lowest[:, None] + strips) << 32
    bounds = np.empty((2, *base.shape), dtype=np.int64)
    from_antimeridian = at_lon + 180 * UNITS_PER_DEGREE
    np.add(base, (from_antimeridian - across).astype(np.int64)[:, None], out=bounds[0])
    np.add(base, (from_antimeridian + across).astype(np.int64)[:, None], out=bounds[1])
    first, end = streets.point_start.take(streets.edge_key.searchsorted(bounds))
    counts = end - first
    per_point = counts.sum(axis=1)
    each = counts.ravel()
    ends = each.cumsum()
    total = int(ends[-1])
    if total == 0:
        return edge, along_metres, off_metres

    point = np.repeat(first.ravel() - (ends - each), each)
    point += np.arange(total)
    y = (streets.point_lat.take(point) - at_lat.repeat(per_point)) * north.repeat(per_point)
    x = (streets.point_lon.take(point) - at_lon.repeat(per_point)) * east.repeat(per_point)
    along = streets.point_along.take(point).astype(np.float64)
    away, place = _nearest_on_steps(y, x, along)
    starts = per_point.cumsum() - per_point
    best = np.minimum.reduceat(away, starts)
    is_best = (away[:total] == best.repeat(per_point)).nonzero()[0]
    near = ((best <= radius_metres * radius_metres) & (per_point > 0)).nonzero()[0]
    winner = is_best[is_best.searchsorted(starts[near])]
    # Use the array's own type; otherwise numpy would convert the whole array for each search.
    edge[near] = streets.point_start.searchsorted(point[winner].astype(np.int32), side="right") - 1
    along_metres[near] = place[winner]
    off_metres[near] = np.sqrt(best[near])
    return edge, along_metres, off_metres


def _nearest_to_one(
    streets: Streets, lat: float, lon: float, radius_metres: float
) -> tuple[int, float, float] | None:
    """Return what `_nearest` returns for a single point, examining segments in the same order."""
    if not abs(lat) <= _MAX_LATITUDE or not abs(lon) <= 180.0:
        return None
    north, east = _metres_per_unit(math.cos(math.radians(lat)))
    at_lat, at_lon = lat * UNITS_PER_DEGREE, lon * UNITS_PER_DEGREE
    box_metres = _box_metres(streets, radius_metres)
    up, across = box_metres / north, box_metres / east
    south = at_lat + 90 * UNITS_PER_DEGREE - up
    west, east_end = (int(at_lon + 180 * UNITS_PER_DEGREE + side * across) for side in (-1, 1))
    keys, starts = memoryview(streets.edge_key), memoryview(streets.point_start)
    far, squared, found = radius_metres, radius_metres * radius_metres, None
    for strip in range(int(south / EDGE_STRIP_UNITS), int((south + 2 * up) / EDGE_STRIP_UNITS) + 1):
        first = bisect_left(keys, (strip << 32) + west)
        run = slice(starts[first], starts[bisect_left(keys, (strip << 32) + east_end, first)])
        lats, lons = streets.point_lat[run].tolist(), streets.point_lon[run].tolist()
        y = x = along = math.inf
        for number, (lat_units, lon_units, metres) in enumerate(
            zip(lats, lons, streets.point_along[run].tolist(), strict=True), run.start - 1
        ):
            y_before, x_before, before = y, x, along
            y, x, along = (lat_units - at_lat) * north, (lon_units - at_lon) * east, metres
            if along <= before:  # the first point of an edge
                continue
            if y > far < y_before or y < -far > y_before or x > far < x_before or x < -far > x_before:
                continue
            dy, dx = y - y_before, x - x_before
            share = (x_before * dx + y_before * dy) / -(dx * dx + dy * dy + 1e-12)
            share = 0.0 if share < 0.0 else 1.0 if share > 1.0 else share
            dx, dy = dx * share + x_before, dy * share + y_before
            away = dx * dx + dy * dy
            if away < squared or (found is None and away == squared):
                far, squared = math.sqrt(away), away
                found = number, share * (along - before) + before
    if found is None:
        return None
    point, along_metres = found
    return bisect_right(starts, point) - 1, along_metres, far


def _box_metres(streets: Streets, radius_metres: float) -> float:
    """Return the maximum distance from a point to the middle of an edge that is within the radius."""
    return radius_metres * 1.001 + streets.longest_edge_metres / 2 + 0.1


def _nearest_on_steps(y: Floats, x: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Return each segment's squared distance to the origin (square metres) and the place along its edge.

    `y` and `x` are the end points of the segments in metres north and east. Between the last point of an edge
    and the first of the next (where `along` returns to 0) there is no segment: the distance is infinite. One
    infinite entry is appended at the end.
    """
    length = along[1:] - along[:-1]
    dy, dx = y[1:] - y[:-1], x[1:] - x[:-1]
    y, x = y[:-1], x[:-1]
    share = (x * dx + y * dy) / -(dx * dx + dy * dy + 1e-12)
    np.minimum(np.maximum(share, 0.0, out=share), 1.0, out=share)
    dx *= share
    dx += x
    dy *= share
    dy += y
    away = np.full(len(along) + 1, np.inf)
    np.copyto(away[: len(length)], dx * dx + dy * dy, where=length > 0.0)
    share *= length
    share += along[:-1]
    return away, share


def _metres_per_unit[Number: (float, Floats)](cosine: Number) -> tuple[Number, Number]:
    """Return the metres north and east of 1e-7 degrees, at the latitude (or latitudes) with this cosine."""
    meridian, prime_vertical = radii_of_curvature(cosine)
    return meridian * _UNIT, prime_vertical * cosine * _UNIT
