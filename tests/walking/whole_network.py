"""A slow reference implementation: one search over the whole network, with points and gates as nodes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from aed.walking.network import Crossing, WalkingNetwork
from aed.walking.snapping import SnappedPoints


def costs_over_the_whole_network(
    network: WalkingNetwork,
    start: SnappedPoints,
    targets: SnappedPoints,
    *,
    within_metres: float,
    closed: Sequence[Crossing] = (),
    delays: Sequence[tuple[Crossing, float]] = (),
) -> NDArray[np.float64]:
    """Return the metres from the single snapped point `start` to each target; infinite beyond the limit."""
    costs, _ = ways_over_the_whole_network(
        network, start, targets, within_metres=within_metres, closed=closed, delays=delays
    )
    return costs


def ways_over_the_whole_network(
    network: WalkingNetwork,
    start: SnappedPoints,
    targets: SnappedPoints,
    *,
    within_metres: float,
    closed: Sequence[Crossing] = (),
    delays: Sequence[tuple[Crossing, float]] = (),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cost of the way to each target, and the part of it that is delays.

    A gate on a street is a pair of nodes, one on each side; a point exactly at the gate is joined to both.
    """
    streets = network.streets
    arcs: list[tuple[int, int, float, float]] = []
    node_count = streets.node_count

    def new_node() -> int:
        nonlocal node_count
        node_count += 1
        return node_count - 1

    def join(a: int, b: int, metres: float, *, is_delay: bool = False) -> None:
        if math.isfinite(metres):
            delay = metres if is_delay else 0.0
            arcs.append((a, b, metres, delay))
            arcs.append((b, a, metres, delay))

    gates: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for crossing, metres in (*((crossing, math.inf) for crossing in closed), *delays):
        if crossing.edge < streets.street_count:
            gates[crossing.edge].append((crossing.along_metres, metres))
        else:
            spokes = streets.gate_edges(crossing.edge)
            for spoke in spokes:
                gates[spoke].append((0.0, metres / (1 if len(spokes) == 1 else 2)))

    source = new_node()
    goals = [new_node() for _ in range(len(targets))]
    points_on_edge: dict[int, list[tuple[float, int]]] = defaultdict(list)
    points_on_edge[int(start.edge[0])].append((float(start.along_metres[0]), source))
    for i, goal in enumerate(goals):
        if targets.edge[i] >= 0:
            points_on_edge[int(targets.edge[i])].append((float(targets.along_metres[i]), goal))

    for edge in range(streets.edge_count):
        u, v = int(streets.edge_u[edge]), int(streets.edge_v[edge])
        length = streets.edge_metres(edge)
        if edge >= streets.street_count:
            join(u, v, sum(metres for _, metres in gates[edge]), is_delay=True)
            continue
        here, at = u, 0.0
        for place in sorted(
            {*(along for along, _ in gates[edge]), *(along for along, _ in points_on_edge[edge])}
        ):
            sides = [new_node()]
            join(here, sides[0], place - at)
            for along, metres in gates[edge]:
                if along == place:
                    sides.append(new_node())
                    join(sides[-2], sides[-1], metres, is_delay=True)
            for along, terminal in points_on_edge[edge]:
                if along == place:
                    for side in sides:
                        pair = (source, side) if terminal == source else (side, terminal)
                        arcs.append((*pair, 0.0, 0.0))
            here, at = sides[-1], place
        join(here, v, max(0.0, length - at))  # rounding may put a point at the end beyond it

    best: dict[tuple[int, int], tuple[float, float]] = {}
    for a, b, metres, delay in arcs:
        best[a, b] = min((metres, delay), best.get((a, b), (math.inf, 0.0)))
    tails, heads = zip(*best, strict=True)
    lengths = [metres for metres, _ in best.values()]
    graph = csr_matrix((lengths, (tails, heads)), shape=(node_count, node_count))
    distance, before = dijkstra(graph, indices=source, return_predecessors=True)
    waited = []
    for goal in goals:
        here, total_delay = goal, 0.0
        while before[here] >= 0:
            total_delay += best[int(before[here]), here][1]
            here = int(before[here])
        waited.append(total_delay)
    total = distance[goals] + start.off_metres[0] + targets.off_metres
    return np.where(total <= within_metres, total, np.inf), np.array(waited)
