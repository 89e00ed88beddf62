"""What is asked for: a part of the world, a span of days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime

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
