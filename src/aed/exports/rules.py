"""Pure rules of exports: areas and date ranges, formats, hours in plain words, tile arithmetic."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from aed.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Bounds:
    """A box of degrees; one over the antimeridian has west > east."""

    west: float
    south: float
    east: float
    north: float

    def without_antimeridian(self) -> tuple[Bounds, ...]:
        """The same as one or two boxes with west <= east."""
        if self.west <= self.east:
            return (self,)
        return (
            Bounds(self.west, self.south, 180.0, self.north),
            Bounds(-180.0, self.south, self.east, self.north),
        )


@dataclass(frozen=True, slots=True)
class Days:
    """From a day to a day, both included; None: no end on that side."""

    first: date | None
    last: date | None


def parse_bounds(bbox: str) -> Bounds:
    """west,south,east,north; or six numbers with heights, which are passed over."""
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
            "bbox must be west,south,east,north in degrees, south not greater than north.", field="bbox"
        )
    return Bounds(west, south, east, north)


def parse_days(text: str) -> Days:
    """A date or a moment, or an interval of two with a slash between; an open end is empty or two dots."""
    first, slash, last = text.partition("/")
    if not slash:
        day = _day(first)
        return Days(day, day)
    span = Days(
        None if first in ("", "..") else _day(first),
        None if last in ("", "..") else _day(last),
    )
    if span.first is None and span.last is None:
        raise _not_understood()
    if span.first is not None and span.last is not None and span.first > span.last:
        raise InvalidInput("datetime must not end before it begins.", field="datetime")
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
    """A new one is a module in `formats/` and a line in its table."""

    CSV = "csv"
    """The project's own, which `aed import devices` reads back without loss. So are the next two."""
    XLSX = "xlsx"
    GEOJSON = "geojson"
    ESTATES = "estates"
    """Regions, estates and gates in the project's own GeoJSON, for those who know them."""
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
    """The same span of the clock on some days of the week."""

    days: tuple[int, ...]
    """0 is Monday."""
    opens: str
    closes: str

    @property
    def is_always(self) -> bool:
        return len(self.days) == 7 and (self.opens, self.closes) == ("00:00", "24:00")


def plain_hours(expression: str | None) -> PlainHours | None:
    """What can be said as one span on some days; None for anything that is more than that, or not known."""
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
"""Steps along a tile's side."""
CELL = 256
"""Devices in a square of so many steps are shown as one: 16 squares along a side.

A square belongs to one tile, so that two tiles never count a device twice.
"""
BUFFER = CELL
"""What of the neighbouring tiles is repeated: exactly one row of squares, as those tiles show them."""
CLUSTERED_BELOW_ZOOM = 14
DEEPEST_ZOOM = 22
MAX_SINGLE_DEVICES = 2_000
"""A tile with more shows them gathered at any zoom: a million devices in one house stay one tile."""
MAX_MERCATOR_LATITUDE = 85.0511287798066
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
