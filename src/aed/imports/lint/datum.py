"""Detect batches of positions that were read in the wrong geodetic datum.

A pair holds one place twice: its position in the list, and its known position, taken from the register or
from another row with the same words or serial number. Read in the right datum, the list's position must
coincide with the known one. About one in fifty distant pairs coincides by chance, so several pairs must
agree.
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

from aed.geo import Datum, flat_distance_metres, to_wgs84

MIN_SHIFT_METRES: Final = 150.0
"""Minimum distance in metres of a datum shift; two lists often place one device less than this apart."""
MAX_SHIFT_METRES: Final = 2_000.0
FIT_METRES: Final = 60.0
FIT_SHARE: Final = 0.2
"""Maximum share of the original distance that may remain after the position is read in another datum."""
MIN_PAIRS: Final = 3
MIN_AGREEING_SHARE: Final = 0.6
TOKYO_EPSG, WGS84_EPSG = 4301, 4326


class DatumReading(StrEnum):
    """The datum in which a pair of coordinates is interpreted."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"
    TOKYO = "tokyo"
    """The Japanese datum used before 2002, about 450 m from WGS-84."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One place: its position in the list and its known position."""

    row: int
    lat: float
    lon: float
    declared: DatumReading
    known_lat: float = math.nan
    known_lon: float = math.nan
    known_area: shapely.Geometry | None = None
    """The area that contains the place, such as its estate; replaces the known point."""
    question: tuple[int, int] | None = None
    """The two rows, if rows are compared with each other in both directions. Explaining one explains the
    other."""

    @property
    def asks(self) -> tuple[int, int]:
        return self.question or (self.row, self.row)

    def metres_off(self, lat: float, lon: float) -> float:
        """Return the distance in metres from a WGS-84 position to the known place."""
        if self.known_area is None:
            return flat_distance_metres(lat, lon, self.known_lat, self.known_lon)
        here = shapely.Point(lon, lat)
        if shapely.intersects(self.known_area, here):
            return 0.0
        there = shapely.get_coordinates(shapely.shortest_line(here, self.known_area))[1]
        return flat_distance_metres(lat, lon, float(there[1]), float(there[0]))


@dataclass(frozen=True, slots=True)
class Slipped:
    """A row that coincides with its known place when it is read in another datum."""

    row: int
    lat: float
    lon: float
    """WGS-84, converted from the other datum."""
    metres_before: float
    metres_after: float


@dataclass(frozen=True, slots=True)
class Slip:
    """A batch of rows that was read in the wrong datum."""

    declared: DatumReading
    right: DatumReading
    rows: tuple[Slipped, ...]
    compared: int
    """Number of places that could be compared, among the rows declared in this datum."""
    as_given: int
    """Number of these places that fit as given."""

    @property
    def metres_before(self) -> float:
        return median(row.metres_before for row in self.rows)

    @property
    def metres_after(self) -> float:
        return median(row.metres_after for row in self.rows)


def read_as(lat: float, lon: float, reading: DatumReading) -> tuple[float, float]:
    """Convert coordinates from the given datum to WGS-84; return latitude and longitude."""
    if reading is DatumReading.TOKYO:
        return _from_tokyo(lat, lon)
    position = to_wgs84(lat, lon, Datum(reading.value))
    return position.lat, position.lon


def slips(pairs: Iterable[Pair]) -> list[Slip]:
    """Return the batches that were read in the wrong datum, grouped by their declared datum.

    1. For each row, find the datums that bring it onto its known place, and whether it fits as given.
    2. Accept a datum for the batch if at least 3 rows agree, and at least 60 % of the rows that do not fit as
       given.
    """
    by_declared: dict[DatumReading, list[Pair]] = {}
    for pair in pairs:
        by_declared.setdefault(pair.declared, []).append(pair)
    found: list[Slip] = []
    for declared, batch in by_declared.items():
        slip = _slip_of(declared, batch)
        if slip is not None:
            found.append(slip)
    return found


def _slip_of(declared: DatumReading, batch: Sequence[Pair]) -> Slip | None:
    as_given: set[tuple[int, int]] = set()
    apart: set[tuple[int, int]] = set()
    fitting: dict[DatumReading, dict[tuple[int, int], Slipped]] = {}
    for pair in batch:
        before = pair.metres_off(*read_as(pair.lat, pair.lon, declared))
        if before < MIN_SHIFT_METRES:
            as_given.add(pair.asks)
            continue
        if before > MAX_SHIFT_METRES:
            continue
        apart.add(pair.asks)
        for reading in DatumReading:
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
    if len(rows) < MIN_PAIRS or agreeing < MIN_AGREEING_SHARE * len(apart):
        return None
    compared = len({pair.asks for pair in batch})
    return Slip(declared, right, tuple(rows[row] for row in sorted(rows)), compared, len(as_given))


def reading_of(datum: object) -> DatumReading:
    """Return the datum that a list declares; WGS-84 if it declares none."""
    return (
        DatumReading(str(datum)) if datum in (DatumReading.GCJ02, DatumReading.BD09) else DatumReading.WGS84
    )


_tokyo: list[Transformer] = []


def _from_tokyo(lat: float, lon: float) -> tuple[float, float]:
    if not (20.0 <= lat <= 46.5 and 122.0 <= lon <= 154.0):
        return lat, lon
    if not _tokyo:
        _tokyo.append(Transformer.from_crs(TOKYO_EPSG, WGS84_EPSG))
    there_lat, there_lon = _tokyo[0].transform(lat, lon)
    return (there_lat, there_lon) if math.isfinite(there_lat) and math.isfinite(there_lon) else (lat, lon)
