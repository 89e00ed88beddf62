"""How far it is from one start to anywhere within reach, and by which way.

The cost follows what is reached. A network of up to `WHOLE_UP_TO_NODES` is searched as it is; of a larger one
the nodes within the straight-line radius are cut out (they lie in a few runs, one per strip of latitude) and
the search runs on that window alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import local
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from aed.errors import InvalidInput
from aed.geo import Position
from aed.walking.footing import Footings
from aed.walking.streets import (
    NODE_STRIP_UNITS,
    UNITS_PER_DEGREE,
    Crossing,
    Floats,
    Ints,
    Longs,
    Streets,
)

_OUTSIDE = 0  # local number of "somewhere beyond the window"; nothing leads on from there
_SPHERE_METRES = 6_371_008.8
_SPHERE_ERROR = 1.006  # a spheroid's distance is at most this many times shorter than the mean sphere's
_FARTHEST_METRES = 30_000_000.0  # beyond any two points on earth; a finite stand-in for "no limit"


@dataclass(frozen=True, slots=True)
class Walk:
    """A way from the start to a point.

    `metres` counts the legs to and from the street and no delays; `coordinates` are (lon, lat) from start to
    point; `crossings` are the delayed places passed, in order, as they were given.
    """

    metres: float
    coordinates: list[tuple[float, float]]
    crossings: tuple[Crossing, ...]


WHOLE_UP_TO_NODES = 100_000
"""Up to here filling arrays of the network's size takes less than cutting a window out of it."""


class ScratchPad(local):
    """What a thread keeps from search to search."""

    def __init__(self) -> None:
        self.local_number: Ints = np.zeros(0, dtype=np.int32)
        """One number a node, nought wherever it is not in use."""
        self.whole: _Window | None = None
        """The whole network, where it is small."""

    def of_size(self, count: int) -> Ints:
        if len(self.local_number) != count:
            self.local_number = np.zeros(count, dtype=np.int32)
        return self.local_number


@dataclass(frozen=True, slots=True)
class _Window:
    """Part of the network, its nodes renumbered: node `low[k] + i` is `shift[k] + low[k] + i` here.

    The last node is the point of departure. Where it leads, and what closures and delays add, is written
    into the arrays for the time of one search: see `_searched`.
    """

    low: Ints
    high: Ints
    shift: Longs
    start: Ints
    neighbour: Ints
    metres: Floats
    """Without closures and delays."""
    graph: csr_matrix
    """The same three arrays."""
    is_whole: bool = False
    """Every node of the network is here: each has its own number plus 1."""

    @property
    def source(self) -> int:
        """The local number of the point of departure, the last node."""
        return len(self.start) - 2

    def local(self, nodes: Ints) -> Longs:
        """The local numbers of nodes, `_OUTSIDE` for those beyond the window."""
        if self.is_whole:
            return nodes.astype(np.int64) + 1
        if len(self.low) == 0:
            return np.zeros(len(nodes), dtype=np.int64)
        run = self.low.searchsorted(nodes, side="right") - 1
        return np.where((run >= 0) & (nodes < self.high[run]), nodes + self.shift[run], _OUTSIDE)

    def originals(self, local_numbers: Sequence[int]) -> list[int]:
        """The network's numbers of nodes of the window."""
        if self.is_whole:
            return [number - 1 for number in local_numbers]
        wanted = np.array(local_numbers, dtype=np.int64)
        run = (self.low + self.shift).searchsorted(wanted, side="right") - 1
        found: list[int] = (wanted - self.shift[run]).tolist()
        return found


@dataclass(frozen=True, slots=True)
class _Block:
    """Closed crossings (infinite) and delays on one edge, in order along it."""

    along: tuple[float, ...]
    metres: tuple[float, ...]
    crossings: tuple[Crossing | None, ...]

    def between(self, one: float, other: float) -> float:
        """What is paid for walking from one place on the edge to another.

        Someone who stands in the gate itself is on both sides of it.
        """
        low, high = min(one, other), max(one, other)
        return sum(cost for at, cost in zip(self.along, self.metres, strict=True) if low < at < high)

    def to_first_end(self, place: float) -> float:
        """What is paid from a place to the edge's first end, including a gate at that very end."""
        return sum(cost for at, cost in zip(self.along, self.metres, strict=True) if at < place)

    def to_last_end(self, place: float) -> float:
        """What is paid from a place to the edge's last end, including a gate at that very end."""
        return sum(cost for at, cost in zip(self.along, self.metres, strict=True) if at > place)


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Everything within `within_metres` of a start, legs and delays counted.

    It belongs to the thread that asked for it: what it was searched on is the thread's own.
    """

    streets: Streets
    within_metres: float
    start: Footings
    blocks: dict[int, _Block]
    window: _Window
    ends: tuple[int, int]
    """The local numbers of the ends of the start's edge."""
    end_metres: tuple[float, float]
    """From the start to each, with closures and delays."""
    distance: Floats
    predecessor: Ints

    def with_gates(
        self, *, closed: Sequence[Crossing] = (), delays: Sequence[tuple[Crossing, float]] = ()
    ) -> Reach:
        """The same reach, if the gates stood otherwise."""
        blocks = _blocks(self.streets, closed, delays)
        return _searched(self.streets, self.window, self.start, self.within_metres, blocks)

    def costs(self, footings: Footings) -> Floats:
        """Metres to each point with legs and delays, infinite where that is not within `within_metres`."""
        return self._best(footings)[0]

    def walk_to(self, footings: Footings, i: int, *, with_line: bool = True) -> Walk:
        """The way to point i, on request without its line on the ground (no coordinates then).

        Raises ValueError when it is not within reach (its cost is infinite).
        """
        target = footings.take([i])
        costs, by = self._best(target)
        if math.isinf(float(costs[0])):
            raise ValueError(f"point {i} is not within {self.within_metres} metres of the start")
        return _walk(self, target, int(by[0]), with_line=with_line)

    def may_pass_crossings(self, footings: Footings) -> list[bool]:
        """Whether the way to each point may pass a delayed place. False is certain, and quick to find out.

        Only then is a walk not simply its cost.
        """
        if not self.blocks:
            return [False] * len(footings)
        if int(self.start.edge[0]) in self.blocks:
            return [True] * len(footings)
        _, by = self._best(footings)
        streets, source = self.streets, self.window.source
        behind, known = _behind_blocks(self), {source: False}
        before = memoryview(self.predecessor)
        ends = np.where(by == 0, streets.edge_u[footings.edge], streets.edge_v[footings.edge])
        found: list[bool] = []
        for edge, way, end in zip(
            footings.edge.tolist(), by.tolist(), self.window.local(ends).tolist(), strict=True
        ):
            passes = edge in self.blocks
            if not passes and way != 2:
                here, passed = end, []
                while here >= 0 and here not in known:
                    passed.append(here)
                    if here in behind:
                        break
                    here = before[here]
                passes = known.get(here, True)
                known.update(dict.fromkeys(passed, passes))
            found.append(passes)
        return found

    def crossings_to(self, footings: Footings, i: int) -> tuple[Crossing, ...]:
        """The delayed places passed on the way to point i, in order."""
        return self.walk_to(footings, i).crossings

    def _best(self, footings: Footings) -> tuple[Floats, NDArray[np.intp]]:
        """Cost to each point, and how it is reached: 0 by the edge's first end, 1 by its last, 2 along it."""
        streets = self.streets
        edge, along = footings.edge, footings.along_metres
        count = len(edge)
        if count == 0:
            return np.zeros(0), np.zeros(0, dtype=np.intp)
        ends = self.window.local(np.concatenate([streets.edge_u[edge], streets.edge_v[edge]]))
        arrived = self.distance[ends]
        last_point = streets.point_start[edge + 1] - 1
        ways = np.empty((3, count))
        ways[0] = arrived[:count] + along
        ways[1] = arrived[count:] + (streets.point_along[last_point] - along)
        ways[2] = np.inf
        start_edge, start_along = int(self.start.edge[0]), float(self.start.along_metres[0])
        same = edge == start_edge
        if same.any():
            ways[2, same] = np.abs(along[same] - start_along) + self.start.off_metres[0]
        if self.blocks:
            self._add_blocks(footings, ways, start_edge, start_along)
        by = ways.argmin(axis=0)
        costs = ways[by, np.arange(count)] + footings.off_metres
        costs[(edge < 0) | ~(costs <= self.within_metres)] = np.inf
        return costs, by

    def _add_blocks(self, footings: Footings, ways: Floats, start_edge: int, start_along: float) -> None:
        for i, edge in enumerate(footings.edge.tolist()):
            block = self.blocks.get(edge)
            if block is None:
                continue
            along = float(footings.along_metres[i])
            ways[0, i] += block.to_first_end(along)
            ways[1, i] += block.to_last_end(along)
            if edge == start_edge:
                ways[2, i] += block.between(start_along, along)


def find_reach(
    streets: Streets,
    scratch: ScratchPad,
    start: Footings,
    *,
    within_metres: float,
    closed: Sequence[Crossing],
    delays: Sequence[tuple[Crossing, float]],
) -> Reach:
    """Everything that can be walked to from the single footing `start` within `within_metres`.

    1. Of a large network, cut out the nodes within the straight-line radius: no way of that length leaves it.
    2. Join the start to both ends of its edge; close and delay edges.
    3. One bounded Dijkstra.
    """
    if not within_metres >= 0:
        raise InvalidInput("The reach must be a number of metres, not below 0.", field="within_metres")
    limit = min(within_metres, _FARTHEST_METRES)
    blocks = _blocks(streets, closed, delays)
    if streets.node_count > WHOLE_UP_TO_NODES:
        window = _cut_out(streets, scratch, start, limit)
    else:
        window = scratch.whole = scratch.whole or _whole(streets)
    return _searched(streets, window, start, limit, blocks)


def _searched(
    streets: Streets, window: _Window, start: Footings, limit: float, blocks: dict[int, _Block]
) -> Reach:
    """One bounded Dijkstra over a window, with these closures and delays.

    They are written into the window's lengths and taken out again: a copy would take longer than the search.
    """
    edge, along, off = int(start.edge[0]), float(start.along_metres[0]), float(start.off_metres[0])
    ends = window.local(np.array([streets.edge_u[edge], streets.edge_v[edge]])).tolist()
    end_metres = [off + along, off + max(0.0, streets.edge_metres(edge) - along)]
    if (block := blocks.get(edge)) is not None:
        end_metres[0] += block.to_first_end(along)
        end_metres[1] += block.to_last_end(along)
    metres = window.metres
    window.neighbour[-2:], metres[-2:] = ends, end_metres
    paid = _paid(streets, window, blocks)
    without = metres[paid.at]
    metres[paid.at] += paid.metres
    try:
        distance, predecessor = dijkstra(
            window.graph, indices=window.source, return_predecessors=True, limit=limit
        )
    finally:
        metres[paid.at] = without
    distance[_OUTSIDE] = np.inf
    return Reach(
        streets=streets,
        within_metres=limit,
        start=start,
        blocks=blocks,
        window=window,
        ends=(ends[0], ends[1]),
        end_metres=(end_metres[0], end_metres[1]),
        distance=distance,
        predecessor=predecessor,
    )


def _blocks(
    streets: Streets, closed: Sequence[Crossing], delays: Sequence[tuple[Crossing, float]]
) -> dict[int, _Block]:
    """Closures and delays by edge. A gate of several spokes is passed by two, at half the delay each."""
    if not closed and not delays:
        return {}
    found: dict[int, list[tuple[float, float, Crossing | None]]] = {}
    for crossing, metres, delayed in (
        *((crossing, math.inf, None) for crossing in closed),
        *((crossing, metres, crossing) for crossing, metres in delays),
    ):
        if not 0 <= crossing.edge < streets.edge_count:
            raise InvalidInput(
                f"Edge {crossing.edge} is not in this walking network: look the gate up again.", field="edge"
            )
        if not metres >= 0:
            raise InvalidInput("A delay must be a number of metres, not below 0.", field="delays")
        edges: Sequence[int] = (crossing.edge,)
        if crossing.edge >= streets.street_count:
            edges = streets.gate_edges(crossing.edge)
        for edge in edges:
            share = metres if len(edges) == 1 else metres / 2
            found.setdefault(edge, []).append((crossing.along_metres, share, delayed))
    blocks: dict[int, _Block] = {}
    for edge, places in found.items():
        places.sort(key=lambda place: place[0])
        along, costs, crossings = zip(*places, strict=True)
        blocks[edge] = _Block(along, costs, crossings)
    return blocks


def _window(low: Ints, high: Ints, shift: Longs, start: Ints, neighbour: Ints, metres: Floats) -> _Window:
    size = len(start) - 1
    graph = csr_matrix((metres, neighbour, start), shape=(size, size))
    return _Window(low, high, shift, start, neighbour, metres, graph)


def _whole(streets: Streets) -> _Window:
    """All of the network, and a node for the start."""
    nodes, joined = streets.node_count, len(streets.neighbour)
    start = np.zeros(nodes + 3, dtype=np.int32)
    start[1 : nodes + 2] = streets.neighbour_start
    start[nodes + 2] = joined + 2
    neighbour = np.zeros(joined + 2, dtype=np.int32)
    np.add(streets.neighbour, 1, out=neighbour[:joined])
    metres = np.zeros(joined + 2)
    metres[:joined] = streets.neighbour_metres
    low, high = np.zeros(1, dtype=np.int32), np.array([nodes], dtype=np.int32)
    window = _window(low, high, np.ones(1, dtype=np.int64), start, neighbour, metres)
    return replace(window, is_whole=True)


def _cut_out(streets: Streets, scratch: ScratchPad, start_at: Footings, radius_metres: float) -> _Window:
    """The window around the start, and a node for it."""
    centre = Position(float(start_at.lats[0]), float(start_at.lons[0]))
    low, high = _runs_within(streets, centre, radius_metres)
    node_counts = high - low
    shift: Longs = (node_counts.cumsum() - node_counts + 1 - low).astype(np.int64, copy=False)
    first_edge, edge_end = streets.neighbour_start.take(low), streets.neighbour_start.take(high)
    edge_counts = edge_end - first_edge
    inside, joined = int(node_counts.sum()), int(edge_counts.sum())
    runs, edge_runs = (
        [slice(a, b) for a, b in zip(lows.tolist(), highs.tolist(), strict=True)]
        for lows, highs in ((low, high), (first_edge, edge_end))
    )

    start = np.zeros(inside + 3, dtype=np.int32)
    neighbour = np.zeros(joined + 2, dtype=np.int32)
    metres = np.zeros(joined + 2)
    start[inside + 2] = joined + 2
    if runs:
        # Row ends: the edges before a run here, less those before it in the network, added to each node's.
        row_ends = start[2 : inside + 2]
        np.concatenate([streets.neighbour_start[run.start + 1 : run.stop + 1] for run in runs], out=row_ends)
        row_ends += (edge_counts.cumsum() - edge_counts - first_edge).repeat(node_counts).astype(np.int32)
        original = np.concatenate([streets.neighbour[run] for run in edge_runs])
        np.concatenate([streets.neighbour_metres[run] for run in edge_runs], out=metres[:joined])
    number = scratch.of_size(streets.node_count)
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
            number[run] = _OUTSIDE
    return _window(low, high, shift, start, neighbour, metres)


def _runs_within(streets: Streets, centre: Position, radius_metres: float) -> tuple[Ints, Ints]:
    """Runs `low:high` of nodes, one per strip of latitude, that hold every node within the radius.

    On a sphere sin^2(d/2) = sin^2(dlat/2) + cos lat1 cos lat2 sin^2(dlon/2) (haversine); in each strip the
    longitudes allowed are widest for the latitude nearest to the centre and the smallest cosine.
    """
    angle = min(math.pi, (radius_metres * _SPHERE_ERROR + 1.0) / _SPHERE_METRES)
    strip_degrees = NODE_STRIP_UNITS / UNITS_PER_DEGREE
    lowest, highest = int(streets.node_key[0]) >> 32, int(streets.node_key[-1]) >> 32
    first = max(lowest, math.floor((centre.lat - math.degrees(angle) + 90.0) / strip_degrees))
    last = min(highest, math.floor((centre.lat + math.degrees(angle) + 90.0) / strip_degrees))
    whole = math.sin(angle / 2) ** 2
    cosine = math.cos(math.radians(centre.lat))
    at = (centre.lon + 180.0) * UNITS_PER_DEGREE
    west: list[int] = []
    east: list[int] = []
    for strip in range(first, last + 1):
        south = strip * strip_degrees - 90.0
        north = south + strip_degrees
        apart = max(south - centre.lat, centre.lat - north, 0.0)
        poleward = min(90.0, max(-south, north))
        room = whole - math.sin(math.radians(apart) / 2) ** 2
        widest = max(cosine * math.cos(math.radians(poleward)), 1e-12)
        half_width = 2 * math.asin(math.sqrt(min(1.0, max(0.0, room / widest))))
        half_units = math.degrees(half_width) * UNITS_PER_DEGREE + 1
        west.append((strip << 32) + max(0, int(at - half_units)))
        east.append((strip << 32) + min(360 * UNITS_PER_DEGREE, int(at + half_units)) + 1)
    low, high = streets.node_key.searchsorted(np.array([west, east], dtype=np.int64)).astype(np.int32)
    filled = high > low
    return low[filled], high[filled]


class _Paid(NamedTuple):
    """What closures and delays add, and at which of a window's lengths."""

    at: NDArray[np.intp]
    metres: Floats


_NOTHING_PAID = _Paid(np.zeros(0, dtype=np.intp), np.zeros(0))


def _paid(streets: Streets, window: _Window, blocks: dict[int, _Block]) -> _Paid:
    """What is paid on the edges of a window, in both directions."""
    if not blocks:
        return _NOTHING_PAID
    edges = np.fromiter(blocks, dtype=np.int32, count=len(blocks)).repeat(2)
    paid = np.array([sum(block.metres) for block in blocks.values()]).repeat(2)
    tails = streets.edge_u[edges]
    tails[1::2] = streets.edge_v[edges[1::2]]
    local = window.local(tails)
    inside = local != _OUTSIDE
    edges, paid, tails, local = edges[inside], paid[inside], tails[inside], local[inside]
    first = streets.neighbour_start[tails]
    counts = streets.neighbour_start[tails + 1] - first
    # The edges at each tail, one after the other; in network and window they lie in the same order.
    which = np.arange(int(counts.sum())) - (counts.cumsum() - counts).repeat(counts)
    is_it = streets.neighbour_edge[first.repeat(counts) + which] == edges.repeat(counts)
    at = (window.start[local].repeat(counts) + which)[is_it]
    return _Paid(at.astype(np.intp), paid.repeat(counts)[is_it])


def _behind_blocks(reach: Reach) -> set[int]:
    """The local numbers of the nodes that are reached over an edge with a closed or delayed place on it."""
    window, streets = reach.window, reach.streets
    edges = np.fromiter(reach.blocks, dtype=np.int32, count=len(reach.blocks))
    one, other = window.local(streets.edge_u[edges]), window.local(streets.edge_v[edges])
    before = reach.predecessor
    inside = (one != _OUTSIDE) & (other != _OUTSIDE)
    return {
        *one[inside & (before[one] == other)].tolist(),
        *other[inside & (before[other] == one)].tolist(),
    }


def _walk(reach: Reach, target: Footings, by: int, *, with_line: bool) -> Walk:
    """The way to the single point `target`, reached by its edge's first end, its last, or along it."""
    streets, window = reach.streets, reach.window
    edge, along = int(target.edge[0]), float(target.along_metres[0])
    start_edge, start_along = int(reach.start.edge[0]), float(reach.start.along_metres[0])
    pieces: list[tuple[int, float, float]] = []  # edge, from metres, to metres
    if by == 2:
        pieces.append((edge, start_along, along))
    else:
        end_along = 0.0 if by == 0 else streets.edge_metres(edge)
        pieces.append((edge, end_along, along))
        nodes = [int(window.local((streets.edge_u if by == 0 else streets.edge_v)[[edge]])[0])]
        before = memoryview(reach.predecessor)
        while (node := before[nodes[-1]]) != window.source:
            nodes.append(node)
        originals = window.originals(nodes)
        for here, node, original in zip(nodes, nodes[1:], originals[1:], strict=False):
            passed, forward = _edge_between(reach, node, here, original)
            length = streets.edge_metres(passed)
            pieces.append((passed, 0.0, length) if forward else (passed, length, 0.0))
        at_first = _edge_between_source(reach, nodes[-1])
        pieces.append((start_edge, start_along, 0.0 if at_first else streets.edge_metres(start_edge)))
        pieces.reverse()

    metres = float(reach.start.off_metres[0]) + float(target.off_metres[0])
    coordinates = [(float(reach.start.lons[0]), float(reach.start.lats[0]))]
    crossings: list[Crossing] = []
    gate = -1  # the gate whose first spoke was just passed
    for number, (passed, start, end) in enumerate(pieces):
        metres += abs(end - start)
        for place in _line(streets, passed, start, end) if with_line else ():
            if place != coordinates[-1]:
                coordinates.append(place)
        block = reach.blocks.get(passed)
        if block is None:
            continue
        whole_from = number > 0  # entered at an end of the edge, not at the start's footing
        whole_to = number < len(pieces) - 1
        if passed >= streets.street_count and len(streets.gate_edges(passed)) > 1:
            first = streets.gate_edges(passed)[0]
            if gate == first:  # the second of the two spokes by which such a gate is passed
                gate = -1
                continue
            gate = first
        crossings += _passed(block, start, end, from_end=whole_from, to_end=whole_to)
    goal = (float(target.lons[0]), float(target.lats[0]))
    if goal != coordinates[-1] or len(coordinates) == 1:
        coordinates.append(goal)
    return Walk(metres=metres, coordinates=coordinates if with_line else [], crossings=tuple(crossings))


def _edge_between(reach: Reach, before: int, here: int, before_original: int) -> tuple[int, bool]:
    """The cheapest edge from one local node to the next, and whether it is walked from its first end.

    `before_original` is the network's number of the local node `before`.
    """
    window, streets = reach.window, reach.streets
    a, b = window.start[before : before + 2].tolist()
    first = int(streets.neighbour_start[before_original])
    edges = streets.neighbour_edge[first : first + b - a].tolist()
    joined = zip(window.neighbour[a:b].tolist(), window.metres[a:b].tolist(), edges, strict=True)
    _, edge = min(
        (metres + (sum(reach.blocks[edge].metres) if edge in reach.blocks else 0.0), edge)
        for end, metres, edge in joined
        if end == here
    )
    return edge, int(streets.edge_u[edge]) == before_original


def _edge_between_source(reach: Reach, here: int) -> bool:
    """Whether the way from the start to its first node goes to the edge's first end (else its last)."""
    (first, last), (to_first, to_last) = reach.ends, reach.end_metres
    return first == here and (last != here or to_first <= to_last)


def _passed(block: _Block, start: float, end: float, *, from_end: bool, to_end: bool) -> list[Crossing]:
    """The delayed crossings of an edge between two places on it, in the order walked."""
    low, high = min(start, end), max(start, end)
    low_open, high_open = (from_end, to_end) if start <= end else (to_end, from_end)
    passed = [
        crossing
        for at, crossing in zip(block.along, block.crossings, strict=True)
        if crossing is not None
        and (low < at or (low_open and low <= at))
        and (at < high or (high_open and at <= high))
    ]
    return passed if start <= end else passed[::-1]


def _line(streets: Streets, edge: int, start: float, end: float) -> list[tuple[float, float]]:
    """The places (lon, lat) on an edge's line from one place on it to another, both included."""
    a, b = int(streets.point_start[edge]), int(streets.point_start[edge + 1])
    lats = streets.point_lat[a:b] / UNITS_PER_DEGREE
    lons = streets.point_lon[a:b] / UNITS_PER_DEGREE
    along = streets.point_along[a:b].astype(np.float64)
    low, high = min(start, end), max(start, end)
    between = np.flatnonzero((along > low) & (along < high))
    places = np.concatenate([[low], along[between], [high]])
    line = list(
        zip(np.interp(places, along, lons).tolist(), np.interp(places, along, lats).tolist(), strict=True)
    )
    return line if start <= end else line[::-1]
