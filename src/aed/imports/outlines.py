"""Find the country or sea in which points lie, from outlines that are accurate to a few kilometres.

`geodata/make_country_outlines.py` creates the outlines. They serve to raise doubts about lists, not to define
borders: a point closer to a border than the accuracy of the outline gets no finding.
"""

from __future__ import annotations

import base64
import functools
import json
import zlib
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypedDict

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity

from aed.geo import METRES_PER_DEGREE, Position, flat_distance_metres, in_mainland_china
from aed.imports.islands import SMALL_ISLANDS

type Degrees = NDArray[np.float64]
type Numbers = NDArray[np.int64]

BORDER_METRES: Final = 5_000.0
"""Minimum distance beyond a border at which a point counts as outside.

Natural Earth's lines are accurate to 1-4 km, and were simplified by up to 2 km.
"""
COAST_METRES: Final = 25_000.0
"""Minimum distance from the coast at which a point counts as at sea.

The outlines lack small islands: Wang'an in the Taiwan Strait, with 4,000 people, is 19 km from the nearest
coast in them. Inhabited islands farther out are in `SMALL_ISLANDS`.
"""
ISLAND_METRES: Final = 15_000.0
"""Maximum distance from a place on a small island at which a point counts as on land."""
NOWHERE: Final = -1
HALF_ROUND: Final = 180.0

_POLAR: Final = 85.0
_TOGETHER: Final = {
    "CN": {"HK", "MO", "TW"},
    "DK": {"FO", "GL"},
    "FI": {"AX"},
    "FR": {"BL", "MF", "NC", "PF", "PM", "TF", "WF"},
    "GB": {"GG", "GI", "IM", "JE"},
    "NL": {"AW", "CW", "SX"},
    "US": {"AS", "GU", "MP", "PR", "UM", "VI"},
}
"""Territories that a list of a country may include, by country."""


class _Named(TypedDict):
    code: str
    name: str


class _File(TypedDict):
    units_per_degree: int
    arcs: str
    polygons: str
    countries: list[_Named]


@dataclass(frozen=True, slots=True)
class Outlines:
    """Land areas as polygons on the Mercator plane, which preserves shapes locally."""

    tree: shapely.STRtree
    parts: NDArray[np.object_]
    owners: Numbers
    """The index of each part's country."""
    codes: tuple[str, ...]
    names: tuple[str, ...]

    def knows(self, code: str) -> bool:
        return code in self.codes

    def name_of(self, code: str) -> str:
        return self.names[self.codes.index(code)] if code in self.codes else code


@functools.cache
def outlines() -> Outlines:
    """Return the outlines; the first call loads them, in about 0.1 s."""
    content: _File = json.loads(resources.files("aed").joinpath("country_outlines.json").read_bytes())
    arcs = _arcs(_unpacked(content["arcs"]), content["units_per_degree"])
    numbers = iter(_unpacked(content["polygons"]).tolist())
    parts: list[shapely.Geometry] = []
    owners: list[int] = []
    for owner in range(len(content["countries"])):
        before = 0
        for _ in range(next(numbers)):
            rings: list[Degrees] = []
            for _ in range(next(numbers)):
                pieces: list[Degrees] = []
                for _ in range(next(numbers)):
                    before += next(numbers)
                    arc = arcs[before] if before >= 0 else arcs[~before][::-1]
                    pieces.append(arc[1:] if pieces else arc)
                rings.append(np.vstack(pieces))
            found = _polygons(rings)
            parts += found
            owners += [owner] * len(found)
    whole = np.array(parts)
    crossing = ~shapely.is_valid(whole)
    whole[crossing] = shapely.make_valid(whole[crossing])
    shapely.prepare(whole)
    codes = tuple(each["code"] for each in content["countries"])
    names = tuple(each["name"] for each in content["countries"])
    return Outlines(shapely.STRtree(whole), whole, np.array(owners, dtype=np.int64), codes, names)


def _polygons(rings: list[Degrees]) -> list[shapely.Geometry]:
    """Return the polygon of an outer ring with its holes, cut in two if it crosses the antimeridian."""
    outer, *holes = [ring for ring in rings if len(ring) > 3] or [np.empty((0, 2))]
    if not outer.size:
        return []  # an island too small after rounding
    if np.abs(np.diff(outer[:, 0])).max() <= HALF_ROUND:
        return [shapely.Polygon(outer, holes)]
    x = np.unwrap(outer[:, 0], period=2 * HALF_ROUND)
    ring = np.column_stack([x, outer[:, 1]])
    if abs(x[-1] - x[0]) > HALF_ROUND:  # around a pole
        pole = np.sign(outer[0, 1]) * _plane(np.array([_POLAR]), np.array([0.0]))[1][0]
        ring = np.vstack([ring, [x[-1], pole], [x[0], pole]])
    whole = shapely.make_valid(shapely.Polygon(ring))
    found: list[shapely.Geometry] = []
    for turn in (-2 * HALF_ROUND, 0.0, 2 * HALF_ROUND):
        part = shapely.clip_by_rect(whole, turn - HALF_ROUND, -1_000.0, turn + HALF_ROUND, 1_000.0)
        moved = affinity.translate(part, xoff=-turn)
        found += [each for each in shapely.get_parts(moved).tolist() if isinstance(each, shapely.Polygon)]
    return found


def countries_of(lats: Degrees, lons: Degrees) -> Numbers:
    """Return each point's country as an index into `Outlines.codes`; NOWHERE at sea and for NaN."""
    known = outlines()
    x, y = _plane(lats, lons)
    found = np.full(len(lats), NOWHERE, dtype=np.int64)
    for part, inside in _by_part(known, x, y):
        found[inside] = known.owners[part]
    return found


def _by_part(known: Outlines, x: Degrees, y: Degrees) -> list[tuple[int, Numbers]]:
    """Return the points in each part, pre-filtered by bounding boxes."""
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not len(good):
        return []
    # The points of a list lie in few parts, so first select those that intersect the points' bounding box.
    found: list[tuple[int, Numbers]] = []
    area = shapely.box(x[good].min(), y[good].min(), x[good].max(), y[good].max())
    bounds = shapely.bounds(known.parts)
    for part in np.sort(known.tree.query(area)).tolist():
        west, south, east, north = bounds[part]
        near = good[(x[good] >= west) & (x[good] <= east) & (y[good] >= south) & (y[good] <= north)]
        if len(near):
            inside = near[shapely.contains_xy(known.parts[part], x[near], y[near])]
            if len(inside):
                found.append((part, inside))
    return found


def is_in(
    code: str, lats: Degrees, lons: Degrees, *, within_metres: float = BORDER_METRES
) -> NDArray[np.bool_]:
    """Return whether each point lies in the country or within the distance of it; false for NaN."""
    known = outlines()
    codes = {code} | _TOGETHER.get(code, set())
    owners = [number for number, each in enumerate(known.codes) if each in codes]
    is_part = np.isin(known.owners, owners)
    found: NDArray[np.bool_] = np.isin(countries_of(lats, lons), owners)
    left = np.flatnonzero(~found & np.isfinite(lats) & np.isfinite(lons))
    if len(left):
        beyond, part = _near(known, lats[left], lons[left], within_metres)
        found[left[np.unique(beyond[is_part[part]])]] = True
    if code == "CN":
        for row in np.flatnonzero(~found & np.isfinite(lats) & np.isfinite(lons)).tolist():
            found[row] = in_mainland_china(Position(float(lats[row]), float(lons[row])))
    return found


def is_at_sea(lats: Degrees, lons: Degrees, *, beyond_metres: float = COAST_METRES) -> NDArray[np.bool_]:
    """Return whether each point lies in no country, and at least that far from any land."""
    found: NDArray[np.bool_] = (countries_of(lats, lons) == NOWHERE) & np.isfinite(lats) & np.isfinite(lons)
    left = np.flatnonzero(found)
    if len(left):
        near, _ = _near(outlines(), lats[left], lons[left], beyond_metres)
        found[left[np.unique(near)]] = False
    for row in np.flatnonzero(found).tolist():
        found[row] = not _is_on_small_island(float(lats[row]), float(lons[row]))
    return found


def _is_on_small_island(lat: float, lon: float) -> bool:
    near = [(at_lat, at_lon) for _, _, at_lat, at_lon in SMALL_ISLANDS if abs(at_lat - lat) < 0.2]
    return any(flat_distance_metres(lat, lon, *island) <= ISLAND_METRES for island in near)


def metres_from(code: str, lat: float, lon: float) -> float:
    """Return the distance in metres from a point to the country's outline; infinite for an unknown
    country."""
    known = outlines()
    codes = {code} | _TOGETHER.get(code, set())
    owners = [number for number, each in enumerate(known.codes) if each in codes]
    x, y = _plane(np.array([lat]), np.array([lon]))
    apart = shapely.distance(shapely.Point(x[0], y[0]), known.parts[np.isin(known.owners, owners)])
    nearest = float(np.min(apart)) if len(apart) else float("inf")
    return nearest * METRES_PER_DEGREE * float(np.cos(np.radians(lat)))


def _near(known: Outlines, lats: Degrees, lons: Degrees, metres: float) -> tuple[Numbers, Numbers]:
    """Return pairs of point and part that are at most this far apart."""
    x, y = _plane(lats, lons)
    reach = metres / METRES_PER_DEGREE / np.cos(np.radians(np.clip(lats, -_POLAR, _POLAR)))
    found = known.tree.query(shapely.points(x, y), predicate="dwithin", distance=reach)
    return found[0].astype(np.int64), found[1].astype(np.int64)


def _plane(lats: Degrees, lons: Degrees) -> tuple[Degrees, Degrees]:
    """Project to the Mercator plane, in degrees at the equator; latitudes near the poles are clipped."""
    y: Degrees = np.degrees(np.arcsinh(np.tan(np.radians(np.clip(lats, -_POLAR, _POLAR)))))
    return lons, y


def _unpacked(text: str) -> Numbers:
    """Decode a sequence of variable-length integers."""
    octets = np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = np.arange(len(octets)) - np.repeat(starts, ends - starts + 1)
    parts = (octets & 0x7F).astype(np.int64) << (7 * places)
    values = np.add.reduceat(parts, starts)
    result: Numbers = np.where(values & 1, -(values + 1 >> 1), values >> 1)
    return result


def _arcs(numbers: Numbers, units: int) -> list[Degrees]:
    arcs: list[Degrees] = []
    place = 0
    while place < len(numbers):
        count = int(numbers[place])
        steps = numbers[place + 1 : place + 1 + 2 * count].reshape(-1, 2)
        x, y = np.cumsum(steps, axis=0).T / units
        arcs.append(np.column_stack(_plane(y, x)))
        place += 1 + 2 * count
    return arcs
