"""Find the estate that a list's points lie in, and the datum in which they lie in estates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import shapely
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


def estates_of(session: Session, points: Sequence[Position]) -> list[NamedEstate | None]:
    """Return the active estate that contains each point or is closest within 30 m; the smallest of several.

    visibility: for an administrator's import.
    """
    shapes, named = _estates_around(session, points)
    if not named:
        return [None] * len(points)
    areas = shapely.area(shapes)
    tree = shapely.STRtree(shapes)
    found: list[NamedEstate | None] = []
    for point in points:
        spot = shapely.Point(point.lon, point.lat)
        inside = tree.query(spot, predicate="covered_by").tolist()
        if not inside:
            reach = BESIDE_METRES / 111_195 / max(0.1, math.cos(math.radians(point.lat)))
            inside = [
                each
                for each in tree.query(spot.buffer(reach)).tolist()
                if _metres(spot, shapes[each]) <= BESIDE_METRES
            ]
        found.append(named[min(inside, key=lambda each: areas[each])] if inside else None)
    return found


def datum_counts(session: Session, pairs: Sequence[tuple[float, float]]) -> DatumCounts:
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
        inside[datum] = sum(each is not None for each in estates_of(session, points)) if points else 0
    return DatumCounts(len(some), inside)


def _metres(spot: shapely.Point, shape: shapely.Geometry) -> float:
    nearest = shapely.shortest_line(spot, shape).coords[-1]
    return flat_distance_metres(spot.y, spot.x, nearest[1], nearest[0])


def _estates_around(session: Session, points: Sequence[Position]) -> tuple[np.ndarray, list[NamedEstate]]:
    """Return the boundaries and names of the active estates around points.

    visibility: for an administrator's import.
    """
    if not points:
        return np.empty(0, dtype=object), []
    box = overlapping_box(
        session,
        Estate.boundary,
        west=min(each.lon for each in points) - _SHIFT_DEGREES,
        south=min(each.lat for each in points) - _SHIFT_DEGREES,
        east=max(each.lon for each in points) + _SHIFT_DEGREES,
        north=max(each.lat for each in points) + _SHIFT_DEGREES,
    )
    statement = select(
        Estate.source,
        Estate.source_id,
        Estate.name_en,
        Estate.name_zh,
        Estate.id,
        Estate.region_id,
        Estate.boundary,
    ).where(box, Estate.state == EstateState.ACTIVE)
    rows = session.execute(statement).all()
    shapes = np.array([shape_of(row.boundary) for row in rows], dtype=object)
    return shapes, [NamedEstate(*row[:-1]) for row in rows]
