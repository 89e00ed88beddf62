"""The streets as a search sees them: junctions, and between them chains of edges that nobody can leave.

Of the nodes of a map more than half join two edges only: places where two ways go on as one, or where a long
one was cut. A search that settles junctions alone finds the same walks sooner: whoever enters a chain walks
through, or ends on it. A dead end leads nowhere, so that nobody walks through it either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from aed.walking.streets import Floats, Ints, Longs, Streets

NOWHERE: Final = -1
"""In place of a junction: the end of a chain that leads no farther."""


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """Chains of edges between junctions, which have numbers of their own, in the order of the nodes.

    Gate edges are chains of their own: who stands at one side of a gate is not behind it.
    """

    streets: Streets

    chain: Ints
    """By edge; so the next three."""
    order: Ints
    """Which edge of its chain it is, from 0."""
    is_forward: NDArray[np.bool_]
    """Whether it runs from its first end to its last as the chain does."""
    before_metres: Floats
    """Of the chain, from its first end to this edge."""

    first_end: Ints
    """By chain, a junction or `NOWHERE`; so the next."""
    last_end: Ints
    metres: Floats
    edge_start: Ints
    """The edges of chain c are `edges[edge_start[c]:edge_start[c + 1]]`, in order."""
    edges: Ints

    node_key: Longs
    """By junction, ascending: see `Streets`."""
    neighbour_start: Ints
    """The neighbours of junction j are `neighbour[neighbour_start[j]:neighbour_start[j + 1]]`, over chains
    `neighbour_chain` of `neighbour_metres`; a chain from a junction back to it is not among them."""
    neighbour: Ints
    neighbour_chain: Ints
    neighbour_metres: Floats

    @property
    def junction_count(self) -> int:
        return len(self.node_key)

    def places(self, edge: Ints, along_metres: Floats) -> Floats:
        """Metres from the first ends of their chains to places on edges."""
        within = np.where(self.is_forward[edge], along_metres, self.streets.edge_lengths[edge] - along_metres)
        return self.before_metres[edge] + within

    def edges_of(self, chain: int) -> list[int]:
        """In the order in which they lie between the chain's first end and its last."""
        found: list[int] = self.edges[self.edge_start[chain] : self.edge_start[chain + 1]].tolist()
        return found


def chains_of(streets: Streets) -> Chains:
    """The chains of these streets.

    1. A node of two edges, neither of them a gate nor from the node to itself, is within a chain; any other
       is a junction, and of a ring without one, one node. Edges that meet within are of one chain.
    2. From each edge, in both directions, to the end of its chain: by steps twice as long each time.
    3. Number the junctions where anybody can walk on, and say which chains join them.
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
    """Of each chain the first edge."""
    head = np.empty(2 * len(u), dtype=np.int32)
    head[0::2], head[1::2] = v, u

    is_junction = edges_at != 1
    is_junction[links.node] = False
    number = np.full(streets.node_count, NOWHERE, dtype=np.int32)
    number[is_junction] = np.arange(int(is_junction.sum()), dtype=np.int32)
    first_end = number[head[np.minimum(forth, back)[firsts]]]
    last_end = number[head[np.maximum(forth, back)[firsts]]]
    metres = before[firsts] + after[firsts] + streets.edge_lengths[firsts].astype(np.float64)

    joins = np.flatnonzero((first_end != NOWHERE) & (last_end != NOWHERE) & (first_end != last_end))
    tail = np.concatenate([first_end[joins], last_end[joins]])
    by_tail = np.argsort(tail, kind="stable")
    neighbour_chain = np.concatenate([joins, joins])[by_tail].astype(np.int32)
    return Chains(
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
    """Where each number's begin, when they are sorted."""
    starts = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.bincount(numbers, minlength=count), out=starts[1:])
    return starts


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """Where two edges meet within a chain: the node, and of each of the two whether it is its last end."""

    node: Longs
    one: Longs
    one_ends: Longs
    other: Longs
    other_ends: Longs


def _links(streets: Streets, edges_at: Longs) -> tuple[_Links, Ints]:
    """And of each edge the number of its chain."""
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
    # A ring has as many links as edges. It is opened at one of them.
    is_ring = np.bincount(chain[one], minlength=count) == np.bincount(chain, minlength=count)
    in_rings = np.flatnonzero(is_ring[chain[one]])
    kept = np.ones(len(node), dtype=np.bool_)
    kept[in_rings[np.unique(chain[one[in_rings]], return_index=True)[1]]] = False
    links = _Links(node[kept], one[kept], one_ends[kept], other[kept], other_ends[kept])
    return links, chain.astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """Of each edge in each direction where its chain ends. Number 2 e is edge e walked to its last end,
    2 e + 1 to its first."""

    last: Longs
    """The number of the chain's last edge that way."""
    count: Longs
    """How many edges come after this one; so the next."""
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
