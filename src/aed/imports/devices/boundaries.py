"""Find the estate that a list's points lie in, and the datum in which they lie in estates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.database.boxes import overlapping_box
from aed.database.geometry import shape_of
from aed.errors import InvalidInput
from aed.geo import Datum, Position, flat_distance_metres, position_from
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState

BESIDE_METRES: Final = 30.0
"""Maximum distance outside a boundary at which a device still belongs to the estate: it hangs on the wall."""
MAX_COMPARED: Final = 500
MIN_SHARE: Final = 0.5
"""Minimum share of points inside estates for the datum to be known from them."""
MAX_SECOND_SHARE: Final = 0.7
"""Maximum share of the best datum's points that may lie in estates in another datum as well.

In an estate that is wider than the shift of a datum, points lie inside in more than one.
"""
_SHIFT_DEGREES: Final = 0.02
"""More than any datum shifts a point."""


class NamedEstate(NamedTuple):
    """An estate as lists refer to it."""

    source: str
    source_id: str
    name_en: str
    name_zh: str
    id: int
    region_id: int


@dataclass(frozen=True, slots=True)
class DatumCounts:
    """How many points lie in estates, by the datum in which they are read."""

    compared: int
    inside: dict[Datum, int]

    @property
    def best(self) -> Datum | None:
        """The datum in which clearly the most points lie in estates; None if there is none."""
        counts = sorted(((count, datum) for datum, count in self.inside.items()), reverse=True)
        is_clear = counts[0][0] > 0 and counts[1][0] <= MAX_SECOND_SHARE * counts[0][0]
        is_clear = is_clear and counts[0][0] >= MIN_SHARE * self.compared
        return counts[0][1] if is_clear else None


class Area(NamedTuple):
    """A box in degrees, WGS-84."""

    west: float
    south: float
    east: float
    north: float

    def widened(self, degrees: float) -> Area:
        """Return the box with that much more on each side."""
        return Area(self.west - degrees, self.south - degrees, self.east + degrees, self.north + degrees)

    def contains(self, other: Area) -> bool:
        """Return True if the other box lies in this one."""
        return (
            self.west <= other.west
            and self.south <= other.south
            and self.east >= other.east
            and self.north >= other.north
        )


class EstateBoundaries:
    """The boundaries of active estates, for one import or preview: those of an area are read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._area: Area | None = None
        """Of points in it, all boundaries that matter were read."""
        self._named: list[NamedEstate] = []
        self._shapes: NDArray[np.object_] = np.empty(0, dtype=object)
        self._tree = shapely.STRtree(self._shapes)

    def read_around(self, pairs: Sequence[tuple[float, float]]) -> None:
        """Read what is around pairs of latitude and longitude, whatever their datum."""
        if pairs:
            self._read(_box_of(pairs).widened(_SHIFT_DEGREES))

    def estates_of(self, points: Sequence[Position]) -> list[NamedEstate | None]:
        """Return the estate that contains each point or is closest within 30 m; the smallest of several."""
        if not points:
            return []
        box = _box_of([(each.lat, each.lon) for each in points])
        if self._area is None or not self._area.contains(box):
            self._read(box)
        if not self._named:
            return [None] * len(points)
        spots = shapely.points([each.lon for each in points], [each.lat for each in points])
        candidates: list[list[int]] = [[] for _ in points]
        for number, estate in zip(*self._tree.query(spots, predicate="covered_by").tolist(), strict=True):
            candidates[number].append(estate)
        outside = [number for number, found in enumerate(candidates) if not found]
        for number, estate in zip(*self._tree.query(_around(spots[outside])).tolist(), strict=True):
            if _metres(spots[outside[number]], self._shapes[estate]) <= BESIDE_METRES:
                candidates[outside[number]].append(estate)
        areas = shapely.area(self._shapes)
        return [
            self._named[min(found, key=lambda each: areas[each])] if found else None for found in candidates
        ]

    def _read(self, area: Area) -> None:
        """Read the boundaries around an area.

        visibility: for an administrator's import.
        """
        box = area.widened(_SHIFT_DEGREES)
        statement = select(
            Estate.source,
            Estate.source_id,
            Estate.name_en,
            Estate.name_zh,
            Estate.id,
            Estate.region_id,
            Estate.boundary,
        ).where(
            overlapping_box(self._session, Estate.boundary, **box._asdict()),
            Estate.state == EstateState.ACTIVE,
        )
        rows = self._session.execute(statement).all()
        self._area = area
        self._named = [NamedEstate(*row[:-1]) for row in rows]
        self._shapes = np.array([shape_of(row.boundary) for row in rows], dtype=object)
        self._tree = shapely.STRtree(self._shapes)


def datum_counts(boundaries: EstateBoundaries, pairs: Sequence[tuple[float, float]]) -> DatumCounts:
    """Count how many pairs of coordinates lie in estates, read in each datum."""
    some = pairs[:: max(1, len(pairs) // MAX_COMPARED)]
    inside: dict[Datum, int] = {}
    for datum in Datum:
        points = []
        for lat, lon in some:
            try:
                points.append(position_from(lat, lon, datum))
            except InvalidInput:
                continue
        inside[datum] = sum(each is not None for each in boundaries.estates_of(points))
    return DatumCounts(len(some), inside)


def _metres(spot: shapely.Point, shape: shapely.Geometry) -> float:
    nearest = shapely.shortest_line(spot, shape).coords[-1]
    return flat_distance_metres(spot.y, spot.x, nearest[1], nearest[0])


def _box_of(pairs: Sequence[tuple[float, float]]) -> Area:
    lats, lons = zip(*pairs, strict=True)
    return Area(min(lons), min(lats), max(lons), max(lats))


def _around(spots: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return a box around each spot that holds what is within BESIDE_METRES."""
    lons, lats = shapely.get_x(spots), shapely.get_y(spots)
    north = BESIDE_METRES / 111_195
    east = north / np.maximum(0.1, np.cos(np.radians(lats)))
    found: NDArray[np.object_] = shapely.box(lons - east, lats - north, lons + east, lats + north)
    return found
