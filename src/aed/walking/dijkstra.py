"""The shortest-path search from one start that all walks of a lookup use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np

from aed.walking.contracted_edges import ContractedEdges
from aed.walking.gate_delays import GateDelays, delays_to_add
from aed.walking.snapping import SnappedPoint
from aed.walking.streets import Floats, Ints
from aed.walking.subgraph import OUTSIDE, Subgraph

_NO_DELAYS: Final = nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class DijkstraResult:
    """The result of a search within `within_metres` of a start, including legs and delays.

    `distance` and `predecessor` are indexed by the subgraph's local junction numbers.
    """

    contracted: ContractedEdges
    within_metres: float
    start: SnappedPoint
    gates: GateDelays
    subgraph: Subgraph
    ends: tuple[int, int]
    """Local numbers of the junctions at the ends of the start's chain."""
    end_metres: tuple[float, float]
    """Metres from the start to each end, including closures and delays."""
    distance: Floats
    predecessor: Ints


def run_dijkstra(
    contracted: ContractedEdges, subgraph: Subgraph, start: SnappedPoint, limit: float, gates: GateDelays
) -> DijkstraResult:
    """Run one bounded Dijkstra search on a subgraph, with closures and delays.

    Delays are added to the subgraph's lengths and removed afterwards, since copying would take longer than
    the search.
    """
    from scipy.sparse.csgraph import dijkstra  # imported here: commands without a network start faster

    number = subgraph.numbers()
    first, last = number(start.first_end), number(start.last_end)
    to_first, to_last = start.off_metres + start.first_metres, start.off_metres + start.last_metres
    if start.chain in gates:
        to_first += gates.to_first_end(start)
        to_last += gates.to_last_end(start)
    neighbour, metres = subgraph.neighbour, subgraph.metres
    neighbour[-2], neighbour[-1], metres[-2], metres[-1] = first, last, to_first, to_last
    with subgraph.graph() as graph, _delays_added(contracted, subgraph, gates) if gates else _NO_DELAYS:
        distance, predecessor = dijkstra(
            graph, indices=subgraph.source, return_predecessors=True, limit=limit
        )
    distance[OUTSIDE] = np.inf
    return DijkstraResult(
        contracted=contracted,
        within_metres=limit,
        start=start,
        gates=gates,
        subgraph=subgraph,
        ends=(first, last),
        end_metres=(to_first, to_last),
        distance=distance,
        predecessor=predecessor,
    )


@contextmanager
def _delays_added(contracted: ContractedEdges, subgraph: Subgraph, gates: GateDelays) -> Iterator[None]:
    """Add closures and delays to a subgraph's lengths for the duration of the `with` block."""
    added = delays_to_add(contracted, subgraph, gates)
    without = subgraph.metres[added.at]
    subgraph.metres[added.at] += added.metres
    try:
        yield
    finally:
        subgraph.metres[added.at] = without
