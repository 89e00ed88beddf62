"""The search graph of the streets: junctions, and chains of edges without branches between them.

More than half of the nodes of a map join only two edges: two ways continue as one, or a long one was split. A
search on junctions alone finds the same walks faster, since a walk that enters a chain either passes through
or ends on it. Dead ends are never passed through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aed.walking.streets import Floats, Ints, Longs, Streets

DEAD_END: Final = -1
"""Replaces a junction at a dead end of a chain."""


@dataclass(frozen=True, slots=True, eq=False)
class ContractedEdges:
    """Chains of edges between junctions. Junctions are numbered separately, in the order of the nodes.

    Each gate edge is a separate chain, since a place on one side of a gate is not on the other.
    """

    streets: Streets

    chain: Ints
    """The chain of each edge. This array and the next three are indexed by edge."""
    order: Ints
    """Index of the edge in its chain, from 0."""
    is_forward: NDArray[np.bool_]
    """True if the edge has the same direction as its chain."""
    before_metres: Floats
    """Metres from the chain's first end to the edge."""

    first_end: Ints
    """The junction at the first end of each chain, or `DEAD_END`; `last_end` has the same form."""
    last_end: Ints
    metres: Floats
    edge_start: Ints
    """Chain c consists of `edges[edge_start[c]:edge_start[c + 1]]`, in order."""
    edges: Ints

    node_key: Longs
    """The location key of each junction, ascending: see `Streets`."""
    neighbour_start: Ints
    """The neighbours of junction j are `neighbour[neighbour_start[j]:neighbour_start[j + 1]]`, reached by the
    chains `neighbour_chain` of length `neighbour_metres`. Loops from a junction to itself are omitted."""
    neighbour: Ints
    neighbour_chain: Ints
    neighbour_metres: Floats

    @property
    def junction_count(self) -> int:
        return len(self.node_key)

    def places(self, edge: Ints, along_metres: Floats) -> Floats:
        """Return the metres from the first ends of chains to places on their edges."""
        within = np.where(self.is_forward[edge], along_metres, self.streets.edge_lengths[edge] - along_metres)
        return self.before_metres[edge] + within

    def edges_of(self, chain: int) -> list[int]:
        """Return the edges of a chain, ordered from its first end to its last."""
        found: list[int] = self.edges[self.edge_start[chain] : self.edge_start[chain + 1]].tolist()
        return found


def contract_edges(streets: Streets) -> ContractedEdges:
    """Compute the chains of the streets.

    1. A node of two edges is inside a chain unless one is a gate or a loop. All other nodes are junctions,
       and so is one node of a ring without junctions. Edges that meet inside a chain belong to it.
    2. Follow each edge in both directions to the end of its chain, by pointer doubling.
    3. Number the junctions that are not dead ends, and list the chains that join them.
    """
    u, v = streets.edge_u, streets.edge_v
    edges_at = np.bincount(np.concatenate([u, v]), minlength=streets.node_count)
    links, chain = _links(streets, edges_at)
    ends = _to_the_ends(streets, links)

    forth, back = ends.last[0::2], ends.last[1::2]
    is_forward = forth > back
    before = np.where(is_forward, ends.metres[1::2], ends.metres[0::2])
    after = np.where(is_forward, ends.metres[0::2], ends.metres[1::2])
    order = np.where(is_forward, ends.count[1::2], ends.count[0::2]).astype(np.int32)
    firsts = np.flatnonzero(order == 0)
    firsts = firsts[np.argsort(chain[firsts])]
    """The first edge of each chain."""
    head = np.empty(2 * len(u), dtype=np.int32)
    head[0::2], head[1::2] = v, u

    is_junction = edges_at != 1
    is_junction[links.node] = False
    number = np.full(streets.node_count, DEAD_END, dtype=np.int32)
    number[is_junction] = np.arange(int(is_junction.sum()), dtype=np.int32)
    first_end = number[head[np.minimum(forth, back)[firsts]]]
    last_end = number[head[np.maximum(forth, back)[firsts]]]
    metres = before[firsts] + after[firsts] + streets.edge_lengths[firsts].astype(np.float64)

    joins = np.flatnonzero((first_end != DEAD_END) & (last_end != DEAD_END) & (first_end != last_end))
    tail = np.concatenate([first_end[joins], last_end[joins]])
    by_tail = np.argsort(tail, kind="stable")
    neighbour_chain = np.concatenate([joins, joins])[by_tail].astype(np.int32)
    return ContractedEdges(
        streets=streets,
        chain=chain,
        order=order,
        is_forward=is_forward,
        before_metres=before,
        first_end=first_end,
        last_end=last_end,
        metres=metres,
        edge_start=_starts(chain, len(firsts)),
        edges=np.lexsort((order, chain)).astype(np.int32),
        node_key=streets.node_key[is_junction],
        neighbour_start=_starts(tail, int(is_junction.sum())),
        neighbour=np.concatenate([last_end[joins], first_end[joins]])[by_tail],
        neighbour_chain=neighbour_chain,
        neighbour_metres=metres[neighbour_chain],
    )


def _starts(numbers: Ints, count: int) -> Ints:
    """Return the start index of each number in the sorted array."""
    starts = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.bincount(numbers, minlength=count), out=starts[1:])
    return starts


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """The nodes inside chains where two edges meet, and whether each edge meets there with its last end."""

    node: Longs
    one: Longs
    one_ends: Longs
    other: Longs
    other_ends: Longs


def _links(streets: Streets, edges_at: Longs) -> tuple[_Links, Ints]:
    """Return the links between edges inside chains, and the chain number of each edge."""
    from scipy.sparse import coo_matrix  # imported here: commands without a network start faster
    from scipy.sparse.csgraph import connected_components

    u, v = streets.edge_u, streets.edge_v
    is_within = edges_at == 2
    is_within[u[streets.street_count :]] = is_within[v[streets.street_count :]] = False
    is_within[u[u == v]] = False
    by_node = np.argsort(np.concatenate([u, v]), kind="stable")
    node = np.flatnonzero(is_within)
    at = (np.cumsum(edges_at) - edges_at)[node]
    count = len(u)
    one, other = by_node[at], by_node[at + 1]
    one_ends, other_ends = one // count, other // count
    one, other = one % count, other % count
    joined = coo_matrix((np.ones(len(node), dtype=np.int8), (one, other)), shape=(count, count))
    _, chain = connected_components(joined, directed=False)
    # A ring has as many links as edges; remove one of them.
    is_ring = np.bincount(chain[one], minlength=count) == np.bincount(chain, minlength=count)
    in_rings = np.flatnonzero(is_ring[chain[one]])
    kept = np.ones(len(node), dtype=np.bool_)
    kept[in_rings[np.unique(chain[one[in_rings]], return_index=True)[1]]] = False
    links = _Links(node[kept], one[kept], one_ends[kept], other[kept], other_ends[kept])
    return links, chain.astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """The end of the chain of each edge in each direction. Index 2 e is edge e towards its last end, 2 e + 1
    towards its first."""

    last: Longs
    """The index of the chain's last edge in that direction."""
    count: Longs
    """The number of edges after this one; `metres` is their length."""
    metres: Floats


def _to_the_ends(streets: Streets, links: _Links) -> _Ends:
    numbers = 2 * len(streets.edge_u)
    after, count, metres = np.arange(numbers), np.zeros(numbers, dtype=np.int64), np.zeros(numbers)
    lengths = streets.edge_lengths
    for one, one_ends, other, other_ends in (
        (links.one, links.one_ends, links.other, links.other_ends),
        (links.other, links.other_ends, links.one, links.one_ends),
    ):
        arriving, leaving = 2 * one + 1 - one_ends, 2 * other + other_ends
        after[arriving], count[arriving], metres[arriving] = leaving, 1, lengths[other]
    while True:
        farther = after[after]
        if np.array_equal(farther, after):
            return _Ends(after, count, metres)
        count, metres, after = count + count[after], metres + metres[after], farther
