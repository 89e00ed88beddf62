"""Check the positions of a list against each other and against the map.

Each row gets at most one doubt about its place, the most significant first: out of range, in another country,
in the sea, far from the other rows of its town, isolated. A row with a doubt is ignored when the others are
checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from aed.geo import EARTH_RADIUS_METRES
from aed.imports.coordinates import points_moved, restore_decimal_points
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.outlines import COAST_METRES, NOWHERE, countries_of, is_at_sea, is_in, metres_from, outlines

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

type Degrees = NDArray[np.float64]
type Numbers = NDArray[np.int64]

MIN_ROWS_OF_A_LIST: Final = 20
SHARE_OF_ITS_COUNTRY: Final = 0.95
"""Minimum share of rows in one country for it to count as the country of a list that declares none."""
MIN_ROWS_OF_A_TOWN: Final = 6
MIN_ROWS_OF_AN_ISLAND: Final = 2
SHARE_OF_A_TOWN: Final = 0.2
"""Maximum share of rows far from a town's centre; above it, the town counts as having no centre."""
TOWN_METRES: Final = 15_000.0
TOWN_DEVIATIONS: Final = 8.0
TOWN_TIMES_MEDIAN: Final = 4.0
OUTLIER_METRES: Final = 50_000.0
OUTLIER_DEVIATIONS: Final = 20.0
SHARE_ALONE, FEW_ALONE = 0.03, 2
"""Limits (share, number) on isolated rows; above both, the list counts as scattered and none is reported."""
NEIGHBOUR: Final = 3
"""Which nearest neighbour decides whether a row is isolated.

The third, because two rows with the same mistake are near each other.
"""
MIN_NEIGHBOURING_ROWS: Final = 5
_MAD_TO_DEVIATION: Final = 1.4826


class PlaceDoubt(IntEnum):
    """A doubt about the place of a row."""

    NONE = 0
    SWAPPED = 1
    POINT_LOST = 2
    OUT_OF_RANGE = 3
    OTHER_COUNTRY = 4
    OUTSIDE_AT_SEA = 5
    AT_SEA = 6
    FAR_FROM_TOWN = 7
    ALONE = 8
    LATITUDE_TWICE = 9
    LONGITUDE_TWICE = 10


KIND_OF: Final = {
    PlaceDoubt.SWAPPED: FindingKind.COORDINATES_SWAPPED,
    PlaceDoubt.POINT_LOST: FindingKind.DECIMAL_POINT_LOST,
    PlaceDoubt.OUT_OF_RANGE: FindingKind.COORDINATES_OUT_OF_RANGE,
    PlaceDoubt.OTHER_COUNTRY: FindingKind.OUTSIDE_COUNTRY,
    PlaceDoubt.OUTSIDE_AT_SEA: FindingKind.IN_THE_SEA,
    PlaceDoubt.AT_SEA: FindingKind.IN_THE_SEA,
    PlaceDoubt.FAR_FROM_TOWN: FindingKind.FAR_FROM_ITS_TOWN,
    PlaceDoubt.ALONE: FindingKind.FAR_FROM_ITS_TOWN,
    PlaceDoubt.LATITUDE_TWICE: FindingKind.COORDINATE_REPEATED,
    PlaceDoubt.LONGITUDE_TWICE: FindingKind.COORDINATE_REPEATED,
}


@dataclass(slots=True)
class Places:
    """Positions and doubts of all rows, as arrays with one value per row."""

    given_lat: Degrees
    given_lon: Degrees
    """As given; NaN where there is no number."""
    lat: Degrees
    lon: Degrees
    """In WGS-84; NaN where there is no valid position."""
    town: Numbers
    """The index of the row's town; -1 if it names none."""
    doubt: NDArray[np.uint8] = field(init=False)
    right_lat: Degrees = field(init=False)
    right_lon: Degrees = field(init=False)
    metres: Degrees = field(init=False)
    country: str | None = None
    """The country of the list."""
    country_is_said: bool = False
    """Whether the list or the user declared the country; otherwise it is the country of most rows."""
    share_in_country: float = 0.0

    def __post_init__(self) -> None:
        rows = len(self.lat)
        self.doubt = np.zeros(rows, dtype=np.uint8)
        self.right_lat, self.right_lon, self.metres = (np.full(rows, np.nan) for _ in range(3))

    def mark(self, row: int, doubt: PlaceDoubt, right: tuple[float, float] | None = None) -> None:
        self.doubt[row] = doubt
        if right is not None:
            self.right_lat[row], self.right_lon[row] = right


def check_places(places: Places, *, country: str | None) -> None:
    """Mark the rows with doubtful positions.

    `country` is declared by the list or by the user; if None or unknown, the country of most rows is used.
    """
    if country is not None and not outlines().knows(country):
        country = None
    if country is None:
        places.country, places.share_in_country = _country_of_most(places)
    else:
        places.country, places.country_is_said = country, True
    surrounding = _Surrounding(places)
    _check_repeated(places, surrounding)
    _check_range(places, surrounding)
    _check_country(places, surrounding)
    _check_sea(places)
    _check_towns(places)
    _check_outliers(places, surrounding)


def _good(places: Places) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = np.isfinite(places.lat) & np.isfinite(places.lon) & (places.doubt == 0)
    return good


def _country_of_most(places: Places) -> tuple[str | None, float]:
    found = countries_of(places.lat, places.lon)
    located = np.isfinite(places.lat)
    owners = found[located & (found != NOWHERE)]
    if not len(owners) or int(located.sum()) < MIN_ROWS_OF_A_LIST:
        return None, 0.0
    numbers, counts = np.unique(owners, return_counts=True)
    code = outlines().codes[int(numbers[np.argmax(counts)])]
    if not code:
        return None, 0.0
    inside = is_in(code, places.lat[located], places.lon[located])
    share = float(inside.mean())
    # At 95 %, a list of twenty rows may have one row elsewhere.
    return (code, share) if share >= SHARE_OF_ITS_COUNTRY else (None, 0.0)


class _Surrounding:
    """The area of a list: its country, or else a circle around the median of its rows."""

    def __init__(self, places: Places) -> None:
        self.country = places.country
        good = np.isfinite(places.lat)
        self.is_known = self.country is not None or int(good.sum()) >= MIN_NEIGHBOURING_ROWS
        self.middle = (float("nan"), float("nan"))
        self.reach = float("nan")
        if good.any():
            self.middle = float(np.median(places.lat[good])), float(np.median(places.lon[good]))
            apart = metres_apart(*self.middle, places.lat[good], places.lon[good])
            self.reach = max(50_000.0, 3.0 * float(np.quantile(apart, 0.9)))

    def holds(self, lat: float, lon: float) -> bool:
        if not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
            return False
        if self.country is not None:
            return bool(is_in(self.country, np.array([lat]), np.array([lon]))[0])
        return self.metres(lat, lon) <= self.reach

    def metres(self, lat: float, lon: float) -> float:
        return float(metres_apart(*self.middle, np.array([lat]), np.array([lon]))[0])

    def first_that_fits(self, pairs: Iterator[tuple[float, float]]) -> tuple[float, float] | None:
        """Return the candidate inside the list's area; None if there is none, or if several are far apart."""
        fitting = [pair for pair in pairs if self.holds(*pair)]
        if not fitting:
            return None
        best = min(fitting, key=lambda pair: self.metres(*pair))
        if self.country is None or len(fitting) == 1 or self.metres(*best) <= self.reach:
            return best
        return None


MAX_CHECKED_SINGLY: Final = 5_000
"""Maximum number of misplaced rows for which a correction is sought; beyond it, the country itself is
wrong."""


REPEATED_DEGREES: Final = 0.5
"""Maximum difference between two numbers for one to count as a copy of the other coordinate."""


def _check_repeated(places: Places, surrounding: _Surrounding) -> None:
    """Mark rows with a latitude in the longitude column, or a longitude in the latitude column."""
    lats, lons = places.given_lat, places.given_lon
    alike = np.isfinite(lats) & np.isfinite(lons) & (np.abs(lats - lons) <= REPEATED_DEGREES)
    for row in np.flatnonzero(alike & (np.abs(lats) >= 1.0)).tolist():
        lat, lon = float(lats[row]), float(lons[row])
        if surrounding.is_known and surrounding.holds(lat, lon):
            continue
        if not surrounding.is_known and lat != lon:
            continue
        middle_lat, middle_lon = surrounding.middle
        is_longitude = abs(lat) > 90.0 or abs(lat - middle_lon) < abs(lat - middle_lat)
        places.mark(row, PlaceDoubt.LONGITUDE_TWICE if is_longitude else PlaceDoubt.LATITUDE_TWICE)


def _check_range(places: Places, surrounding: _Surrounding) -> None:
    """Mark rows whose coordinates are out of range: swapped, without their decimal point, or unexplained."""
    lats, lons = places.given_lat, places.given_lon
    bad = np.flatnonzero(
        np.isfinite(lats)
        & np.isfinite(lons)
        & (places.doubt == 0)
        & ((np.abs(lats) > 90.0) | (np.abs(lons) > 180.0))
    )
    for count, row in enumerate(bad.tolist()):
        lat, lon = float(lats[row]), float(lons[row])
        looks_closer = surrounding.is_known and count < MAX_CHECKED_SINGLY
        can_be_swapped = abs(lon) <= 90.0 and abs(lat) <= 180.0
        if can_be_swapped and (not looks_closer or surrounding.holds(lon, lat)):
            places.mark(row, PlaceDoubt.SWAPPED, (lon, lat))
            continue
        right = surrounding.first_that_fits(_with_decimal_points(lat, lon)) if looks_closer else None
        if right is not None:
            places.mark(row, PlaceDoubt.POINT_LOST, right)
        elif can_be_swapped:
            places.mark(row, PlaceDoubt.SWAPPED, (lon, lat))
        elif not surrounding.is_known and (usual := _usual(lat, lon)) is not None:
            places.mark(row, PlaceDoubt.POINT_LOST, usual)
        else:
            places.mark(row, PlaceDoubt.OUT_OF_RANGE)


def _with_decimal_points(lat: float, lon: float) -> Iterator[tuple[float, float]]:
    lats = [lat] if abs(lat) <= 90.0 else list(restore_decimal_points(lat, most=90.0))
    lons = [lon] if abs(lon) <= 180.0 else list(restore_decimal_points(lon, most=180.0))
    yield from ((one, other) for one in lats for other in lons)


def _usual(lat: float, lon: float) -> tuple[float, float] | None:
    """Return the usual position of lost decimal points, without other rows to compare with.

    A latitude gets two digits before the point; a longitude three if it begins with 1, else two. Returns None
    if the numbers are too small for a point to be missing.
    """
    if min(abs(lat), abs(lon)) < 1.0 or max(abs(lat), abs(lon)) < 1000.0:
        return None
    lats = (
        [lat]
        if abs(lat) <= 90.0
        else [each for each in restore_decimal_points(lat, most=90.0) if abs(each) >= 10.0]
    )
    lons = (
        [lon]
        if abs(lon) <= 180.0
        else [each for each in restore_decimal_points(lon, most=180.0) if abs(each) >= 10.0]
    )
    return (lats[0], lons[0]) if lats and lons else None


def _check_country(places: Places, surrounding: _Surrounding) -> None:
    if places.country is None:
        return
    good = np.flatnonzero(_good(places))
    outside = good[~is_in(places.country, places.lat[good], places.lon[good])]
    swapped = is_in(places.country, places.given_lon[outside], places.given_lat[outside], within_metres=0.0)
    for row in outside[swapped].tolist():
        places.mark(row, PlaceDoubt.SWAPPED, (float(places.given_lon[row]), float(places.given_lat[row])))
    outside = outside[~swapped]
    in_no_country = countries_of(places.lat[outside], places.lon[outside]) == NOWHERE
    # A point near land but outside the outlines may be a small island or a pier.
    is_doubtful = ~in_no_country | is_at_sea(places.lat[outside], places.lon[outside])
    is_doubtful &= ~_is_in_island_town(places, outside, in_no_country)
    outside, in_no_country = outside[is_doubtful], in_no_country[is_doubtful]
    for count, (row, is_nowhere) in enumerate(zip(outside.tolist(), in_no_country.tolist(), strict=True)):
        lat, lon = float(places.given_lat[row]), float(places.given_lon[row])
        doubt, right = PlaceDoubt.OTHER_COUNTRY, None
        if count < MAX_CHECKED_SINGLY:
            places.metres[row] = metres_from(places.country, float(places.lat[row]), float(places.lon[row]))
            doubt, right = _intended_position(lat, lon, surrounding)
        if doubt is PlaceDoubt.OTHER_COUNTRY and is_nowhere:
            doubt = PlaceDoubt.OUTSIDE_AT_SEA
        places.mark(row, doubt, right)


def _intended_position(
    lat: float, lon: float, surrounding: _Surrounding
) -> tuple[PlaceDoubt, tuple[float, float] | None]:
    """Explain why a row lies outside the list's country: a shifted decimal point, a wrong sign, or
    unknown."""
    moved = [
        *((each, lon) for each in points_moved(lat, most=90.0)),
        *((lat, each) for each in points_moved(lon, most=180.0)),
    ]
    fitting = [pair for pair in moved if surrounding.holds(*pair)]
    if len(fitting) == 1 and surrounding.metres(*fitting[0]) <= surrounding.reach:
        return PlaceDoubt.POINT_LOST, fitting[0]
    signs = [pair for pair in ((-lat, lon), (lat, -lon), (-lat, -lon)) if surrounding.holds(*pair)]
    return PlaceDoubt.OTHER_COUNTRY, signs[0] if len(signs) == 1 else None


def _check_sea(places: Places) -> None:
    if places.country is not None:
        return  # Points outside the country were checked in `_check_country`.
    good = np.flatnonzero(_good(places))
    at_sea = good[is_at_sea(places.lat[good], places.lon[good])]
    on_island = _is_in_island_town(places, at_sea, np.ones(len(at_sea), dtype=np.bool_))
    places.doubt[at_sea[~on_island]] = PlaceDoubt.AT_SEA


def _is_in_island_town(places: Places, rows: Numbers, in_no_country: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows outside all outlines share their town, and its whole surroundings, with other rows.

    A town of several rows within a few kilometres of each other is an island that the outlines lack, not a
    mistake.
    """
    found = np.zeros(len(rows), dtype=np.bool_)
    for town in np.unique(places.town[rows[in_no_country]]).tolist():
        of_town = np.flatnonzero((places.town == town) & np.isfinite(places.lat))
        if town < 0 or len(of_town) < MIN_ROWS_OF_AN_ISLAND:
            continue
        lats, lons = places.lat[of_town], places.lon[of_town]
        apart = metres_apart(float(np.median(lats)), float(np.median(lons)), lats, lons)
        if len(np.unique(lats)) > 1 and apart.max() <= TOWN_METRES:
            found |= in_no_country & (places.town[rows] == town)
    return found


def _check_towns(places: Places) -> None:
    """Mark rows far from the centre of their town, using the median and the median absolute deviation."""
    good = np.flatnonzero(_good(places) & (places.town >= 0))
    if not len(good):
        return
    order = good[np.argsort(places.town[good], kind="stable")]
    edges = np.flatnonzero(np.diff(places.town[order])) + 1
    for rows in np.split(order, edges):
        if len(rows) < MIN_ROWS_OF_A_TOWN:
            continue
        lats, lons = places.lat[rows], places.lon[rows]
        middle = float(np.median(lats)), float(np.median(lons))
        apart = metres_apart(*middle, lats, lons)
        median, deviation = _median_and_deviation(apart)
        limit = max(TOWN_METRES, median + TOWN_DEVIATIONS * deviation, TOWN_TIMES_MEDIAN * median)
        far = apart > limit
        if far.any() and far.mean() <= SHARE_OF_A_TOWN:
            places.doubt[rows[far]] = PlaceDoubt.FAR_FROM_TOWN
            places.metres[rows[far]] = apart[far]
            places.right_lat[rows[far]], places.right_lon[rows[far]] = middle


def _check_outliers(places: Places, surrounding: _Surrounding) -> None:
    """Mark rows far from all others, if fewer than half of the rows name their towns."""
    good = np.flatnonzero(_good(places))
    if len(good) < MIN_ROWS_OF_A_LIST or np.mean(places.town[good] >= 0) >= 0.5:
        return
    points = on_the_globe(places.lat[good], places.lon[good])
    places_of, inverse = np.unique(np.round(points, 0), axis=0, return_inverse=True)
    if len(places_of) <= NEIGHBOUR:
        return
    apart = tree_of(places_of).query(places_of, k=NEIGHBOUR + 1)[0][:, NEIGHBOUR][inverse.ravel()]
    median, deviation = _median_and_deviation(apart)
    alone = apart > max(OUTLIER_METRES, median + OUTLIER_DEVIATIONS * deviation)
    if not alone.any() or alone.sum() > max(FEW_ALONE, SHARE_ALONE * len(good)):
        return
    for row, metres in zip(good[alone].tolist(), apart[alone].tolist(), strict=True):
        lat, lon = float(places.given_lat[row]), float(places.given_lon[row])
        places.metres[row] = metres
        if surrounding.country is None and surrounding.holds(lon, lat) and not surrounding.holds(lat, lon):
            places.mark(row, PlaceDoubt.SWAPPED, (lon, lat))
        else:
            places.mark(row, PlaceDoubt.ALONE)


def _median_and_deviation(values: Degrees) -> tuple[float, float]:
    median = float(np.median(values))
    return median, _MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))


def on_the_globe(lats: Degrees, lons: Degrees) -> Degrees:
    """Convert degrees to points in space, in metres, so that neighbours on the ground are neighbours in
    space."""
    phi, theta = np.radians(lats), np.radians(lons)
    points: Degrees = EARTH_RADIUS_METRES * np.column_stack(
        [np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)]
    )
    return points


def tree_of(points: Degrees) -> cKDTree:
    """Return a tree for nearest-neighbour queries on points."""
    from scipy.spatial import cKDTree  # imported here to save 8 MB of memory

    return cKDTree(points)


def metres_apart(lat: float, lon: float, lats: Degrees, lons: Degrees) -> Degrees:
    """Return great-circle distances in metres, accurate to 0.5 %."""
    phi, phis = np.radians(lat), np.radians(lats)
    half = (
        np.sin((phis - phi) / 2) ** 2 + np.cos(phi) * np.cos(phis) * np.sin(np.radians(lons - lon) / 2) ** 2
    )
    metres: Degrees = 2 * EARTH_RADIUS_METRES * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return metres


# --- Findings ---


def severity_of(doubt: PlaceDoubt, places: Places) -> Severity:
    if doubt is PlaceDoubt.OTHER_COUNTRY:
        return Severity.ERROR if places.country_is_said else Severity.WARNING
    is_sure = doubt in (
        PlaceDoubt.SWAPPED,
        PlaceDoubt.POINT_LOST,
        PlaceDoubt.OUT_OF_RANGE,
        PlaceDoubt.LATITUDE_TWICE,
        PlaceDoubt.LONGITUDE_TWICE,
    )
    return Severity.ERROR if is_sure else Severity.WARNING


def place_finding(
    places: Places, row: int, *, where: str, columns: tuple[str, str], read: str, town: str | None
) -> Finding | None:
    """Return the finding about the place of a row; None if there is no doubt."""
    doubt = PlaceDoubt(int(places.doubt[row]))
    if doubt is PlaceDoubt.NONE:
        return None
    right_lat, right_lon = float(places.right_lat[row]), float(places.right_lon[row])
    right = f"{right_lat:.10g}, {right_lon:.10g}" if np.isfinite(right_lat) else None
    both = ", ".join(dict.fromkeys(columns))
    wrong, right = _correction(doubt, places, row, columns=columns, right=right, town=town)
    return Finding(KIND_OF[doubt], severity_of(doubt, places), where, both, read, wrong, right)


def _correction(
    doubt: PlaceDoubt,
    places: Places,
    row: int,
    *,
    columns: tuple[str, str],
    right: str | None,
    town: str | None,
) -> tuple[str, str | None]:
    far = _kilometres(float(places.metres[row]))
    match doubt:
        case PlaceDoubt.SWAPPED:
            return "Latitude and longitude are swapped.", right
        case PlaceDoubt.POINT_LOST:
            return "The decimal point is missing or misplaced.", right
        case PlaceDoubt.LATITUDE_TWICE:
            return "The longitude column holds a latitude.", "The longitude."
        case PlaceDoubt.LONGITUDE_TWICE:
            return "The latitude column holds a longitude.", "The latitude."
        case PlaceDoubt.OUT_OF_RANGE:
            return (
                "There is no such place: latitude must be from -90 to 90, longitude from -180 to 180.",
                "Degrees; convert metres of a national grid to degrees first."
                if max(abs(places.given_lat[row]), abs(places.given_lon[row])) >= 1000.0
                else None,
            )
        case PlaceDoubt.OTHER_COUNTRY:
            code = outlines().codes[
                int(countries_of(places.lat[row : row + 1], places.lon[row : row + 1])[0])
            ]
            there = f"in {outlines().name_of(code)}" if code else "elsewhere"
            return f"This is {there}{far and ', ' + far} from {_of_the_list(places)}.", right
        case PlaceDoubt.OUTSIDE_AT_SEA:
            return f"This is in the sea{far and ', ' + far} from {_of_the_list(places)}.", right
        case PlaceDoubt.AT_SEA:
            return (
                f"This is in the sea, more than {COAST_METRES / 1000:.0f} km from any coast "
                "(small islands are not considered).",
                None,
            )
        case PlaceDoubt.FAR_FROM_TOWN:
            named = f"of {town}" if town else "of its town"
            return f"This is {far} from the middle of the other rows {named}.", f"Near {right}."
        case _:
            return f"This is {far} from its third-nearest row, far from the rest of the list.", None


def _of_the_list(places: Places) -> str:
    assert places.country is not None
    name = outlines().name_of(places.country)
    if places.country_is_said:
        return f"{name}, the country of the list"
    return f"{name}, where {places.share_in_country:.1%} of the rows are"


def _kilometres(metres: float) -> str:
    if not np.isfinite(metres):
        return ""
    return f"{metres / 1000:.1f} km" if metres < 100_000 else f"{metres / 1000:,.0f} km"
