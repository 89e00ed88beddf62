"""The part of the earth that a map shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shapely.geometry.base import BaseGeometry

from aed.errors import InvalidInput
from aed.geo import BoundingBox, Datum, to_wgs84

MAX_SIDE_DEGREES: Final = 0.3
"""Largest side of a box whose devices are listed one by one: about 30 km."""
_MARGIN_DEGREES: Final = 0.0002
"""The shift between two datums differs by a few metres within a box."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of an estate."""

    name_en: str
    name_zh: str
    boundary: BaseGeometry


def box_on_earth(
    west: float, south: float, east: float, north: float, datum: Datum, *, at_most: float
) -> BoundingBox:
    """Return the box in WGS-84 that covers a box in `datum`.

    Raises InvalidInput for degrees out of range, and for a side longer than `at_most` degrees.
    """
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # NaN fails too
        raise InvalidInput("bbox must be west,south,east,north in degrees.", field="bbox")
    if east - west > at_most or north - south > at_most:
        raise InvalidInput(
            "Each side of bbox must be at most {at_most} degrees.", field="bbox", at_most=at_most
        )
    if datum is Datum.WGS84:
        return BoundingBox(west, south, east, north)
    corners = [to_wgs84(lat, lon, datum) for lat in (south, north) for lon in (west, east)]
    return BoundingBox(
        max(-180.0, min(each.lon for each in corners) - _MARGIN_DEGREES),
        max(-90.0, min(each.lat for each in corners) - _MARGIN_DEGREES),
        min(180.0, max(each.lon for each in corners) + _MARGIN_DEGREES),
        min(90.0, max(each.lat for each in corners) + _MARGIN_DEGREES),
    )
