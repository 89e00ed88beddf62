"""Gates on the streets, as closures and delays of edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aed.errors import InvalidInput
from aed.walking.streets import (
    Crossing,
    Floats,
    Streets,
)
from aed.walking.window import OUTSIDE, Window


@dataclass(frozen=True, slots=True)
class Block:
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


def blocks_of(
    streets: Streets, closed: Sequence[Crossing], delays: Sequence[tuple[Crossing, float]]
) -> dict[int, Block]:
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
    blocks: dict[int, Block] = {}
    for edge, places in found.items():
        places.sort(key=lambda place: place[0])
        along, costs, crossings = zip(*places, strict=True)
        blocks[edge] = Block(along, costs, crossings)
    return blocks


class _Paid(NamedTuple):
    """What closures and delays add, and at which of a window's lengths."""

    at: NDArray[np.intp]
    metres: Floats


_NOTHING_PAID = _Paid(np.zeros(0, dtype=np.intp), np.zeros(0))


def paid_on(streets: Streets, window: Window, blocks: dict[int, Block]) -> _Paid:
    """What is paid on the edges of a window, in both directions."""
    if not blocks:
        return _NOTHING_PAID
    edges = np.fromiter(blocks, dtype=np.int32, count=len(blocks)).repeat(2)
    paid = np.array([sum(block.metres) for block in blocks.values()]).repeat(2)
    tails = streets.edge_u[edges]
    tails[1::2] = streets.edge_v[edges[1::2]]
    local = window.local(tails)
    inside = local != OUTSIDE
    edges, paid, tails, local = edges[inside], paid[inside], tails[inside], local[inside]
    first = streets.neighbour_start[tails]
    counts = streets.neighbour_start[tails + 1] - first
    # The edges at each tail, one after the other; in network and window they lie in the same order.
    which = np.arange(int(counts.sum())) - (counts.cumsum() - counts).repeat(counts)
    is_it = streets.neighbour_edge[first.repeat(counts) + which] == edges.repeat(counts)
    at = (window.start[local].repeat(counts) + which)[is_it]
    return _Paid(at.astype(np.intp), paid.repeat(counts)[is_it])
