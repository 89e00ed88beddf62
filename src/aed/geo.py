"""Positions, datums and distances.

Positions inside the program are always WGS-84. Chinese maps use two other datums. A point in the wrong datum
is in another street or district (in Hangzhou GCJ-02 is off by 517 m, BD-09 by 1,152 m):

- GCJ-02 (AMap, Tencent, and the street maps of mainland China by Apple and Google) shifts a point by 20 to
  700 m. This module applies it in mainland China only: inside a polygon of its land and 35 km of sea
  (`mainland_china.json`), not the usual bounding box, which contains Taiwan, Hong Kong and Korea. Elsewhere
  GCJ-02 equals WGS-84.
- BD-09 (Baidu) shifts GCJ-02 by another 770 to 980 m. According to Baidu it applies in China including Hong
  Kong, Macau and Taiwan, and WGS-84 is used abroad. So BD-09 and the underlying GCJ-02 are inverted there,
  and elsewhere BD-09 equals WGS-84.

Both are inverted exactly, by iteration. Near the edge of such an area a pair can be ambiguous: it may be a
place inside that is shifted across the edge, or an unshifted place outside, up to 700 m (BD-09: 1.5 km)
apart. At the opposite edge some pairs correspond to no place. In these cases the result is the place whose
shift gives the pair, since GCJ-02 and BD-09 pairs come from Chinese maps. Farther from the edge all pairs are
unambiguous. The edge is accurate to 100 m along the land borders of Hong Kong and Macau, half-way at sea off
Kinmen and Matsu, and accurate to 1-4 km along the other land borders.
"""

from __future__ import annotations

import functools
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aed.errors import InvalidInput
from aed.mainland_china import is_in_mainland, is_near_china

if TYPE_CHECKING:
    from pyproj import Geod


class Datum(StrEnum):
    """The datum of a pair of coordinates."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


@dataclass(frozen=True, slots=True)
class Position:
    """A point in WGS-84 degrees."""

    lat: float
    lon: float


# --- Conversion from and to other datums ---


def position_from(lat: float, lon: float, datum: Datum = Datum.WGS84, *, field: str = "lat") -> Position:
    """Convert a pair of degrees in `datum` to a position.

    `field` is the name of the latitude's input field (`lat`, `latitude`, `from.lat`), from which the
    longitude's is derived. Raises InvalidInput with the field that is not a number or out of range.
    """
    if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):  # NaN fails both
        raise _not_degrees(lat, lon, field=field)
    if datum is Datum.WGS84:
        return Position(lat, lon)
    return to_wgs84(lat, lon, datum)


def to_wgs84(lat: float, lon: float, datum: Datum) -> Position:
    """Convert a pair that is in range to a position; exact to 1e-8 m if the pair is unambiguous."""
    if datum is Datum.WGS84 or not is_near_china(lat, lon):
        return Position(lat, lon)
    if datum is Datum.GCJ02:
        unshifted = _from_gcj02(lat, lon)
        if is_in_mainland(*unshifted) or is_in_mainland(lat, lon):
            return Position(*unshifted)
    else:
        unshifted = _from_gcj02(*_from_bd09(lat, lon))
        if _where_baidu_shifts(*unshifted) or _where_baidu_shifts(lat, lon):
            return Position(*unshifted)
    return Position(lat, lon)


def from_wgs84(position: Position, datum: Datum) -> tuple[float, float]:
    """Return the latitude and longitude of `position` in `datum`."""
    lat, lon = position.lat, position.lon
    if datum is Datum.GCJ02 and is_in_mainland(lat, lon):
        return _to_gcj02(lat, lon)
    if datum is Datum.BD09 and _where_baidu_shifts(lat, lon):
        return _to_bd09(*_to_gcj02(lat, lon))
    return lat, lon


def in_mainland_china(position: Position) -> bool:
    """Return whether GCJ-02 shifts coordinates at `position`. This is not a statement about territory."""
    return is_in_mainland(position.lat, position.lon)


def _not_degrees(lat: float, lon: float, *, field: str) -> InvalidInput:
    """Return the error for a pair that is not valid, with the field that is wrong."""
    lon_field = field.removesuffix("lat") + "lon" if field.endswith("lat") else "lon"
    if field.endswith("latitude"):
        lon_field = field.removesuffix("latitude") + "longitude"
    if not math.isfinite(lat):
        return InvalidInput("Latitude must be a number of degrees from -90 to 90.", field=field)
    if not math.isfinite(lon):
        return InvalidInput("Longitude must be a number of degrees from -180 to 180.", field=lon_field)
    if not -90.0 <= lat <= 90.0:
        if -180.0 <= lat <= 180.0 and -90.0 <= lon <= 90.0:
            return InvalidInput(
                "Latitude is {lat:g}, but must be from -90 to 90: latitude and longitude look "
                "swapped. Give latitude first.",
                field=field,
                lat=lat,
            )
        return InvalidInput("Latitude is {lat:g}, but must be from -90 to 90 degrees.", field=field, lat=lat)
    return InvalidInput(
        "Longitude is {lon:g}, but must be from -180 to 180 degrees.", field=lon_field, lon=lon
    )


# The official formula is unpublished. This is the one that public converters share (on Krasovsky's spheroid
# of 1940); tests/test_geo.py compares it with 1,340 of their results.
_KRASOVSKY_METRES: Final = 6378245.0
_KRASOVSKY_ECCENTRICITY_SQUARED: Final = 0.00669342162296594323
_DEGREES: Final = 180.0 / math.pi

_EXACT_DEGREES: Final = 1e-13
"""Tolerance of the iteration, 1e-8 m. A double represents 120 degrees to 1.4e-14."""

_MAX_ITERATIONS: Final = 12
"""Limit on iterations. Each inverse needs at most 6, since a round leaves about 1 % of the error."""


def _to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    """Shift a pair by the GCJ-02 formula, without checking where it is."""
    sin, pi = math.sin, math.pi
    x, y = lon - 105.0, lat - 35.0
    root, px, py = math.sqrt(abs(x)), pi * x, pi * y
    common = 0.1 * x * y + 40.0 / 3.0 * (sin(6.0 * px) + sin(2.0 * px))
    north = (
        -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.2 * root
        + common
        + 40.0 / 3.0 * (sin(py) + 2.0 * sin(py / 3.0) + 8.0 * sin(py / 12.0) + 16.0 * sin(py / 30.0))
    )
    east = (
        300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * root
        + common
        + 40.0 / 3.0 * (sin(px) + 2.0 * sin(px / 3.0) + 7.5 * sin(px / 12.0) + 15.0 * sin(px / 30.0))
    )
    phi = lat / _DEGREES
    w2 = 1.0 - _KRASOVSKY_ECCENTRICITY_SQUARED * sin(phi) ** 2
    normal = _KRASOVSKY_METRES / math.sqrt(w2)
    meridian = normal * (1.0 - _KRASOVSKY_ECCENTRICITY_SQUARED) / w2
    return lat + north / meridian * _DEGREES, lon + east / (normal * math.cos(phi)) * _DEGREES


def _from_gcj02(lat: float, lon: float) -> tuple[float, float]:
    """Invert `_to_gcj02`."""
    guess_lat, guess_lon = lat, lon
    for _ in range(_MAX_ITERATIONS):
        there_lat, there_lon = _to_gcj02(guess_lat, guess_lon)
        miss_lat, miss_lon = lat - there_lat, lon - there_lon
        guess_lat += miss_lat
        guess_lon += miss_lon
        if abs(miss_lat) < _EXACT_DEGREES and abs(miss_lon) < _EXACT_DEGREES:
            break
    return guess_lat, guess_lon


_BD09_WAVES: Final = math.pi * 3000.0 / 180.0
_BD09_LAT: Final = 0.006
_BD09_LON: Final = 0.0065


def _to_bd09(lat: float, lon: float) -> tuple[float, float]:
    """Shift a GCJ-02 pair by Baidu's formula: sines in polar coordinates, then a constant offset."""
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * _BD09_WAVES)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * _BD09_WAVES)
    return radius * math.sin(angle) + _BD09_LAT, radius * math.cos(angle) + _BD09_LON


def _from_bd09(lat: float, lon: float) -> tuple[float, float]:
    """Invert `_to_bd09` exactly; the inverse formula that is commonly used is 1-3 m off."""
    guess_lat, guess_lon = lat - _BD09_LAT, lon - _BD09_LON
    for _ in range(_MAX_ITERATIONS):
        there_lat, there_lon = _to_bd09(guess_lat, guess_lon)
        miss_lat, miss_lon = lat - there_lat, lon - there_lon
        guess_lat += miss_lat
        guess_lon += miss_lon
        if abs(miss_lat) < _EXACT_DEGREES and abs(miss_lon) < _EXACT_DEGREES:
            break
    return guess_lat, guess_lon


def _where_baidu_shifts(lat: float, lon: float) -> bool:
    """Return whether Baidu uses BD-09 at a pair: in mainland China, Hong Kong, Macau and Taiwan.

    The last three are two boxes, whose edges are at sea or in the mainland.
    """
    return (
        (22.05 <= lat <= 22.6 and 113.52 <= lon <= 114.51)
        or (21.7 <= lat <= 26.6 and 118.0 <= lon <= 122.3)
        or is_in_mainland(lat, lon)
    )


# --- Distances ---


EARTH_RADIUS_METRES: Final = 6_371_008.8
"""Mean radius, for distances on a sphere."""
METRES_PER_DEGREE: Final = EARTH_RADIUS_METRES * math.pi / 180.0
"""Of latitude, on a sphere: 111,195 m."""
_EQUATOR_METRES: Final = 6378137.0
_ECCENTRICITY_SQUARED: Final = 0.00669437999014133
"""Parameters of the WGS-84 spheroid, with the values of pyproj."""


@functools.cache
def wgs84_spheroid() -> Geod:
    """Return the WGS-84 spheroid. pyproj is imported on first use: few commands need it, and it takes 0.1 s.

    SpatiaLite offers its own PROJ to all libraries that are loaded after it. With RTLD_DEEPBIND, pyproj still
    uses the PROJ that it brings along; with the other one, the process would abort at its end.
    """
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        from pyproj import Geod
    finally:
        sys.setdlopenflags(flags)
    return Geod(ellps="WGS84")


def distance_metres(a: Position, b: Position) -> float:
    """Return the distance along the WGS-84 spheroid (Karney's geodesic, accurate to nanometres)."""
    return float(wgs84_spheroid().inv(a.lon, a.lat, b.lon, b.lat)[2])


def flat_distance_metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Return the distance on a plane, accurate for a few hundred metres."""
    east = (lon - other_lon) * math.cos(math.radians((lat + other_lat) / 2))
    return math.hypot(lat - other_lat, east) * METRES_PER_DEGREE


def distances_metres(
    here: Position, lats: NDArray[np.float64], lons: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances from `here` to arrays of points along the WGS-84 spheroid."""
    # Let pyproj overwrite the arrays: its copies would take longer than computing 20 distances.
    from_lon, from_lat, to_lon, to_lat = places = np.empty((4, len(lats)))
    places[0], places[1], places[2], places[3] = here.lon, here.lat, lons, lats
    metres: NDArray[np.float64] = wgs84_spheroid().inv(
        from_lon, from_lat, to_lon, to_lat, inplace=True, return_back_azimuth=False
    )[2]
    return metres


def radii_of_curvature[Number: (float, NDArray[np.float64])](cosine: Number) -> tuple[Number, Number]:
    """Return the radii of curvature, in metres, of the meridian and the prime vertical.

    `cosine` is that of the latitude, or an array of them.
    """
    shrink = (1.0 - _ECCENTRICITY_SQUARED) + _ECCENTRICITY_SQUARED * cosine * cosine
    prime_vertical = _EQUATOR_METRES / shrink**0.5
    return prime_vertical * (1.0 - _ECCENTRICITY_SQUARED) / shrink, prime_vertical


class Placed(Protocol):
    """An object with a latitude and longitude in WGS-84 degrees."""

    @property
    def lat(self) -> float: ...
    @property
    def lon(self) -> float: ...


_CHORD_UP_TO_METRES: Final = 25_000.0


def metres_to_each(here: Position, places: Sequence[Placed]) -> list[float]:
    """Return the distances from `here` to a few places, accurate to a micrometre and without arrays.

    Each is the chord through the earth, corrected for the longer arc: by 1/24 of the square of chord over
    radius, with the radius of curvature in that direction (Euler). Beyond 25 km the geodesic is used.
    """
    sin, cos, sqrt, degree = math.sin, math.cos, math.sqrt, math.pi / 180.0
    lat0, lon0 = here.lat * degree, here.lon
    meridian0, normal0 = radii_of_curvature(cos(lat0))
    axis_metres0 = normal0 * cos(lat0)
    up0 = normal0 * (1.0 - _ECCENTRICITY_SQUARED) * sin(lat0)
    found: list[float] = []
    for place in places:
        lat = place.lat * degree
        sine = sin(lat)
        normal = _EQUATOR_METRES / sqrt(1.0 - _ECCENTRICITY_SQUARED * sine * sine)
        axis_metres = normal * cos(lat)
        up = normal * (1.0 - _ECCENTRICITY_SQUARED) * sine - up0
        out = axis_metres - axis_metres0
        half = sin((place.lon - lon0) * degree / 2.0)
        squared = out * out + up * up + 4.0 * axis_metres * axis_metres0 * half * half
        chord = sqrt(squared)
        if chord > _CHORD_UP_TO_METRES:
            found.append(distance_metres(here, Position(place.lat, place.lon)))
        elif squared:
            north = (lat - lat0) * meridian0
            share = north * north / squared
            bent = chord * (share / meridian0 + (1.0 - share) / normal0)
            found.append(chord * (1.0 + bent * bent / 24.0))
        else:
            found.append(0.0)
    return found


def mercator_degrees(position: Position) -> tuple[float, float]:
    """Return the position on the spherical Mercator plane; x and y in degrees at the equator.

    The projection is conformal, so that near a point distances have the same order as on the ground, unlike
    in plain degrees.
    """
    return position.lon, math.degrees(math.asinh(math.tan(math.radians(position.lat))))


class BoundingBox(NamedTuple):
    """A bounding box in WGS-84 degrees."""

    west: float
    south: float
    east: float
    north: float


_BOX_MARGIN: Final = 1.02
"""A degree of latitude is up to 0.6 per cent shorter than on the sphere; the rest covers flat projections."""


def box_around(lats: Sequence[float], lons: Sequence[float], metres: float) -> BoundingBox:
    """Return a bounding box that contains every point within `metres` of the positions."""
    north = _BOX_MARGIN * metres / METRES_PER_DEGREE
    east = north / max(1e-3, math.cos(math.radians(min(89.0, max(map(abs, lats)) + north))))
    return BoundingBox(
        west=max(-180.0, min(lons) - east),
        south=max(-90.0, min(lats) - north),
        east=min(180.0, max(lons) + east),
        north=min(90.0, max(lats) + north),
    )


# --- Coordinates that a person types ---


_TYPED_NUMBER: Final = r"([-+]?\d{1,3}(?:\.\d{1,12})?)"
_TYPED_PAIR: Final = re.compile(rf"\s*{_TYPED_NUMBER}\s*(?:[,，;；]|\s)\s*{_TYPED_NUMBER}\s*")


def coordinates_in(text: str) -> tuple[float, float] | None:
    """Return (latitude, longitude) if the text is a pair of numbers, in either order where that is clear."""
    found = _TYPED_PAIR.fullmatch(text)
    if found is None:
        return None
    first, second = float(found[1]), float(found[2])
    return (second, first) if abs(first) > 90.0 >= abs(second) else (first, second)
