"""Rules of exports: bounding boxes and date ranges, formats, simple opening hours, tile arithmetic."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from aed.errors import InvalidInput
from aed.geo import Datum, Position, from_wgs84, to_wgs84


@dataclass(frozen=True, slots=True)
class Bounds:
    """A bounding box in degrees; if it crosses the antimeridian, west > east."""

    west: float
    south: float
    east: float
    north: float

    def without_antimeridian(self) -> tuple[Bounds, ...]:
        """Return the box as one or two boxes with west <= east."""
        if self.west <= self.east:
            return (self,)
        return (
            Bounds(self.west, self.south, 180.0, self.north),
            Bounds(-180.0, self.south, self.east, self.north),
        )


@dataclass(frozen=True, slots=True)
class DateRange:
    """A range of days, both ends included; None leaves an end open."""

    first: date | None
    last: date | None


def parse_bounds(bbox: str) -> Bounds:
    """Parse a bounding box: west,south,east,north, or six numbers whose heights are ignored."""
    try:
        numbers = [float(part) for part in bbox.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise InvalidInput("bbox must be four numbers: west,south,east,north.", field="bbox")
    west, south, east, north = numbers
    if not (abs(west) <= 180 and abs(east) <= 180 and -90 <= south <= north <= 90):
        raise InvalidInput(
            "bbox must be west,south,east,north in degrees, with south not greater than north.", field="bbox"
        )
    return Bounds(west, south, east, north)


def parse_days(text: str) -> DateRange:
    """Parse a date or date-time, or an interval of two with a slash; an open end is empty or ".."."""
    first, slash, last = text.partition("/")
    if not slash:
        day = _day(first)
        return DateRange(day, day)
    span = DateRange(
        None if first in ("", "..") else _day(first),
        None if last in ("", "..") else _day(last),
    )
    if span.first is None and span.last is None:
        raise _not_understood()
    if span.first is not None and span.last is not None and span.first > span.last:
        raise InvalidInput("The end of datetime must not be before its beginning.", field="datetime")
    return span


def _day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date() if "T" in text else date.fromisoformat(text)
    except ValueError:
        raise _not_understood() from None


def _not_understood() -> InvalidInput:
    return InvalidInput(
        "datetime must be a date such as 2026-09-01, or an interval such as 2026-09-01/2026-09-30 or "
        "2026-09-01/.. .",
        field="datetime",
    )


class ExportFormat(StrEnum):
    """Formats of exported files. To add one, add a module to `formats/` and list it in
    `formats/writing.py`."""

    CSV = "csv"
    """The project's own CSV; like XLSX and GeoJSON, `aed import devices` reads it back without loss."""
    XLSX = "xlsx"
    GEOJSON = "geojson"
    ESTATES = "estates"
    """Regions, estates and gates as the project's own GeoJSON, for viewers who may see them."""
    OSM_CHANGE = "osm-change"
    GEODAE = "geodae"
    JAPAN = "japan"
    KML = "kml"
    GEOPACKAGE = "gpkg"


DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_DAY = "(?:Mo|Tu|We|Th|Fr|Sa|Su)"
_PART = f"{_DAY}(?:-{_DAY})?"
_PLAIN = re.compile(rf"(?:(?P<days>{_PART}(?:,{_PART})*) )?(?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class PlainHours:
    """The same opening hours on some days of the week."""

    days: tuple[int, ...]
    """0 is Monday."""
    opens: str
    closes: str

    @property
    def is_always(self) -> bool:
        return len(self.days) == 7 and (self.opens, self.closes) == ("00:00", "24:00")


def plain_hours(expression: str | None) -> PlainHours | None:
    """Parse hours that are the same on some days; return None for anything more complex or unknown."""
    if expression is None:
        return None
    if expression == "24/7":
        return PlainHours(tuple(range(7)), "00:00", "24:00")
    found = _PLAIN.fullmatch(expression)
    if found is None:
        return None
    days: set[int] = set()
    for part in (found["days"] or "Mo-Su").split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1)}
    return PlainHours(tuple(sorted(days)), found["opens"], found["closes"])


EXTENT = 4096
"""Number of units along a tile's side."""
CELL = 256
"""Side in units of a grid square whose devices are clustered to one point; a tile has 16 by 16 squares.

Each square belongs to exactly one tile, so that no device is counted twice.
"""
BUFFER = CELL
"""Width in units of the overlap with neighbouring tiles: one row of squares, as in those tiles."""
CLUSTERED_BELOW_ZOOM = 14
DEEPEST_ZOOM = 22
MAX_SINGLE_DEVICES = 2_000
"""A tile with more devices shows clusters at any zoom, which bounds its size."""
MAX_MERCATOR_LATITUDE = 85.0511287798066
"""The northern limit of Web Mercator, at which the world is a square."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of the Web Mercator world; 0/0/0 covers it all, x counts eastward and y southward."""

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

    def bounds(self, squares: Squares) -> tuple[float, float, float, float]:
        """Return west, south, east and north in degrees of these grid squares, clipped to the world."""
        west = (self.x * EXTENT + squares.first_column * CELL) / self.steps_per_degree - 180.0
        east = (self.x * EXTENT + (squares.last_column + 1) * CELL) / self.steps_per_degree - 180.0
        top = 180.0 - (self.y * EXTENT + squares.first_row * CELL) / self.steps_per_degree
        bottom = 180.0 - (self.y * EXTENT + (squares.last_row + 1) * CELL) / self.steps_per_degree
        return (
            max(-180.0, min(180.0, west)),
            _latitude(bottom),
            max(-180.0, min(180.0, east)),
            _latitude(top),
        )

    def squares(self, datum: Datum = Datum.WGS84) -> Squares:
        """Return the grid squares, in WGS-84, whose devices a tile in `datum` may show.

        In WGS-84 these are the tile's own and one row around. In another datum they are those of the place
        from which the tile's devices are moved, and at the edge of the shifted area also the tile's own.
        """
        own = Squares(-1, EXTENT // CELL, -1, EXTENT // CELL)
        if datum is Datum.WGS84:
            return own
        west, south, east, north = self.bounds(own)
        columns, rows, is_shifted = [], [], set()
        for lat in (south, north):
            for lon in (west, east):
                origin = to_wgs84(lat, lon, datum)
                is_shifted.add((origin.lat, origin.lon) != (lat, lon))
                across, down = self.steps(origin.lat, origin.lon)
                columns.append(math.floor(across / CELL))
                rows.append(math.floor(down / CELL))
        if len(is_shifted) == 2:
            columns += [own.first_column, own.last_column]
            rows += [own.first_row, own.last_row]
        return Squares(min(columns) - 1, max(columns) + 1, min(rows) - 1, max(rows) + 1)

    def steps(self, lat: float, lon: float) -> tuple[float, float]:
        """Return the units of a place eastward and southward of the tile's north-western corner."""
        held = max(-MAX_MERCATOR_LATITUDE, min(MAX_MERCATOR_LATITUDE, lat))
        north = math.degrees(math.log(math.tan(math.pi / 4 + math.radians(held) / 2)))
        scale = self.steps_per_degree
        return (lon + 180.0) * scale - self.x * EXTENT, (180.0 - north) * scale - self.y * EXTENT

    def moved(self, across: float, down: float, datum: Datum) -> tuple[float, float]:
        """Return where a WGS-84 place of the tile is in `datum`, both in the tile's units."""
        scale = self.steps_per_degree
        lon = (across + self.x * EXTENT) / scale - 180.0
        lat = _latitude(180.0 - (down + self.y * EXTENT) / scale)
        return self.steps(*from_wgs84(Position(lat, lon), datum))


@dataclass(frozen=True, slots=True)
class Squares:
    """A block of a tile's grid squares, both ends included; square 0, 0 is in its north-western corner."""

    first_column: int
    last_column: int
    first_row: int
    last_row: int


def _latitude(mercator_degrees: float) -> float:
    held = max(-180.0, min(180.0, mercator_degrees))
    return math.degrees(2 * math.atan(math.exp(math.radians(held))) - math.pi / 2)
