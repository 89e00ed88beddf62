"""How far it is from one start to anywhere within reach, and by which way.

The cost follows what is reached. A network of up to `WHOLE_UP_TO_NODES` is searched as it is; of a larger one
the nodes within the straight-line radius are cut out (they lie in a few runs, one per strip of latitude) and
the search runs on that window alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aed.errors import InvalidInput
from aed.walking.blocks import blocks_of
from aed.walking.footing import Footings
from aed.walking.search import Searched, searched
from aed.walking.streets import (
    Crossing,
    Floats,
    Streets,
)
from aed.walking.way import Walk, way_to
from aed.walking.window import OUTSIDE, ScratchPad, cut_out, whole

WHOLE_UP_TO_NODES = 100_000
"""Up to here filling arrays of the network's size takes less than cutting a window out of it."""


_FARTHEST_METRES = 30_000_000.0  # beyond any two points on earth; a finite stand-in for "no limit"


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Everything within `within_metres` of a start, legs and delays counted.

    It belongs to the thread that asked for it: what it was searched on is the thread's own.
    """

    found: Searched

    @property
    def within_metres(self) -> float:
        return self.found.within_metres

    def with_gates(
        self, *, closed: Sequence[Crossing] = (), delays: Sequence[tuple[Crossing, float]] = ()
    ) -> Reach:
        """The same reach, if the gates stood otherwise."""
        blocks = blocks_of(self.found.streets, closed, delays)
        found = self.found
        return Reach(searched(found.streets, found.window, found.start, found.within_metres, blocks))

    def costs(self, footings: Footings) -> Floats:
        """Metres to each point with legs and delays, infinite where that is not within `within_metres`."""
        return self._best(footings)[0]

    def walk_to(self, footings: Footings, i: int, *, with_line: bool = True) -> Walk:
        """The way to point i, on request without its line on the ground (no coordinates then).

        Raises ValueError when it is not within reach (its cost is infinite).
        """
        target = footings.take([i])
        costs, by = self._best(target)
        if math.isinf(float(costs[0])):
            raise ValueError(f"point {i} is not within {self.within_metres} metres of the start")
        return way_to(self.found, target, int(by[0]), with_line=with_line)

    def may_pass_crossings(self, footings: Footings) -> list[bool]:
        """Whether the way to each point may pass a delayed place. False is certain, and quick to find out.

        Only then is a walk not simply its cost.
        """
        if not self.found.blocks:
            return [False] * len(footings)
        if int(self.found.start.edge[0]) in self.found.blocks:
            return [True] * len(footings)
        _, by = self._best(footings)
        streets, source = self.found.streets, self.found.window.source
        behind, known = _behind_blocks(self.found), {source: False}
        before = memoryview(self.found.predecessor)
        ends = np.where(by == 0, streets.edge_u[footings.edge], streets.edge_v[footings.edge])
        found: list[bool] = []
        for edge, way, end in zip(
            footings.edge.tolist(), by.tolist(), self.found.window.local(ends).tolist(), strict=True
        ):
            passes = edge in self.found.blocks
            if not passes and way != 2:
                here, passed = end, []
                while here >= 0 and here not in known:
                    passed.append(here)
                    if here in behind:
                        break
                    here = before[here]
                passes = known.get(here, True)
                known.update(dict.fromkeys(passed, passes))
            found.append(passes)
        return found

    def crossings_to(self, footings: Footings, i: int) -> tuple[Crossing, ...]:
        """The delayed places passed on the way to point i, in order."""
        return self.walk_to(footings, i).crossings

    def _best(self, footings: Footings) -> tuple[Floats, NDArray[np.intp]]:
        """Cost to each point, and how it is reached: 0 by the edge's first end, 1 by its last, 2 along it."""
        streets = self.found.streets
        edge, along = footings.edge, footings.along_metres
        count = len(edge)
        if count == 0:
            return np.zeros(0), np.zeros(0, dtype=np.intp)
        ends = self.found.window.local(np.concatenate([streets.edge_u[edge], streets.edge_v[edge]]))
        arrived = self.found.distance[ends]
        ways = np.empty((3, count))
        np.add(arrived[:count], along, out=ways[0])
        np.add(arrived[count:], streets.edge_lengths[edge] - along, out=ways[1])
        start_edge = int(self.found.start.edge[0])
        same = edge == start_edge
        if not self.found.blocks and not same.any():
            by = (ways[1] < ways[0]).astype(np.intp)
            costs = np.minimum(ways[0], ways[1])
        else:
            start_along = float(self.found.start.along_metres[0])
            ways[2] = np.inf
            ways[2, same] = np.abs(along[same] - start_along) + self.found.start.off_metres[0]
            if self.found.blocks:
                self._add_blocks(footings, ways, start_edge, start_along)
            by = ways.argmin(axis=0)
            costs = ways[by, np.arange(count)]
        costs += footings.off_metres
        costs[(edge < 0) | ~(costs <= self.within_metres)] = np.inf
        return costs, by

    def _add_blocks(self, footings: Footings, ways: Floats, start_edge: int, start_along: float) -> None:
        for i, edge in enumerate(footings.edge.tolist()):
            block = self.found.blocks.get(edge)
            if block is None:
                continue
            along = float(footings.along_metres[i])
            ways[0, i] += block.to_first_end(along)
            ways[1, i] += block.to_last_end(along)
            if edge == start_edge:
                ways[2, i] += block.between(start_along, along)


def find_reach(
    streets: Streets,
    scratch: ScratchPad,
    start: Footings,
    *,
    within_metres: float,
    closed: Sequence[Crossing],
    delays: Sequence[tuple[Crossing, float]],
) -> Reach:
    """Everything that can be walked to from the single footing `start` within `within_metres`.

    1. Of a large network, cut out the nodes within the straight-line radius: no way of that length leaves it.
    2. Join the start to both ends of its edge; close and delay edges.
    3. One bounded Dijkstra.
    """
    if not within_metres >= 0:
        raise InvalidInput("The reach must be a number of metres, not below 0.", field="within_metres")
    limit = min(within_metres, _FARTHEST_METRES)
    blocks = blocks_of(streets, closed, delays)
    if streets.node_count > WHOLE_UP_TO_NODES:
        window = cut_out(streets, scratch, start, limit)
    else:
        window = scratch.whole = scratch.whole or whole(streets)
    return Reach(searched(streets, window, start, limit, blocks))


def _behind_blocks(found: Searched) -> set[int]:
    """The local numbers of the nodes that are reached over an edge with a closed or delayed place on it."""
    window, streets = found.window, found.streets
    edges = np.fromiter(found.blocks, dtype=np.int32, count=len(found.blocks))
    one, other = window.local(streets.edge_u[edges]), window.local(streets.edge_v[edges])
    before = found.predecessor
    inside = (one != OUTSIDE) & (other != OUTSIDE)
    return {
        *one[inside & (before[one] == other)].tolist(),
        *other[inside & (before[other] == one)].tolist(),
    }
