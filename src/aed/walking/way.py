"""The way that a search has found to one point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aed.walking.blocks import Block
from aed.walking.footing import Footings
from aed.walking.search import Searched
from aed.walking.streets import (
    UNITS_PER_DEGREE,
    Crossing,
    Streets,
)


@dataclass(frozen=True, slots=True)
class Walk:
    """A way from the start to a point.

    `metres` counts the legs to and from the street and no delays; `coordinates` are (lon, lat) from start to
    point; `crossings` are the delayed places passed, in order, as they were given.
    """

    metres: float
    coordinates: list[tuple[float, float]]
    crossings: tuple[Crossing, ...]


def way_to(found: Searched, target: Footings, by: int, *, with_line: bool) -> Walk:
    """The way to the single point `target`, reached by its edge's first end, its last, or along it."""
    streets, window = found.streets, found.window
    edge, along = int(target.edge[0]), float(target.along_metres[0])
    start_edge, start_along = int(found.start.edge[0]), float(found.start.along_metres[0])
    pieces: list[tuple[int, float, float]] = []  # edge, from metres, to metres
    if by == 2:
        pieces.append((edge, start_along, along))
    else:
        end_along = 0.0 if by == 0 else streets.edge_metres(edge)
        pieces.append((edge, end_along, along))
        nodes = [int(window.local((streets.edge_u if by == 0 else streets.edge_v)[[edge]])[0])]
        before = memoryview(found.predecessor)
        while (node := before[nodes[-1]]) != window.source:
            nodes.append(node)
        originals = window.originals(nodes)
        for here, node, original in zip(nodes, nodes[1:], originals[1:], strict=False):
            passed, forward = _edge_between(found, node, here, original)
            length = streets.edge_metres(passed)
            pieces.append((passed, 0.0, length) if forward else (passed, length, 0.0))
        at_first = _edge_between_source(found, nodes[-1])
        pieces.append((start_edge, start_along, 0.0 if at_first else streets.edge_metres(start_edge)))
        pieces.reverse()

    metres = float(found.start.off_metres[0]) + float(target.off_metres[0])
    coordinates = [(float(found.start.lons[0]), float(found.start.lats[0]))]
    crossings: list[Crossing] = []
    gate = -1  # the gate whose first spoke was just passed
    for number, (passed, start, end) in enumerate(pieces):
        metres += abs(end - start)
        for place in _line(streets, passed, start, end) if with_line else ():
            if place != coordinates[-1]:
                coordinates.append(place)
        block = found.blocks.get(passed)
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


def _edge_between(found: Searched, before: int, here: int, before_original: int) -> tuple[int, bool]:
    """The cheapest edge from one local node to the next, and whether it is walked from its first end.

    `before_original` is the network's number of the local node `before`.
    """
    window, streets = found.window, found.streets
    a, b = window.start[before : before + 2].tolist()
    first = int(streets.neighbour_start[before_original])
    edges = streets.neighbour_edge[first : first + b - a].tolist()
    joined = zip(window.neighbour[a:b].tolist(), window.metres[a:b].tolist(), edges, strict=True)
    _, edge = min(
        (metres + (sum(found.blocks[edge].metres) if edge in found.blocks else 0.0), edge)
        for end, metres, edge in joined
        if end == here
    )
    return edge, int(streets.edge_u[edge]) == before_original


def _edge_between_source(found: Searched, here: int) -> bool:
    """Whether the way from the start to its first node goes to the edge's first end (else its last)."""
    (first, last), (to_first, to_last) = found.ends, found.end_metres
    return first == here and (last != here or to_first <= to_last)


def _passed(block: Block, start: float, end: float, *, from_end: bool, to_end: bool) -> list[Crossing]:
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
