"""Distances and paths from one start to everything within reach.

The time grows with the area within reach, not with the network. A network of up to `WHOLE_UP_TO_JUNCTIONS` is
searched as a whole. For a larger one, the junctions within the straight-line radius are copied to a window
(they are a few slices, one per strip of latitude), and only that is searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aed.errors import InvalidInput
from aed.walking.blocks import blocks_of
from aed.walking.chains import Chains
from aed.walking.footing import Footing, Footings
from aed.walking.search import Searched, searched
from aed.walking.streets import Crossing, Floats, Ints
from aed.walking.way import Walk, chain_between, leaves_by_first_end, way_to
from aed.walking.window import OUTSIDE, ScratchPad, cut_out, whole

WHOLE_UP_TO_JUNCTIONS = 100_000
"""Up to this size, allocating arrays for the whole network is faster than copying a window."""


_FARTHEST_METRES = 30_000_000.0  # farther than any two points on earth; a finite value for "no limit"


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Everything within `within_metres` of a start, including legs to the street and delays.

    Use it only in the thread that created it, since its working memory is thread-local.
    """

    found: Searched

    @property
    def within_metres(self) -> float:
        return self.found.within_metres

    def with_gates(
        self, *, closed: Sequence[Crossing] = (), delays: Sequence[tuple[Crossing, float]] = ()
    ) -> Reach:
        """Return the reach from the same start with different closures and delays."""
        found = self.found
        blocks = blocks_of(found.chains, closed, delays)
        return Reach(searched(found.chains, found.window, found.start, found.within_metres, blocks))

    def costs(self, footings: Footings) -> Floats:
        """Return the metres to each point, including legs and delays; infinite beyond `within_metres`."""
        return self._best(footings)[0]

    def metres_to(self, places: Sequence[Footing | None]) -> list[float]:
        """Return the same as `costs`, for few points, without arrays; infinite for None."""
        found = self.found
        blocks, start_chain, within = found.blocks, found.start.chain, found.within_metres
        has_blocks, arrived, number = bool(blocks), memoryview(found.distance), found.window.numbers()
        metres: list[float] = []
        for place in places:
            if place is None:
                metres.append(math.inf)
                continue
            by_first = arrived[number(place.first_end)] + place.first_metres
            by_last = arrived[number(place.last_end)] + place.last_metres
            if has_blocks and place.chain in blocks:
                by_first += blocks.to_first_end(place)
                by_last += blocks.to_last_end(place)
            cost = min(by_first, by_last)
            if place.chain == start_chain:
                cost = min(cost, self._along_the_chain(place))
            cost += place.off_metres
            metres.append(cost if cost <= within else math.inf)
        return metres

    def delays(self) -> Callable[[Footing], float]:
        """Return a function that gives the part of a point's cost that is delays, for points within reach.

        It caches the delays up to each junction, and is fast if there are no gates.
        """
        found = self.found
        blocks, start = found.blocks, found.start
        if not blocks:
            return lambda place: 0.0
        source, number, originals = found.window.source, found.window.numbers(), found.window.originals
        arrived, before = memoryview(found.distance), memoryview(found.predecessor)
        behind, paid = _behind_blocks(found), dict[int, float]()

        def paid_up_to(junction: int) -> float:
            passed = []
            while junction not in paid:
                passed.append(junction)
                if before[junction] == source:
                    paid[junction] = 0.0
                    if start.chain in blocks:
                        by_first = leaves_by_first_end(found, junction)
                        paid[junction] = blocks.to_first_end(start) if by_first else blocks.to_last_end(start)
                    passed.pop()
                    break
                junction = before[junction]
            for here in reversed(passed):
                last = before[here]
                paid[here] = paid[last]
                if here in behind:
                    chain, _ = chain_between(found, last, here, originals([last])[0])
                    paid[here] += blocks.on_chain(chain)
            return paid[passed[0] if passed else junction]

        def delay(place: Footing) -> float:
            first, last = number(place.first_end), number(place.last_end)
            to_first = blocks.to_first_end(place) if place.chain in blocks else 0.0
            to_last = blocks.to_last_end(place) if place.chain in blocks else 0.0
            by_first = arrived[first] + place.first_metres + to_first
            by_last = arrived[last] + place.last_metres + to_last
            if place.chain == start.chain and self._along_the_chain(place) < min(by_first, by_last):
                return blocks.between(start, place) if start.chain in blocks else 0.0
            if by_first < by_last:
                return paid_up_to(first) + to_first
            return paid_up_to(last) + to_last if by_last != math.inf else 0.0

        return delay

    def _along_the_chain(self, place: Footing) -> float:
        """Return the cost to a place on the chain of the start, along that chain, without the final leg."""
        start, blocks = self.found.start, self.found.blocks
        metres = abs(place.first_metres - start.first_metres) + start.off_metres
        return metres + blocks.between(start, place) if start.chain in blocks else metres

    def walk_to(self, footings: Footings, i: int, *, with_line: bool = True) -> Walk:
        """Return the walk to point i; without coordinates unless `with_line`.

        Raises ValueError if the point is out of reach (its cost is infinite).
        """
        costs, by = self._best(footings.take([i]))
        target = footings.one(i, self.found.chains)
        if target is None or math.isinf(float(costs[0])):
            raise ValueError(f"point {i} is not within {self.within_metres} metres of the start")
        return way_to(self.found, target, int(by[0]), with_line=with_line)

    def may_pass_crossings(self, footings: Footings) -> list[bool]:
        """Return, for each point, whether the way to it may pass a delayed crossing. False is certain.

        If it is false, the length of the walk equals its cost.
        """
        if not self.found.blocks:
            return [False] * len(footings)
        if self.found.start.chain in self.found.blocks:
            return [True] * len(footings)
        _, by = self._best(footings)
        chains, source = self.found.chains, self.found.window.source
        behind, known = _behind_blocks(self.found), {source: False}
        before = memoryview(self.found.predecessor)
        chain = chains.chain[footings.edge]
        ends = np.where(by == 0, chains.first_end[chain], chains.last_end[chain])
        found: list[bool] = []
        for number, way, end in zip(
            chain.tolist(), by.tolist(), self.found.window.local(ends).tolist(), strict=True
        ):
            passes = number in self.found.blocks
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
        """Return the delayed crossings passed on the way to point i, in order."""
        return self.walk_to(footings, i).crossings

    def _best(self, footings: Footings) -> tuple[Floats, NDArray[np.intp]]:
        """Return the cost to each point, and how it is reached.

        0 means by the first end of its chain, 1 by the last end, 2 along the chain from the start.
        """
        chains, start = self.found.chains, self.found.start
        edge = footings.edge
        count = len(edge)
        if count == 0:
            return np.zeros(0), np.zeros(0, dtype=np.intp)
        chain = chains.chain[edge]
        ends = self.found.window.local(np.concatenate([chains.first_end[chain], chains.last_end[chain]]))
        arrived = self.found.distance[ends]
        to_first = chains.places(edge, footings.along_metres)
        ways = np.empty((3, count))
        np.add(arrived[:count], to_first, out=ways[0])
        np.add(arrived[count:], np.maximum(chains.metres[chain] - to_first, 0.0), out=ways[1])
        ways[2] = np.inf
        same = (chain == start.chain) & (edge >= 0)
        if same.any():
            ways[2, same] = np.abs(to_first[same] - start.first_metres) + start.off_metres
        if self.found.blocks:
            self._add_blocks(footings, ways, chain)
        by = ways.argmin(axis=0)
        costs = ways[by, np.arange(count)]
        costs += footings.off_metres
        costs[(edge < 0) | ~(costs <= self.within_metres)] = np.inf
        return costs, by

    def _add_blocks(self, footings: Footings, ways: Floats, chain: Ints) -> None:
        blocks, start = self.found.blocks, self.found.start
        for i, number in enumerate(chain.tolist()):
            place = footings.one(i, self.found.chains) if number in blocks else None
            if place is None:
                continue
            ways[0, i] += blocks.to_first_end(place)
            ways[1, i] += blocks.to_last_end(place)
            if number == start.chain:
                ways[2, i] += blocks.between(start, place)


def find_reach(
    chains: Chains,
    scratch: ScratchPad,
    start: Footing,
    *,
    within_metres: float,
    closed: Sequence[Crossing],
    delays: Sequence[tuple[Crossing, float]],
) -> Reach:
    """Compute everything within `within_metres` on foot from `start`.

    1. For a large network, copy the junctions within the straight-line radius, which no way of that length
       leaves.
    2. Join the start to both ends of its chain; apply closures and delays.
    3. Run one bounded Dijkstra search.

    Raises InvalidInput if `within_metres` is negative or not a number.
    """
    if not within_metres >= 0:
        raise InvalidInput("The reach must be a number of metres, not below 0.", field="within_metres")
    limit = min(within_metres, _FARTHEST_METRES)
    blocks = blocks_of(chains, closed, delays)
    if chains.junction_count > WHOLE_UP_TO_JUNCTIONS:
        window = cut_out(chains, scratch, start, limit)
    else:
        window = scratch.whole = scratch.whole or whole(chains)
    return Reach(searched(chains, window, start, limit, blocks))


def _behind_blocks(found: Searched) -> set[int]:
    """Return the local numbers of the junctions that the search reached by a chain with a gate."""
    window, chains = found.window, found.chains
    blocked = np.array(found.blocks.chains, dtype=np.int32)
    one, other = window.local(chains.first_end[blocked]), window.local(chains.last_end[blocked])
    before = found.predecessor
    inside = (one != OUTSIDE) & (other != OUTSIDE)
    return {
        *one[inside & (before[one] == other)].tolist(),
        *other[inside & (before[other] == one)].tolist(),
    }
