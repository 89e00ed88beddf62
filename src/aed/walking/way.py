"""Reconstruct the path to one point from the result of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aed.walking.blocks import Block
from aed.walking.chains import Chains
from aed.walking.footing import Footing
from aed.walking.search import Searched
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


def way_to(found: Searched, target: Footing, by: int, *, with_line: bool) -> Walk:
    """Return the walk to `target`, reached by its chain's first end (0), last end (1) or along it (2)."""
    chains, window, start = found.chains, found.window, found.start
    streets = chains.streets
    pieces: list[tuple[int, float, float]] = []  # edge, from metres, to metres
    if by == 2:
        pieces += _pieces(chains, start.chain, start, target)
    else:
        nodes = [window.numbers()(target.first_end if by == 0 else target.last_end)]
        before = memoryview(found.predecessor)
        while (node := before[nodes[-1]]) != window.source:
            nodes.append(node)
        nodes.reverse()
        originals = window.originals(nodes)
        pieces += _pieces(chains, start.chain, start, None, forward=not leaves_by_first_end(found, nodes[0]))
        for node, here, original in zip(nodes, nodes[1:], originals, strict=False):
            chain, forward = chain_between(found, node, here, original)
            pieces += _pieces(chains, chain, None, None, forward=forward)
        pieces += _pieces(chains, target.chain, None, target, forward=by == 0)

    metres = start.off_metres + target.off_metres
    coordinates = [(start.lon, start.lat)]
    crossings: list[Crossing] = []
    gate = -1  # the gate whose first spoke was passed last
    for number, (passed, begin, end) in enumerate(pieces):
        metres += abs(end - begin)
        for place in _line(streets, passed, begin, end) if with_line else ():
            if place != coordinates[-1]:
                coordinates.append(place)
        block = found.blocks.by_edge.get(passed)
        if block is None:
            continue
        whole_from = number > 0  # entered at an end of the edge, not at the start
        whole_to = number < len(pieces) - 1
        if passed >= streets.street_count and len(streets.gate_edges(passed)) > 1:
            first = streets.gate_edges(passed)[0]
            if gate == first:  # the second of the two spokes of this gate
                gate = -1
                continue
            gate = first
        crossings += _passed(block, begin, end, from_end=whole_from, to_end=whole_to)
    goal = (target.lon, target.lat)
    if goal != coordinates[-1] or len(coordinates) == 1:
        coordinates.append(goal)
    return Walk(metres=metres, coordinates=coordinates if with_line else [], crossings=tuple(crossings))


def _pieces(
    chains: Chains, chain: int, one: Footing | None, other: Footing | None, *, forward: bool = True
) -> list[tuple[int, float, float]]:
    """Return the part of each edge of a chain that is walked from one place to another.

    None stands for the end of the chain, in its direction (`forward`) or against it.
    """
    edges = chains.edges_of(chain)
    if one is not None and other is not None:
        forward = (one.order, one.first_metres) <= (other.order, other.first_metres)
    begin, end = one.order if one is not None else None, other.order if other is not None else None
    if not forward:
        edges.reverse()
        begin, end = (None if order is None else len(edges) - 1 - order for order in (begin, end))
    pieces: list[tuple[int, float, float]] = []
    for edge in edges[begin : None if end is None else end + 1]:
        length = chains.streets.edge_metres(edge)
        passed = (0.0, length) if bool(chains.is_forward[edge]) is forward else (length, 0.0)
        pieces.append((edge, *passed))
    if one is not None:
        pieces[0] = (one.edge, one.along_metres, pieces[0][2])
    if other is not None:
        pieces[-1] = (other.edge, pieces[-1][1], other.along_metres)
    return pieces


def chain_between(found: Searched, before: int, here: int, before_original: int) -> tuple[int, bool]:
    """Return the cheapest chain from one local junction to the next, and whether it starts at its first end.

    `before_original` is the number of junction `before` in the network.
    """
    window, chains = found.window, found.chains
    a, b = window.start[before : before + 2].tolist()
    first = int(chains.neighbour_start[before_original])
    numbers = chains.neighbour_chain[first : first + b - a].tolist()
    joined = zip(window.neighbour[a:b].tolist(), window.metres[a:b].tolist(), numbers, strict=True)
    _, chain = min(
        (metres + found.blocks.on_chain(number), number) for end, metres, number in joined if end == here
    )
    return chain, int(chains.first_end[chain]) == before_original


def leaves_by_first_end(found: Searched, here: int) -> bool:
    """Return whether the path leaves the start's chain by its first end to reach the junction `here`."""
    (first, last), (to_first, to_last) = found.ends, found.end_metres
    return first == here and (last != here or to_first <= to_last)


def _passed(block: Block, start: float, end: float, *, from_end: bool, to_end: bool) -> list[Crossing]:
    """Return the delayed crossings between two places on an edge, in walking order."""
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
