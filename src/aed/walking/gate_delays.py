"""Gates as closures and delays of edges."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aed.errors import InvalidInput
from aed.walking.contracted_edges import ContractedEdges
from aed.walking.snapping import SnappedPoint
from aed.walking.streets import Crossing, Floats
from aed.walking.subgraph import OUTSIDE, Subgraph


@dataclass(frozen=True, slots=True)
class EdgeDelays:
    """The delays on one edge in metres, ordered along it; infinite for closed crossings."""

    along: tuple[float, ...]
    metres: tuple[float, ...]
    crossings: tuple[Crossing | None, ...]

    def between(self, one: float, other: float) -> float:
        """Return the delay in metres between two places on the edge.

        A place exactly at a gate counts as being on both sides of it.
        """
        low, high = min(one, other), max(one, other)
        return sum(cost for at, cost in zip(self.along, self.metres, strict=True) if low < at < high)

    def to_first_end(self, place: float) -> float:
        """Return the delay from a place to the edge's first end, including a gate at that end."""
        return sum(cost for at, cost in zip(self.along, self.metres, strict=True) if at < place)

    def to_last_end(self, place: float) -> float:
        """Return the delay from a place to the edge's last end, including a gate at that end."""
        return sum(cost for at, cost in zip(self.along, self.metres, strict=True) if at > place)


class GateDelays:
    """Closures and delays, by edge and by chain."""

    def __init__(self, contracted: ContractedEdges, by_edge: Mapping[int, EdgeDelays]) -> None:
        self.by_edge = by_edge
        self._is_forward = contracted.is_forward
        self._by_chain: dict[int, list[tuple[int, int, EdgeDelays]]] = {}
        """For each chain, in order: the index of the edge in the chain, the edge, and its delays."""
        for edge, edge_delays in by_edge.items():
            of_chain = self._by_chain.setdefault(int(contracted.chain[edge]), [])
            insort(of_chain, (int(contracted.order[edge]), edge, edge_delays), key=lambda each: each[0])

    def __bool__(self) -> bool:
        return bool(self.by_edge)

    def __contains__(self, chain: int) -> bool:
        return chain in self._by_chain

    @property
    def chain_numbers(self) -> list[int]:
        """The chains with closures or delays."""
        return [*self._by_chain]

    def delay_of_chain(self, chain: int) -> float:
        """Return the total delay of a chain in metres."""
        return sum(sum(edge_delays.metres) for _, _, edge_delays in self._by_chain.get(chain, ()))

    def to_first_end(self, place: SnappedPoint) -> float:
        """Return the delay from a place to the first end of its chain."""
        return self._to_an_end(place, is_first=True)

    def to_last_end(self, place: SnappedPoint) -> float:
        """Return the delay from a place to the last end of its chain."""
        return self._to_an_end(place, is_first=False)

    def _to_an_end(self, place: SnappedPoint, *, is_first: bool) -> float:
        delays, order = 0.0, place.order
        for which, edge, edge_delays in self._by_chain.get(place.chain, ()):
            if which == order:
                to_first = is_first is bool(self._is_forward[edge])
                along = place.along_metres
                delays += edge_delays.to_first_end(along) if to_first else edge_delays.to_last_end(along)
            elif (which < order) is is_first:
                delays += sum(edge_delays.metres)
        return delays

    def between(self, one: SnappedPoint, other: SnappedPoint) -> float:
        """Return the delay between two places of the same chain, along the chain."""
        if one.edge == other.edge:
            edge_delays = self.by_edge.get(one.edge)
            return (
                edge_delays.between(one.along_metres, other.along_metres) if edge_delays is not None else 0.0
            )
        first, last = (one, other) if one.order < other.order else (other, one)
        delays = 0.0
        for which, edge, edge_delays in self._by_chain.get(one.chain, ()):
            is_forward = bool(self._is_forward[edge])
            if which == first.order:
                along = first.along_metres
                delays += edge_delays.to_last_end(along) if is_forward else edge_delays.to_first_end(along)
            elif which == last.order:
                along = last.along_metres
                delays += edge_delays.to_first_end(along) if is_forward else edge_delays.to_last_end(along)
            elif first.order < which < last.order:
                delays += sum(edge_delays.metres)
        return delays


def gate_delays_of(
    contracted: ContractedEdges, closed: Sequence[Crossing], delays: Sequence[tuple[Crossing, float]]
) -> GateDelays:
    """Return closures and delays as delays of edges.

    A walk through a gate with several spokes uses two of them, so each has half the delay. Raises
    InvalidInput for a crossing that is not on this network.
    """
    streets = contracted.streets
    found: dict[int, list[tuple[float, float, Crossing | None]]] = {}
    for crossing, metres, delayed in (
        *((crossing, math.inf, None) for crossing in closed),
        *((crossing, metres, crossing) for crossing, metres in delays),
    ):
        if not 0 <= crossing.edge < streets.edge_count:
            raise InvalidInput(
                "Edge {edge} is not in this walking network: look up the gate again.",
                field="edge",
                edge=crossing.edge,
            )
        if not metres >= 0:
            raise InvalidInput("A delay must be a number of metres, 0 or more.", field="delays")
        edges: Sequence[int] = (crossing.edge,)
        if crossing.edge >= streets.street_count:
            edges = streets.gate_edges(crossing.edge)
        for edge in edges:
            share = metres if len(edges) == 1 else metres / 2
            found.setdefault(edge, []).append((crossing.along_metres, share, delayed))
    by_edge: dict[int, EdgeDelays] = {}
    for edge, places in found.items():
        places.sort(key=lambda place: place[0])
        along, costs, crossings = zip(*places, strict=True)
        by_edge[edge] = EdgeDelays(along, costs, crossings)
    return GateDelays(contracted, by_edge)


class _AddedDelays(NamedTuple):
    """The delays to add, and the indices of the subgraph's lengths to add them to."""

    at: NDArray[np.intp]
    metres: Floats


def delays_to_add(contracted: ContractedEdges, subgraph: Subgraph, gates: GateDelays) -> _AddedDelays:
    """Return the delays on the chains of a subgraph, in both directions."""
    blocked = np.array(gates.chain_numbers, dtype=np.int32).repeat(2)
    delays = np.array([gates.delay_of_chain(chain) for chain in gates.chain_numbers]).repeat(2)
    tails = contracted.first_end[blocked]
    tails[1::2] = contracted.last_end[blocked[1::2]]
    local = subgraph.local(tails)
    inside = local != OUTSIDE
    blocked, delays, tails, local = blocked[inside], delays[inside], tails[inside], local[inside]
    first = contracted.neighbour_start[tails]
    counts = contracted.neighbour_start[tails + 1] - first
    # The chains at each tail, in the order that network and subgraph share.
    which = np.arange(int(counts.sum())) - (counts.cumsum() - counts).repeat(counts)
    is_it = contracted.neighbour_chain[first.repeat(counts) + which] == blocked.repeat(counts)
    at = (subgraph.start[local].repeat(counts) + which)[is_it]
    return _AddedDelays(at.astype(np.intp), delays.repeat(counts)[is_it])
