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
from aed.walking.chains import Chains
from aed.walking.footing import Footing
from aed.walking.streets import Crossing, Floats
from aed.walking.window import OUTSIDE, Window


@dataclass(frozen=True, slots=True)
class Block:
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


class Blocks:
    """Closures and delays, by edge and by chain."""

    def __init__(self, chains: Chains, by_edge: Mapping[int, Block]) -> None:
        self.by_edge = by_edge
        self._is_forward = chains.is_forward
        self._by_chain: dict[int, list[tuple[int, int, Block]]] = {}
        """For each chain, in order: the index of the edge in the chain, the edge, and its block."""
        for edge, block in by_edge.items():
            of_chain = self._by_chain.setdefault(int(chains.chain[edge]), [])
            insort(of_chain, (int(chains.order[edge]), edge, block), key=lambda each: each[0])

    def __bool__(self) -> bool:
        return bool(self.by_edge)

    def __contains__(self, chain: int) -> bool:
        return chain in self._by_chain

    @property
    def chains(self) -> list[int]:
        """The chains with closures or delays."""
        return [*self._by_chain]

    def on_chain(self, chain: int) -> float:
        """Return the total delay of a chain in metres."""
        return sum(sum(block.metres) for _, _, block in self._by_chain.get(chain, ()))

    def to_first_end(self, place: Footing) -> float:
        """Return the delay from a place to the first end of its chain."""
        return self._to_an_end(place, is_first=True)

    def to_last_end(self, place: Footing) -> float:
        """Return the delay from a place to the last end of its chain."""
        return self._to_an_end(place, is_first=False)

    def _to_an_end(self, place: Footing, *, is_first: bool) -> float:
        paid, order = 0.0, place.order
        for which, edge, block in self._by_chain.get(place.chain, ()):
            if which == order:
                to_first = is_first is bool(self._is_forward[edge])
                along = place.along_metres
                paid += block.to_first_end(along) if to_first else block.to_last_end(along)
            elif (which < order) is is_first:
                paid += sum(block.metres)
        return paid

    def between(self, one: Footing, other: Footing) -> float:
        """Return the delay between two places of the same chain, along the chain."""
        if one.edge == other.edge:
            block = self.by_edge.get(one.edge)
            return block.between(one.along_metres, other.along_metres) if block is not None else 0.0
        first, last = (one, other) if one.order < other.order else (other, one)
        paid = 0.0
        for which, edge, block in self._by_chain.get(one.chain, ()):
            is_forward = bool(self._is_forward[edge])
            if which == first.order:
                along = first.along_metres
                paid += block.to_last_end(along) if is_forward else block.to_first_end(along)
            elif which == last.order:
                along = last.along_metres
                paid += block.to_first_end(along) if is_forward else block.to_last_end(along)
            elif first.order < which < last.order:
                paid += sum(block.metres)
        return paid


def blocks_of(chains: Chains, closed: Sequence[Crossing], delays: Sequence[tuple[Crossing, float]]) -> Blocks:
    """Return closures and delays as blocks of edges.

    A walk through a gate with several spokes uses two of them, so each has half the delay. Raises
    InvalidInput for a crossing that is not on this network.
    """
    streets = chains.streets
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
    blocks: dict[int, Block] = {}
    for edge, places in found.items():
        places.sort(key=lambda place: place[0])
        along, costs, crossings = zip(*places, strict=True)
        blocks[edge] = Block(along, costs, crossings)
    return Blocks(chains, blocks)


class _Paid(NamedTuple):
    """The delays to add, and the indices of the window's lengths to add them to."""

    at: NDArray[np.intp]
    metres: Floats


def paid_on(chains: Chains, window: Window, blocks: Blocks) -> _Paid:
    """Return the delays on the chains of a window, in both directions."""
    blocked = np.array(blocks.chains, dtype=np.int32).repeat(2)
    paid = np.array([blocks.on_chain(chain) for chain in blocks.chains]).repeat(2)
    tails = chains.first_end[blocked]
    tails[1::2] = chains.last_end[blocked[1::2]]
    local = window.local(tails)
    inside = local != OUTSIDE
    blocked, paid, tails, local = blocked[inside], paid[inside], tails[inside], local[inside]
    first = chains.neighbour_start[tails]
    counts = chains.neighbour_start[tails + 1] - first
    # The chains at each tail, in the order that network and window share.
    which = np.arange(int(counts.sum())) - (counts.cumsum() - counts).repeat(counts)
    is_it = chains.neighbour_chain[first.repeat(counts) + which] == blocked.repeat(counts)
    at = (window.start[local].repeat(counts) + which)[is_it]
    return _Paid(at.astype(np.intp), paid.repeat(counts)[is_it])
