"""Streets as arrays, sorted by location so that nearby streets are adjacent in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aed.geo import wgs84_spheroid

type Ints = NDArray[np.int32]
type Longs = NDArray[np.int64]
type Floats = NDArray[np.float64]

UNITS_PER_DEGREE = 10_000_000  # the precision of OSM, about a centimetre
NODE_STRIP_UNITS = 100_000  # 1,110 m: a reach of 1,500 m takes four strips
EDGE_STRIP_UNITS = 10_000  # 111 m: most points find their street within one or two strips
MAX_PIECE_METRES = 100.0


@dataclass(frozen=True, slots=True)
class Crossing:
    """The place of a gate on an edge, in metres from the edge's first end."""

    edge: int
    along_metres: float


@dataclass(frozen=True, slots=True)
class Streets:
    """Edges between nodes, each with its geometry.

    Edge e joins `edge_u[e]` and `edge_v[e]` and can be walked in both directions. Its line is the points
    `point_start[e]:point_start[e + 1]`, from u to v; `point_along` is their distance from u in metres on the
    spheroid (the last one is the edge's length). The first `street_count` edges are streets, sorted by strips
    of latitude and by longitude within a strip. Gate edges follow, with zero length and one point each. A
    gate between two sides is one edge, a gate between more sides several (the spokes of a star); `gate_first`
    is the first of them, which identifies the gate.

    Nodes are sorted like streets. `node_key` and `edge_key` combine strip and longitude in one ascending
    number. `ContractedEdges` has the connections between nodes.
    """

    street_count: int
    edge_u: Ints
    edge_v: Ints
    point_start: Ints
    point_lat: Ints
    point_lon: Ints
    point_along: NDArray[np.float32]
    gate_first: Ints

    node_key: Longs
    edge_key: Longs

    edge_lengths: NDArray[np.float32]
    longest_edge_metres: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "longest_edge_metres", float(self.point_along.max(initial=0.0)))

    @property
    def node_count(self) -> int:
        return len(self.node_key)

    @property
    def edge_count(self) -> int:
        return len(self.edge_u)

    def edge_metres(self, edge: int) -> float:
        """Return the length of an edge."""
        return float(self.edge_lengths[edge])

    def gate_edges(self, edge: int) -> range:
        """Return all edges of the gate that a gate edge belongs to."""
        first = int(self.gate_first[edge - self.street_count])
        end = first + 1
        while end < self.edge_count and self.gate_first[end - self.street_count] == first:
            end += 1
        return range(first, end)


def strip_key(lat: Longs, lon: Longs, *, strip_units: int) -> Longs:
    """Combine strip of latitude and longitude in one ascending number; arguments in 1e-7 degrees."""
    return ((lat + 90 * UNITS_PER_DEGREE) // strip_units << 32) + (lon + 180 * UNITS_PER_DEGREE)


def line_metres(lat: NDArray[np.int32], lon: NDArray[np.int32]) -> Floats:
    """Return the metres from each point to the next on the WGS-84 spheroid."""
    if len(lat) < 2:
        return np.zeros(0)
    degrees_lat, degrees_lon = lat / UNITS_PER_DEGREE, lon / UNITS_PER_DEGREE
    _, _, metres = wgs84_spheroid().inv(degrees_lon[:-1], degrees_lat[:-1], degrees_lon[1:], degrees_lat[1:])
    return np.asarray(metres, dtype=np.float64)


def lay_out(
    *,
    edge_u: Ints,
    edge_v: Ints,
    point_start: Ints,
    point_lat: Ints,
    point_lon: Ints,
    gate_u: Ints,
    gate_v: Ints,
    gate_lat: Ints,
    gate_lon: Ints,
    gate_first: Ints,
) -> Streets:
    """Measure streets, number nodes and edges by location, and index them.

    Node numbers must have no gaps, in any order. Gate edges keep their order: the i-th becomes edge
    `street_count + i`, and `gate_first` refers to i.
    """
    street_count = len(edge_u)
    steps = np.zeros(len(point_lat))
    steps[1:] = line_metres(point_lat, point_lon)
    total = np.cumsum(steps)
    counts = np.diff(point_start)
    along = (total - np.repeat(total[point_start[:-1]], counts)).astype(np.float32)

    first, last = point_start[:-1], point_start[1:] - 1
    node_count = int(max(edge_u.max(), edge_v.max(), gate_u.max(initial=-1), gate_v.max(initial=-1))) + 1
    node_lat, node_lon = np.zeros(node_count, dtype=np.int64), np.zeros(node_count, dtype=np.int64)
    for nodes, lats, lons in (
        (gate_u, gate_lat, gate_lon),
        (gate_v, gate_lat, gate_lon),
        (edge_u, point_lat[first], point_lon[first]),
        (edge_v, point_lat[last], point_lon[last]),
    ):
        node_lat[nodes], node_lon[nodes] = lats, lons
    by_place = np.argsort(strip_key(node_lat, node_lon, strip_units=NODE_STRIP_UNITS), kind="stable")
    number = np.empty(node_count, dtype=np.int32)
    number[by_place] = np.arange(node_count, dtype=np.int32)

    order = np.argsort(_edge_keys(point_start, point_lat, point_lon), kind="stable")
    counts = counts[order]
    new_start = np.zeros(street_count + 1, dtype=np.int64)
    np.cumsum(counts, out=new_start[1:])
    moved = np.arange(new_start[-1]) + np.repeat(first[order] - new_start[:-1], counts)

    gate_points = np.arange(1, len(gate_u) + 1, dtype=np.int64) + new_start[-1]
    return _index(
        street_count=street_count,
        edge_u=np.concatenate([number[edge_u[order]], number[gate_u]]),
        edge_v=np.concatenate([number[edge_v[order]], number[gate_v]]),
        point_start=np.concatenate([new_start, gate_points]).astype(np.int32),
        point_lat=np.concatenate([point_lat[moved], gate_lat]),
        point_lon=np.concatenate([point_lon[moved], gate_lon]),
        point_along=np.concatenate([along[moved], np.zeros(len(gate_u), dtype=np.float32)]),
        gate_first=(gate_first + street_count).astype(np.int32),
    )


def _index(
    *,
    street_count: int,
    edge_u: Ints,
    edge_v: Ints,
    point_start: Ints,
    point_lat: Ints,
    point_lon: Ints,
    point_along: NDArray[np.float32],
    gate_first: Ints,
) -> Streets:
    """Return streets from sorted arrays, with the keys added."""
    first, last = point_start[:-1], point_start[1:] - 1
    node_count = int(max(edge_u.max(), edge_v.max())) + 1
    node_key = np.zeros(node_count, dtype=np.int64)
    for nodes, points in ((edge_u, first), (edge_v, last)):
        node_key[nodes] = strip_key(
            point_lat[points].astype(np.int64),
            point_lon[points].astype(np.int64),
            strip_units=NODE_STRIP_UNITS,
        )
    edge_key = _edge_keys(point_start[: street_count + 1], point_lat, point_lon)

    return Streets(
        street_count=street_count,
        edge_u=edge_u,
        edge_v=edge_v,
        point_start=point_start,
        point_lat=point_lat,
        point_lon=point_lon,
        point_along=point_along,
        gate_first=gate_first,
        node_key=node_key,
        edge_key=edge_key,
        edge_lengths=point_along[point_start[1:] - 1],
    )


def _edge_keys(point_start: Ints, point_lat: Ints, point_lon: Ints) -> Longs:
    """Return the key of the middle of each edge's bounding box.

    No point of an edge is farther from it than half the edge's length, since a line that touches all four
    sides of a box is at least as long as its diagonal.
    """
    first = point_start[:-1]
    end = int(point_start[-1])
    if len(first) == 0:
        return np.zeros(0, dtype=np.int64)
    middles: list[Longs] = []
    for values in (point_lat[:end], point_lon[:end]):
        low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
        middles.append((low.astype(np.int64) + high) // 2)
    return strip_key(middles[0], middles[1], strip_units=EDGE_STRIP_UNITS)
