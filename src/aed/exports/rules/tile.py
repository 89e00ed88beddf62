"""The arithmetic of vector tiles: which part of the world a tile shows, and when devices are gathered."""

from __future__ import annotations

import math
from dataclasses import dataclass

EXTENT = 4096
"""Steps along a tile's side."""
CELL = 256
"""Devices in a square of so many steps are shown as one: 16 squares along a side.

A square belongs to one tile, so that two tiles never count a device twice.
"""
BUFFER = CELL
"""What of the neighbouring tiles is repeated: exactly one row of squares, as those tiles show them."""
CLUSTERED_BELOW_ZOOM = 14
DEEPEST_ZOOM = 22
MOST_SINGLE_DEVICES = 2_000
"""A tile with more shows them gathered at any zoom: a million devices in one house stay one tile."""
FARTHEST_NORTH = 85.0511287798066
"""Web Mercator ends here, where the world is a square."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of the Web Mercator world; 0/0/0 is all of it, x counts eastward and y southward."""

    zoom: int
    x: int
    y: int

    @property
    def exists(self) -> bool:
        side = 2**self.zoom
        return 0 <= self.zoom <= DEEPEST_ZOOM and 0 <= self.x < side and 0 <= self.y < side

    @property
    def steps_per_degree(self) -> float:
        return 2.0**self.zoom * EXTENT / 360.0

    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees, with the buffer; never beyond the world."""
        around = BUFFER / self.steps_per_degree
        degrees = 360.0 / 2**self.zoom
        west, top = self.x * degrees - 180.0 - around, 180.0 - self.y * degrees + around
        east, bottom = west + degrees + 2 * around, top - degrees - 2 * around
        return max(west, -180.0), _latitude(bottom), min(east, 180.0), _latitude(top)


def _latitude(mercator_degrees: float) -> float:
    held = max(-180.0, min(180.0, mercator_degrees))
    return math.degrees(2 * math.atan(math.exp(math.radians(held))) - math.pi / 2)
