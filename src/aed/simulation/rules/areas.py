"""Places spread over areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.random import Generator
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from aed.geo import Position
from aed.walking.streets import Floats

_WGS84 = Geod(ellps="WGS84")


def shares_of(areas: Sequence[BaseGeometry]) -> Floats:
    """Return each area's share of the total (computed in degrees, so for areas near each other only)."""
    sizes = np.array([area.area for area in areas])
    shares: Floats = sizes / sizes.sum()
    return shares


def somewhere_in(area: BaseGeometry, random: Generator) -> Position:
    """Return a uniformly distributed place in the area."""
    west, south, east, north = area.bounds
    while True:
        lon, lat = random.uniform((west, south), (east, north)).tolist()
        if area.contains(shapely.Point(lon, lat)):
            return Position(lat, lon)


def square_kilometres(areas: Sequence[BaseGeometry]) -> float:
    return sum(abs(_WGS84.geometry_area_perimeter(area)[0]) for area in areas) / 1e6
