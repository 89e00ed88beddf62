"""Choose places for devices in Virginia Beach on the arrests of two years, and score them on the next.

`python -m tests.virginia_beach` reads the city's out-of-hospital cardiac arrests of 2017-2019, its 40
ambulance bases and its roads. It prints, as Markdown: in how many arrests a device is there before the
ambulance, for each way to place 200 more, on the years that the choice sees (2017-18) and on 2019, which it
does not; and how many devices of office hours equal some that are open at night. Needs
../shared/data/virginia_beach beside the project.

The list has days and no hours, so an arrest in a time band counts by the share of arrests at that hour
(Brooks 2010). Response times of 0 and of over an hour are left out.

Data: doi 10.5281/zenodo.4079985 (MIT); roads: TIGER, public domain.
"""

from __future__ import annotations

import csv
import itertools
import math
import struct
import time
import zipfile
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from aed.cli.screen import say
from aed.geo import Position
from aed.planning.arrests import share_of_arrests
from aed.planning.placement.rules.problem import (
    Action,
    CoverProblem,
    Limits,
    Option,
    cover_problem,
    within_seconds,
)
from aed.planning.placement.rules.ranking import ranked
from aed.planning.placement.rules.solving import Solution, greedy, solve
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.streets import UNITS_PER_DEGREE, lay_out
from aed.walking.travel import fetch_seconds, general_pace, walk_seconds
from tests.liechtenstein import markdown

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "virginia_beach"
ARRESTS = FOLDER / "ohca_2017_2019.csv"
BASES = FOLDER / "Bases.zip"
ROADS = FOLDER / "VB_Roads.zip"
IS_HERE = all(file.is_file() for file in (ARRESTS, BASES, ROADS))
WHY_NOT = "needs ../shared/data/virginia_beach beside the project"

REACH_METRES = 1_500.0
MORE = 200
APART_METRES = 200.0
"""Candidate sites are junctions at least this far apart."""
MAX_RESPONSE_MINUTES = 60.0
OFFICE = share_of_arrests(lambda weekday, hour: weekday < 5 and 9 <= hour < 17)
BANDS = (OFFICE, 1.0 - OFFICE)
"""Monday to Friday 9-17, and all other hours."""

type Floats = NDArray[np.float64]
type Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Arrests:
    day: list[date]
    lat: Floats
    lon: Floats
    ambulance_seconds: Floats

    def take(self, rows: Rows) -> Arrests:
        return Arrests(
            [self.day[i] for i in rows], self.lat[rows], self.lon[rows], self.ambulance_seconds[rows]
        )


def read_arrests() -> Arrests:
    with ARRESTS.open(encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if 0 < float(row["min_response_minutes"]) <= MAX_RESPONSE_MINUTES
        ]
    return Arrests(
        [datetime.strptime(row["received"], "%m/%d/%Y").date() for row in rows],  # noqa: DTZ007 - days without a time
        np.array([float(row["latitude"]) for row in rows]),
        np.array([float(row["longitude"]) for row in rows]),
        60 * np.array([float(row["min_response_minutes"]) for row in rows]),
    )


def read_bases() -> tuple[Floats, Floats]:
    points = np.concatenate([points for _, (_, points) in _shapes(BASES)])
    return points[:, 1], points[:, 0]


def read_network() -> WalkingNetwork:
    """Build a network of the roads, which meet where they share a point."""
    lines = [
        np.round(part * UNITS_PER_DEGREE).astype(np.int64)
        for kind, shape in _shapes(ROADS)
        for part in np.split(shape[1], shape[0][1:])
        if kind == 3 and len(part) > 1
    ]
    points = np.concatenate(lines)
    keys = (points[:, 1] << 32) + (points[:, 0] & 0xFFFFFFFF)
    unique, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
    is_end = np.zeros(len(keys), dtype=bool)
    ends = np.cumsum([len(line) for line in lines])
    is_end[ends - 1] = True
    is_end[ends[:-1]] = is_end[0] = True
    shared = (counts > 1)[number] | is_end
    is_node = np.zeros(len(unique), dtype=bool)
    is_node[number[shared]] = True
    node = np.cumsum(is_node) - 1
    edges: list[tuple[int, int]] = []
    first = 0
    for end in ends.tolist():
        cuts = [i for i in range(first, end) if is_node[number[i]]]
        edges += [(a, b + 1) for a, b in itertools.pairwise(cuts) if number[a] != number[b]]
        first = end
    pieces = np.concatenate([np.arange(a, b) for a, b in edges])
    start = np.cumsum([0, *(b - a for a, b in edges)]).astype(np.int32)
    nothing = np.zeros(0, dtype=np.int32)
    return WalkingNetwork(
        lay_out(
            edge_u=node[number[[a for a, _ in edges]]].astype(np.int32),
            edge_v=node[number[[b - 1 for _, b in edges]]].astype(np.int32),
            point_start=start,
            point_lat=points[pieces, 1].astype(np.int32),
            point_lon=points[pieces, 0].astype(np.int32),
            gate_u=nothing,
            gate_v=nothing,
            gate_lat=nothing,
            gate_lon=nothing,
            gate_first=nothing,
        ),
        barriers=(),
    )


def _shapes(archive: Path) -> list[tuple[int, tuple[NDArray[np.intp], Floats]]]:
    """Read the points and lines of a shapefile, as (kind, (starts of parts, points as lon, lat))."""
    with zipfile.ZipFile(archive) as file:
        data = file.read(next(name for name in file.namelist() if name.endswith(".shp")))
    found, at = [], 100
    while at < len(data):
        (words,) = struct.unpack(">i", data[at + 4 : at + 8])
        body = data[at + 8 : at + 8 + 2 * words]
        (kind,) = struct.unpack("<i", body[:4])
        if kind == 1:
            found.append((kind, (np.zeros(1, dtype=np.intp), np.frombuffer(body, "<f8", 2, 4)[None])))
        else:
            parts, count = struct.unpack("<ii", body[36:44])
            starts = np.frombuffer(body, "<i4", parts, 44).astype(np.intp)
            found.append(
                (kind, (starts, np.frombuffer(body, "<f8", 2 * count, 44 + 4 * parts).reshape(-1, 2)))
            )
        at += 8 + 2 * words
    return found


# --- the choice -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class City:
    """The arrests, the candidate sites, and the seconds of a fetch between them."""

    arrests: Arrests
    sites: list[Position]
    bases: csr_array
    """(bases, arrests): seconds there and back, absent where out of reach."""
    seconds: csr_array
    """(sites, arrests)."""

    def rows_of(self, years: tuple[int, ...]) -> Rows:
        return np.flatnonzero([day.year in years for day in self.arrests.day])

    def problem(self, years: tuple[int, ...], *, more: int, bands: tuple[bool, ...]) -> CoverProblem:
        """Return the problem of placing `more` devices, on the arrests of these years, in per cent."""
        rows = self.rows_of(years)
        weights = np.outer(np.ones(len(rows)), BANDS) * (100 / len(rows))
        fastest = np.full(len(rows), np.inf)
        bases = self.bases[:, rows].tocoo()
        np.minimum.at(fastest, bases.col, bases.data)
        return cover_problem(
            [Option(f"site {i}", f"site {i}", Action.BUY, 1.0, bands) for i in range(len(self.sites))],
            [csr_array(self.seconds[:, rows])] * len(BANDS),
            within_seconds(weights, self.arrests.ambulance_seconds[rows]),
            existing=np.stack([fastest, fastest], axis=1),
            limits=Limits(float(more)),
        )


def read_city(*, every: int = 1) -> City:
    """Read the city; `every` leaves out candidate sites, for a quick trial."""
    network, arrests = read_network(), read_arrests()
    sites = _sites(network)[::every]
    lats, lons = read_bases()
    bases = [Position(lat, lon) for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)]
    return City(arrests, sites, _seconds(network, bases, arrests), _seconds(network, sites, arrests))


def _sites(network: WalkingNetwork) -> list[Position]:
    """Return one junction in each square of `APART_METRES`."""
    streets = network.streets
    ends = np.concatenate([streets.point_start[:-1], streets.point_start[1:] - 1])
    lat, lon = streets.point_lat[ends] / UNITS_PER_DEGREE, streets.point_lon[ends] / UNITS_PER_DEGREE
    north = np.floor(lat * 111_000 / APART_METRES).astype(np.int64)
    east = np.floor(lon * 111_000 * math.cos(math.radians(36.8)) / APART_METRES).astype(np.int64)
    _, first = np.unique(np.stack([north, east]), axis=1, return_index=True)
    return [Position(float(lat[i]), float(lon[i])) for i in first]


def _seconds(network: WalkingNetwork, places: list[Position], arrests: Arrests) -> csr_array:
    numbers = Settings().arrival
    pace = general_pace(numbers)
    snapped = network.snap(arrests.lat, arrests.lon)
    rows, columns, seconds = [], [], []
    for row, place in enumerate(places):
        reachable = network.reachable(place, within_metres=REACH_METRES)
        if reachable is None:
            continue
        costs = reachable.costs(snapped)
        for column in np.flatnonzero(np.isfinite(costs)).tolist():
            leg = walk_seconds(float(costs[column]), pace, numbers)
            rows.append(row)
            columns.append(column)
            seconds.append(fetch_seconds(leg, leg, pace))
    return csr_array((seconds, (rows, columns)), shape=(len(places), len(arrests.day)))


def spread_evenly(city: City, count: int) -> list[int]:
    """Return sites spread over the roads: each the farthest from those before."""
    lat = np.array([site.lat for site in city.sites])
    lon = np.array([site.lon for site in city.sites]) * math.cos(math.radians(36.8))
    chosen = [int(np.argmin((lat - lat.mean()) ** 2 + (lon - lon.mean()) ** 2))]
    nearest = np.full(len(lat), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, (lat - lat[chosen[-1]]) ** 2 + (lon - lon[chosen[-1]]) ** 2)
        chosen.append(int(np.argmax(nearest)))
    return chosen


# --- the tables -----------------------------------------------------------------------------------------

SEEN, HELD_OUT = (2017, 2018), (2019,)
ALWAYS, IN_OFFICE_HOURS = (True, True), (True, False)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a choice covers, in per cent, on the years it was made on and on the year after."""

    what: str
    seen: float
    held_out: float
    bound: float | None = None
    seconds: float | None = None

    def row(self) -> list[str]:
        return [
            self.what,
            f"{self.seen:.1f} %",
            f"{self.held_out:.1f} %",
            "" if self.bound is None else f"{self.bound:.1f} %",
            "" if self.seconds is None else f"{self.seconds:.2f} s",
        ]


def compare(city: City, more: int = MORE) -> list[Scored]:
    """Return how each way to place `more` devices scores, the 40 bases alone first."""
    evenly = spread_evenly(city, more)
    found: list[Scored] = []
    for hours, bands in (("24/7", ALWAYS), ("Mo-Fr 9-17", IN_OFFICE_HOURS)):
        seen = city.problem(SEEN, more=more, bands=bands)
        later = city.problem(HELD_OUT, more=more, bands=bands)
        if not found:
            found.append(Scored(f"{city.bases.shape[0]} bases", seen.base, later.base))
        found.append(Scored(f"+{more} spread evenly, {hours}", seen.value(evenly), later.value(evenly)))
        for name, choose in (("greedy", _greedy), ("optimiser", solve)):
            began = time.perf_counter()
            choice = choose(seen)
            took = time.perf_counter() - began
            bound = choice.bound if name == "optimiser" else None
            found.append(
                Scored(f"+{more} {name}, {hours}", choice.value, later.value(choice.chosen), bound, took)
            )
    return found


@dataclass(frozen=True, slots=True)
class Equal:
    """How many devices of office hours cover as much as some that are always open; None: no number does."""

    open_at_night: int
    seen: int | None
    held_out: int | None


def office_hours_that_equal(city: City, counts: tuple[int, ...] = (10, 25, 50, 100, 200)) -> list[Equal]:
    """Return, for devices that are open at night, how many of office hours would cover as much."""
    curves: dict[tuple[bool, ...], tuple[list[float], list[float]]] = {}
    for bands in (ALWAYS, IN_OFFICE_HOURS):
        seen = city.problem(SEEN, more=len(city.sites), bands=bands)
        later = city.problem(HELD_OUT, more=len(city.sites), bands=bands)
        number = {option.key: i for i, option in enumerate(seen.options)}
        lines = ranked(seen, _greedy(seen))
        order = [number[line.option.key] for line in lines if line.option is not None]
        curves[bands] = (
            [line.covered for line in lines],
            [later.value(order[:i]) for i in range(len(order) + 1)],
        )

    def needed(which: int, count: int) -> int | None:
        goal = curves[ALWAYS][which][count] - 1e-9
        return next((i for i, each in enumerate(curves[IN_OFFICE_HOURS][which]) if each >= goal), None)

    return [Equal(count, needed(0, count), needed(1, count)) for count in counts]


def _greedy(problem: CoverProblem) -> Solution:
    found = greedy(problem)
    assert found is not None
    return found


def main() -> None:
    if not IS_HERE:
        say(f"Nothing to place: {WHY_NOT}.")
        return
    began = time.perf_counter()
    city = read_city()
    days = [day.year for day in city.arrests.day]
    say(
        f"{len(days):,} arrests ({sum(year in SEEN for year in days):,} in 2017-18, "
        f"{sum(year in HELD_OUT for year in days):,} in 2019), {len(city.sites):,} candidate sites, "
        f"{city.seconds.nnz:,} walks in {time.perf_counter() - began:.0f} s."
    )
    say()
    head = ["a device before the ambulance", "2017-18 (seen)", "2019 (held out)", "best possible", "took"]
    say(markdown(head, [each.row() for each in compare(city)]))
    say()
    rows = [
        [
            f"{each.open_at_night}",
            *("no number" if count is None else f"{count:,}" for count in (each.seen, each.held_out)),
        ]
        for each in office_hours_that_equal(city)
    ]
    say(markdown(["open at night", "of office hours, 2017-18", "of office hours, 2019"], rows))


if __name__ == "__main__":
    main()
