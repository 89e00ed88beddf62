"""Part of the network, or all of it, as a graph for the search.

The nodes within a straight-line radius are a few slices of the arrays, one per strip of latitude.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import local
from typing import TYPE_CHECKING, Any

import numpy as np

from aed.geo import EARTH_RADIUS_METRES, Position
from aed.walking.contracted_edges import ContractedEdges
from aed.walking.snapping import SnappedPoint
from aed.walking.streets import NODE_STRIP_UNITS, UNITS_PER_DEGREE, Floats, Ints, Longs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

OUTSIDE = 0  # local number of all junctions outside the subgraph; no edges lead away from it


_SPHERE_ERROR = 1.006  # maximum ratio of the distance on the mean sphere to that on the spheroid


class ScratchPad(local):
    """Thread-local working memory that is reused between searches."""

    def __init__(self) -> None:
        self.local_number: Ints = np.zeros(0, dtype=np.int32)
        """One number for each node, 0 when not in use."""
        self.whole_graph: Subgraph | None = None
        """The whole network, if it is small."""

    def of_size(self, count: int) -> Ints:
        if len(self.local_number) != count:
            self.local_number = np.zeros(count, dtype=np.int32)
        return self.local_number


class _NonNegative(np.ndarray[Any, np.dtype[np.float64]]):
    """Edge lengths that skip scipy's scan for negative weights."""

    def __lt__(self, other: Any) -> Any:
        return np.False_ if other == 0 else super().__lt__(other)


@dataclass(frozen=True, slots=True)
class Subgraph:
    """Part of the network; junction `low[k] + i` has the local number `shift[k] + low[k] + i`.

    The last node is the start. Its edges, and closures and delays, are written to the arrays for the duration
    of one search: see `searched`.
    """

    low: list[int]
    high: list[int]
    shift: list[int]
    start: Ints
    neighbour: Ints
    metres: Floats
    """Lengths without closures and delays."""
    source: int
    """The local number of the start, which is the last node; unused rows may follow."""
    is_whole: bool = False
    """True if the subgraph is the whole network; local numbers are then the network's plus 1."""

    @contextmanager
    def graph(self) -> Iterator[csr_matrix]:
        """Provide the three arrays as a sparse matrix for the duration of the `with` block.

        scipy validates each new matrix, which takes half as long as building the subgraph: each thread keeps
        one empty matrix of each size.
        """
        size = len(self.start) - 1
        graph = _matrices.of_size.get(size)
        if graph is None:
            from scipy.sparse import csr_matrix  # imported here: commands without a network start faster

            graph = _matrices.of_size[size] = csr_matrix((size, size))
        empty = graph.indptr, graph.indices, graph.data
        graph.indptr, graph.indices = self.start, self.neighbour
        graph.data = self.metres.view(_NonNegative)
        try:
            yield graph
        finally:
            graph.indptr, graph.indices, graph.data = empty

    def local(self, junctions: Ints) -> Longs:
        """Return the local numbers of junctions; `OUTSIDE` for those not in the subgraph."""
        if self.is_whole:
            return junctions.astype(np.int64) + 1
        if not self.low:
            return np.zeros(len(junctions), dtype=np.int64)
        run = np.searchsorted(self.low, junctions, side="right") - 1
        high, shift = np.array(self.high), np.array(self.shift)
        return np.where((run >= 0) & (junctions < high[run]), junctions + shift[run], OUTSIDE)

    def numbers(self) -> Callable[[int], int]:
        """Return a function from junction to local number, `OUTSIDE` for one not in the subgraph."""
        if self.is_whole:
            return (1).__add__
        low, high, shift = self.low, self.high, self.shift

        def number(junction: int) -> int:
            run = bisect_right(low, junction) - 1
            return junction + shift[run] if run >= 0 and junction < high[run] else OUTSIDE

        return number

    def originals(self, local_numbers: Sequence[int]) -> list[int]:
        """Return the junctions of the network for local numbers."""
        if self.is_whole:
            return [number - 1 for number in local_numbers]
        firsts = [low + shift for low, shift in zip(self.low, self.shift, strict=True)]
        return [number - self.shift[bisect_right(firsts, number) - 1] for number in local_numbers]


class _Matrices(local):
    def __init__(self) -> None:
        self.of_size: dict[int, csr_matrix] = {}


_matrices = _Matrices()


def _rows_for(nodes: int) -> int:
    """Round up to one of few matrix sizes: 1,024, 1,280, 1,536, 1,792, 2,048, 2,560 …"""
    step = max(256, 1 << max(0, nodes.bit_length() - 3))
    return -(-nodes // step) * step


def whole_graph(contracted: ContractedEdges) -> Subgraph:
    """Return a subgraph of the whole network, with a node for the start."""
    nodes, joined = contracted.junction_count, len(contracted.neighbour)
    start = np.zeros(nodes + 3, dtype=np.int32)
    start[1 : nodes + 2] = contracted.neighbour_start
    start[nodes + 2] = joined + 2
    neighbour = np.zeros(joined + 2, dtype=np.int32)
    np.add(contracted.neighbour, 1, out=neighbour[:joined])
    metres = np.zeros(joined + 2)
    metres[:joined] = contracted.neighbour_metres
    return Subgraph([0], [nodes], [1], start, neighbour, metres, nodes + 1, is_whole=True)


def subgraph_within(
    contracted: ContractedEdges, scratch: ScratchPad, start_at: SnappedPoint, radius_metres: float
) -> Subgraph:
    """Return the subgraph around the start, with a node for the start."""
    centre = Position(start_at.lat, start_at.lon)
    low, high = _runs_within(contracted, centre, radius_metres)
    # For few slices, lists are faster than arrays.
    bounds = contracted.neighbour_start.take([*low, *high]).tolist()
    runs = [slice(a, b) for a, b in zip(low, high, strict=True)]
    edge_runs = [slice(a, b) for a, b in zip(bounds[: len(low)], bounds[len(low) :], strict=True)]
    shift: list[int] = []
    """Shifts of the junction numbers; `edge_shift` has those of indices in the neighbours."""
    edge_shift: list[int] = []
    inside = joined = 0
    for run, edges in zip(runs, edge_runs, strict=True):
        shift.append(inside + 1 - run.start)
        edge_shift.append(joined - edges.start)
        inside += run.stop - run.start
        joined += edges.stop - edges.start

    start = np.empty(_rows_for(inside + 2) + 1, dtype=np.int32)
    neighbour = np.empty(joined + 2, dtype=np.int32)
    metres = np.empty(joined + 2)
    start[0] = start[1] = 0
    start[inside + 2 :] = joined + 2
    neighbour[joined:] = OUTSIDE
    metres[joined:] = 0.0
    if runs:
        done = 2
        for run, change in zip(runs, edge_shift, strict=True):
            ends = slice(done, done + run.stop - run.start)
            np.add(contracted.neighbour_start[run.start + 1 : run.stop + 1], change, out=start[ends])
            done = ends.stop
        original = np.concatenate([contracted.neighbour[run] for run in edge_runs])
        np.concatenate([contracted.neighbour_metres[run] for run in edge_runs], out=metres[:joined])
    number = scratch.of_size(contracted.junction_count)
    ramp = np.arange(1, inside + 1, dtype=np.int32)
    try:
        done = 0
        for run in runs:
            length = run.stop - run.start
            number[run] = ramp[done : done + length]
            done += length
        if runs:
            number.take(original, out=neighbour[:joined], mode="clip")
    finally:
        for run in runs:
            number[run] = OUTSIDE
    return Subgraph(low, high, shift, start, neighbour, metres, inside + 1)


def _runs_within(
    contracted: ContractedEdges, centre: Position, radius_metres: float
) -> tuple[list[int], list[int]]:
    """Return slices `low:high` of junctions, one per strip of latitude, that contain all within the radius.

    On a sphere sin^2(d/2) = sin^2(dlat/2) + cos lat1 cos lat2 sin^2(dlon/2) (haversine). In each strip the
    range of longitudes is widest for the latitude nearest to the centre and the smallest cosine.
    """
    angle = min(math.pi, (radius_metres * _SPHERE_ERROR + 1.0) / EARTH_RADIUS_METRES)
    strip_degrees = NODE_STRIP_UNITS / UNITS_PER_DEGREE
    lowest, highest = int(contracted.node_key[0]) >> 32, int(contracted.node_key[-1]) >> 32
    first = max(lowest, math.floor((centre.lat - math.degrees(angle) + 90.0) / strip_degrees))
    last = min(highest, math.floor((centre.lat + math.degrees(angle) + 90.0) / strip_degrees))
    sine_squared = math.sin(angle / 2) ** 2
    cosine = math.cos(math.radians(centre.lat))
    at = (centre.lon + 180.0) * UNITS_PER_DEGREE
    west: list[int] = []
    east: list[int] = []
    for strip in range(first, last + 1):
        south = strip * strip_degrees - 90.0
        north = south + strip_degrees
        apart = max(south - centre.lat, centre.lat - north, 0.0)
        poleward = min(90.0, max(-south, north))
        room = sine_squared - math.sin(math.radians(apart) / 2) ** 2
        widest = max(cosine * math.cos(math.radians(poleward)), 1e-12)
        half_width = 2 * math.asin(math.sqrt(min(1.0, max(0.0, room / widest))))
        half_units = math.degrees(half_width) * UNITS_PER_DEGREE + 1
        west.append((strip << 32) + max(0, int(at - half_units)))
        east.append((strip << 32) + min(360 * UNITS_PER_DEGREE, int(at + half_units)) + 1)
    found = zip(
        *contracted.node_key.searchsorted(np.array([west, east], dtype=np.int64)).tolist(), strict=True
    )
    filled = [run for run in found if run[0] < run[1]]
    return [low for low, _ in filled], [high for _, high in filled]
