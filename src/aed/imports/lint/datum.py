"""Whether a batch of positions was read in the wrong datum: by the same places known from elsewhere.

A pair is one place, once as the list gives it and once as it is known: from the register, or from another row
of the list with the same words or serial number. Read in the right datum, the list's position must fall on
the known one. One pair may do so by chance (about one in fifty does, of those that are apart at all), so it
takes several that agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final

import shapely
from pyproj import Transformer

from aed.geo import Datum, to_wgs84

MIN_SHIFT_METRES: Final = 150.0
"""Nearer than that is where two lists put one device."""
MAX_SHIFT_METRES: Final = 2_000.0
FIT_METRES: Final = 60.0
FIT_SHARE: Final = 0.2
"""What is left between the two must also be so small a part of what was between them."""
MIN_PAIRS: Final = 3
SHARE_THAT_AGREES: Final = 0.6
TOKYO_EPSG, WGS84_EPSG = 4301, 4326
_METRES_PER_DEGREE: Final = 111_195.0


class Reading(StrEnum):
    """How a pair of numbers may be meant."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"
    TOKYO = "tokyo"
    """Japan's before 2002, about 450 m from WGS-84."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One place as the list gives it, and as it is known."""

    row: int
    lat: float
    lon: float
    declared: Reading
    known_lat: float = math.nan
    known_lon: float = math.nan
    known_area: shapely.Geometry | None = None
    """In place of a point: the area in which the place is, such as its estate."""
    question: tuple[int, int] | None = None
    """Of two rows that are compared with each other, both ways: which two. One of them being explained
    explains the other."""

    @property
    def asks(self) -> tuple[int, int]:
        return self.question or (self.row, self.row)

    def metres_off(self, lat: float, lon: float) -> float:
        """Between that position and where the place is known to be."""
        if self.known_area is None:
            return _metres(lat, lon, self.known_lat, self.known_lon)
        here = shapely.Point(lon, lat)
        if shapely.intersects(self.known_area, here):
            return 0.0
        there = shapely.get_coordinates(shapely.shortest_line(here, self.known_area))[1]
        return _metres(lat, lon, float(there[1]), float(there[0]))


@dataclass(frozen=True, slots=True)
class Slipped:
    """A row that falls on its known place when it is read in another datum."""

    row: int
    lat: float
    lon: float
    """Read so, in WGS-84."""
    metres_before: float
    metres_after: float


@dataclass(frozen=True, slots=True)
class Slip:
    """A batch that was read in the wrong datum."""

    declared: Reading
    right: Reading
    rows: tuple[Slipped, ...]
    compared: int
    """Places with rows declared alike that could be compared at all."""
    as_given: int
    """Of these, those that fit as they were given."""

    @property
    def metres_before(self) -> float:
        return median(row.metres_before for row in self.rows)

    @property
    def metres_after(self) -> float:
        return median(row.metres_after for row in self.rows)


def read_as(lat: float, lon: float, reading: Reading) -> tuple[float, float]:
    """Where the numbers lie in WGS-84 when they are meant so."""
    if reading is Reading.TOKYO:
        return _from_tokyo(lat, lon)
    position = to_wgs84(lat, lon, Datum(reading.value))
    return position.lat, position.lon


def slips(pairs: Iterable[Pair]) -> list[Slip]:
    """The batches that slipped, by the datum that they were declared in.

    1. Of each row, which readings bring it onto its known place, and whether it is there as given.
    2. A reading is right for the batch when at least 3 rows say so, and more than half of those that do not
       fit as they are.
    """
    by_declared: dict[Reading, list[Pair]] = {}
    for pair in pairs:
        by_declared.setdefault(pair.declared, []).append(pair)
    found: list[Slip] = []
    for declared, batch in by_declared.items():
        slip = _slip_of(declared, batch)
        if slip is not None:
            found.append(slip)
    return found


def _slip_of(declared: Reading, batch: Sequence[Pair]) -> Slip | None:
    as_given: set[tuple[int, int]] = set()
    apart: set[tuple[int, int]] = set()
    fitting: dict[Reading, dict[tuple[int, int], Slipped]] = {}
    for pair in batch:
        before = pair.metres_off(*read_as(pair.lat, pair.lon, declared))
        if before < MIN_SHIFT_METRES:
            as_given.add(pair.asks)
            continue
        if before > MAX_SHIFT_METRES:
            continue
        apart.add(pair.asks)
        for reading in Reading:
            if reading is declared:
                continue
            there = read_as(pair.lat, pair.lon, reading)
            after = pair.metres_off(*there)
            if after <= min(FIT_METRES, FIT_SHARE * before):
                slipped = Slipped(pair.row, *there, before, after)
                best = fitting.setdefault(reading, {}).setdefault(pair.asks, slipped)
                if after < best.metres_after:
                    fitting[reading][pair.asks] = slipped
    apart -= as_given
    if not fitting:
        return None
    right, votes = max(fitting.items(), key=lambda each: len(each[1].keys() & apart))
    rows = {slipped.row: slipped for asks, slipped in votes.items() if asks in apart}
    agreeing = len(votes.keys() & apart)
    if len(rows) < MIN_PAIRS or agreeing < SHARE_THAT_AGREES * len(apart):
        return None
    compared = len({pair.asks for pair in batch})
    return Slip(declared, right, tuple(rows[row] for row in sorted(rows)), compared, len(as_given))


def reading_of(datum: object) -> Reading:
    """What a list says of its datum; nothing is WGS-84."""
    return Reading(str(datum)) if datum in (Reading.GCJ02, Reading.BD09) else Reading.WGS84


_tokyo: list[Transformer] = []


def _from_tokyo(lat: float, lon: float) -> tuple[float, float]:
    if not (20.0 <= lat <= 46.5 and 122.0 <= lon <= 154.0):
        return lat, lon
    if not _tokyo:
        _tokyo.append(Transformer.from_crs(TOKYO_EPSG, WGS84_EPSG))
    there_lat, there_lon = _tokyo[0].transform(lat, lon)
    return (there_lat, there_lon) if math.isfinite(there_lat) and math.isfinite(there_lon) else (lat, lon)


def _metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Good enough for some hundred metres."""
    east = (lon - other_lon) * math.cos(math.radians((lat + other_lat) / 2))
    return math.hypot(lat - other_lat, east) * _METRES_PER_DEGREE
