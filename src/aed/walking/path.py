"""Reconstruct the path to one point from the result of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aed.walking.contracted_edges import ContractedEdges
from aed.walking.dijkstra import DijkstraResult
from aed.walking.gate_delays import EdgeDelays
from aed.walking.snapping import SnappedPoint
from aed.walking.streets import UNITS_PER_DEGREE, Crossing, Streets


@dataclass(frozen=True, slots=True)
class Walk:
    """A path from the start to a point.

    `metres` includes the legs to and from the street, without delays. `coordinates` are (lon, lat) from start
    to point. `crossings` are the delayed crossings passed, in order.
    """

    metres: float
    coordinates: list[tuple[float, float]]
    crossings: tuple[Crossing, ...]


def path_to(found: DijkstraResult, target: SnappedPoint, by: int, *, with_line: bool) -> Walk:
    """Return the walk to `target`, reached by its chain's first end (0), last end (1) or along it (2)."""
    contracted, subgraph, start = found.contracted, found.subgraph, found.start
    streets = contracted.streets
    pieces: list[tuple[int, float, float]] = []  # edge, from metres, to metres
    if by == 2:
        pieces += _pieces(contracted, start.chain, start, target)
    else:
        nodes = [subgraph.numbers()(target.first_end if by == 0 else target.last_end)]
        before = memoryview(found.predecessor)
        while (node := before[nodes[-1]]) != subgraph.source:
            nodes.append(node)
        nodes.reverse()
        originals = subgraph.originals(nodes)
        pieces += _pieces(
            contracted, start.chain, start, None, forward=not leaves_by_first_end(found, nodes[0])
        )
        for node, here, original in zip(nodes, nodes[1:], originals, strict=False):
            chain, forward = chain_between(found, node, here, original)
            pieces += _pieces(contracted, chain, None, None, forward=forward)
        pieces += _pieces(contracted, target.chain, None, target, forward=by == 0)

    metres = start.off_metres + target.off_metres
    coordinates = [(start.lon, start.lat)]
    crossings: list[Crossing] = []
    gate = -1  # the gate whose first spoke was passed last
    for number, (passed, begin, end) in enumerate(pieces):
        metres += abs(end - begin)
        for place in _line(streets, passed, begin, end) if with_line else ():
            if place != coordinates[-1]:
                coordinates.append(place)
        edge_delays = found.gates.by_edge.get(passed)
        if edge_delays is None:
            continue
        whole_from = number > 0  # entered at an end of the edge, not at the start
        whole_to = number < len(pieces) - 1
        if passed >= streets.street_count and len(streets.gate_edges(passed)) > 1:
            first = streets.gate_edges(passed)[0]
            if gate == first:  # the second of the two spokes of this gate
                gate = -1
                continue
            gate = first
        crossings += _passed(edge_delays, begin, end, from_end=whole_from, to_end=whole_to)
    goal = (target.lon, target.lat)
    if goal != coordinates[-1] or len(coordinates) == 1:
        coordinates.append(goal)
    return Walk(metres=metres, coordinates=coordinates if with_line else [], crossings=tuple(crossings))


def _pieces(
    contracted: ContractedEdges,
    chain: int,
    one: SnappedPoint | None,
    other: SnappedPoint | None,
    *,
    forward: bool = True,
) -> list[tuple[int, float, float]]:
    """Return the part of each edge of a chain that is walked from one place to another.

    None stands for the end of the chain, in its direction (`forward`) or against it.
    """
    edges = contracted.edges_of(chain)
    if one is not None and other is not None:
        forward = (one.order, one.first_metres) <= (other.order, other.first_metres)
    begin, end = one.order if one is not None else None, other.order if other is not None else None
    if not forward:
        edges.reverse()
        begin, end = (None if order is None else len(edges) - 1 - order for order in (begin, end))
    pieces: list[tuple[int, float, float]] = []
    for edge in edges[begin : None if end is None else end + 1]:
        length = contracted.streets.edge_metres(edge)
        passed = (0.0, length) if bool(contracted.is_forward[edge]) is forward else (length, 0.0)
        pieces.append((edge, *passed))
    if one is not None:
        pieces[0] = (one.edge, one.along_metres, pieces[0][2])
    if other is not None:
        pieces[-1] = (other.edge, pieces[-1][1], other.along_metres)
    return pieces


def chain_between(found: DijkstraResult, before: int, here: int, before_original: int) -> tuple[int, bool]:
    """Return the cheapest chain from one local junction to the next, and whether it starts at its first end.

    `before_original` is the number of junction `before` in the network.
    """
    subgraph, contracted = found.subgraph, found.contracted
    a, b = subgraph.start[before : before + 2].tolist()
    first = int(contracted.neighbour_start[before_original])
    numbers = contracted.neighbour_chain[first : first + b - a].tolist()
    joined = zip(subgraph.neighbour[a:b].tolist(), subgraph.metres[a:b].tolist(), numbers, strict=True)
    _, chain = min(
        (metres + found.gates.delay_of_chain(number), number) for end, metres, number in joined if end == here
    )
    return chain, int(contracted.first_end[chain]) == before_original


def leaves_by_first_end(found: DijkstraResult, here: int) -> bool:
    """Return whether the path leaves the start's chain by its first end to reach the junction `here`."""
    (first, last), (to_first, to_last) = found.ends, found.end_metres
    return first == here and (last != here or to_first <= to_last)


def _passed(
    edge_delays: EdgeDelays, start: float, end: float, *, from_end: bool, to_end: bool
) -> list[Crossing]:
    """Return the delayed crossings between two places on an edge, in walking order."""
    low, high = min(start, end), max(start, end)
    low_open, high_open = (from_end, to_end) if start <= end else (to_end, from_end)
    passed = [
        crossing
        for at, crossing in zip(edge_delays.along, edge_delays.crossings, strict=True)
        if crossing is not None
        and (low < at or (low_open and low <= at))
        and (at < high or (high_open and at <= high))
    ]
    return passed if start <= end else passed[::-1]


def _line(streets: Streets, edge: int, start: float, end: float) -> list[tuple[float, float]]:
    """Return the coordinates (lon, lat) of an edge's line between two places on it, both included."""
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
