"""Distances and paths from one start to everything within reach.

The time grows with the area within reach, not with the network. A network of up to `WHOLE_UP_TO_JUNCTIONS` is
searched as a whole. For a larger one, the junctions within the straight-line radius are copied to a subgraph
(they are a few slices, one per strip of latitude), and only that is searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aed.errors import InvalidInput
from aed.walking.contracted_edges import ContractedEdges
from aed.walking.dijkstra import DijkstraResult, run_dijkstra
from aed.walking.gate_delays import gate_delays_of
from aed.walking.path import Walk, chain_between, leaves_by_first_end, path_to
from aed.walking.snapping import SnappedPoint, SnappedPoints
from aed.walking.streets import Crossing, Floats, Ints
from aed.walking.subgraph import OUTSIDE, ScratchPad, subgraph_within, whole_graph

WHOLE_UP_TO_JUNCTIONS = 100_000
"""Up to this size, allocating arrays for the whole network is faster than copying a subgraph."""


_MAX_DISTANCE_METRES = 30_000_000.0  # farther than any two points on earth; a finite value for "no limit"


@dataclass(frozen=True, slots=True, eq=False)
class Reachable:
    """Everything within `within_metres` of a start, including legs to the street and delays.

    Use it only in the thread that created it, since its working memory is thread-local.
    """

    found: DijkstraResult

    @property
    def within_metres(self) -> float:
        return self.found.within_metres

    def with_gates(
        self, *, closed: Sequence[Crossing] = (), delays: Sequence[tuple[Crossing, float]] = ()
    ) -> Reachable:
        """Return the reach from the same start with different closures and delays."""
        found = self.found
        gates = gate_delays_of(found.contracted, closed, delays)
        return Reachable(
            run_dijkstra(found.contracted, found.subgraph, found.start, found.within_metres, gates)
        )

    def costs(self, snapped_points: SnappedPoints) -> Floats:
        """Return the metres to each point, including legs and delays; infinite beyond `within_metres`."""
        return self._best(snapped_points)[0]

    def metres_to(self, places: Sequence[SnappedPoint | None]) -> list[float]:
        """Return the same as `costs`, for few points, without arrays; infinite for None."""
        found = self.found
        gates, start_chain, within = found.gates, found.start.chain, found.within_metres
        has_gates, arrived, number = bool(gates), memoryview(found.distance), found.subgraph.numbers()
        metres: list[float] = []
        for place in places:
            if place is None:
                metres.append(math.inf)
                continue
            by_first = arrived[number(place.first_end)] + place.first_metres
            by_last = arrived[number(place.last_end)] + place.last_metres
            if has_gates and place.chain in gates:
                by_first += gates.to_first_end(place)
                by_last += gates.to_last_end(place)
            cost = min(by_first, by_last)
            if place.chain == start_chain:
                cost = min(cost, self._along_the_chain(place))
            cost += place.off_metres
            metres.append(cost if cost <= within else math.inf)
        return metres

    def delays(self) -> Callable[[SnappedPoint], float]:
        """Return a function that gives the part of a point's cost that is delays, for points within reach.

        It caches the delays up to each junction, and is fast if there are no gates.
        """
        found = self.found
        gates, start = found.gates, found.start
        if not gates:
            return lambda place: 0.0
        source, number, originals = found.subgraph.source, found.subgraph.numbers(), found.subgraph.originals
        arrived, before = memoryview(found.distance), memoryview(found.predecessor)
        behind, delay_to = _behind_gates(found), dict[int, float]()

        def delay_up_to(junction: int) -> float:
            passed = []
            while junction not in delay_to:
                passed.append(junction)
                if before[junction] == source:
                    delay_to[junction] = 0.0
                    if start.chain in gates:
                        by_first = leaves_by_first_end(found, junction)
                        delay_to[junction] = (
                            gates.to_first_end(start) if by_first else gates.to_last_end(start)
                        )
                    passed.pop()
                    break
                junction = before[junction]
            for here in reversed(passed):
                last = before[here]
                delay_to[here] = delay_to[last]
                if here in behind:
                    chain, _ = chain_between(found, last, here, originals([last])[0])
                    delay_to[here] += gates.delay_of_chain(chain)
            return delay_to[passed[0] if passed else junction]

        def delay(place: SnappedPoint) -> float:
            first, last = number(place.first_end), number(place.last_end)
            to_first = gates.to_first_end(place) if place.chain in gates else 0.0
            to_last = gates.to_last_end(place) if place.chain in gates else 0.0
            by_first = arrived[first] + place.first_metres + to_first
            by_last = arrived[last] + place.last_metres + to_last
            if place.chain == start.chain and self._along_the_chain(place) < min(by_first, by_last):
                return gates.between(start, place) if start.chain in gates else 0.0
            if by_first < by_last:
                return delay_up_to(first) + to_first
            return delay_up_to(last) + to_last if by_last != math.inf else 0.0

        return delay

    def _along_the_chain(self, place: SnappedPoint) -> float:
        """Return the cost to a place on the chain of the start, along that chain, without the final leg."""
        start, gates = self.found.start, self.found.gates
        metres = abs(place.first_metres - start.first_metres) + start.off_metres
        return metres + gates.between(start, place) if start.chain in gates else metres

    def walk_to(self, snapped_points: SnappedPoints, i: int, *, with_line: bool = True) -> Walk:
        """Return the walk to point i; without coordinates unless `with_line`.

        Raises ValueError if the point is out of reach (its cost is infinite).
        """
        costs, by = self._best(snapped_points.take([i]))
        target = snapped_points.one(i, self.found.contracted)
        if target is None or math.isinf(float(costs[0])):
            raise ValueError(f"point {i} is not within {self.within_metres} metres of the start")
        return path_to(self.found, target, int(by[0]), with_line=with_line)

    def may_pass_crossings(self, snapped_points: SnappedPoints) -> list[bool]:
        """Return, for each point, whether the way to it may pass a delayed crossing. False is certain.

        If it is false, the length of the walk equals its cost.
        """
        if not self.found.gates:
            return [False] * len(snapped_points)
        if self.found.start.chain in self.found.gates:
            return [True] * len(snapped_points)
        _, by = self._best(snapped_points)
        contracted, source = self.found.contracted, self.found.subgraph.source
        behind, known = _behind_gates(self.found), {source: False}
        before = memoryview(self.found.predecessor)
        chain = contracted.chain[snapped_points.edge]
        ends = np.where(by == 0, contracted.first_end[chain], contracted.last_end[chain])
        found: list[bool] = []
        for number, way, end in zip(
            chain.tolist(), by.tolist(), self.found.subgraph.local(ends).tolist(), strict=True
        ):
            passes = number in self.found.gates
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

    def crossings_to(self, snapped_points: SnappedPoints, i: int) -> tuple[Crossing, ...]:
        """Return the delayed crossings passed on the way to point i, in order."""
        return self.walk_to(snapped_points, i).crossings

    def _best(self, snapped_points: SnappedPoints) -> tuple[Floats, NDArray[np.intp]]:
        """Return the cost to each point, and how it is reached.

        0 means by the first end of its chain, 1 by the last end, 2 along the chain from the start.
        """
        contracted, start = self.found.contracted, self.found.start
        edge = snapped_points.edge
        count = len(edge)
        if count == 0:
            return np.zeros(0), np.zeros(0, dtype=np.intp)
        chain = contracted.chain[edge]
        ends = self.found.subgraph.local(
            np.concatenate([contracted.first_end[chain], contracted.last_end[chain]])
        )
        arrived = self.found.distance[ends]
        to_first = contracted.places(edge, snapped_points.along_metres)
        ways = np.empty((3, count))
        np.add(arrived[:count], to_first, out=ways[0])
        np.add(arrived[count:], np.maximum(contracted.metres[chain] - to_first, 0.0), out=ways[1])
        ways[2] = np.inf
        same = (chain == start.chain) & (edge >= 0)
        if same.any():
            ways[2, same] = np.abs(to_first[same] - start.first_metres) + start.off_metres
        if self.found.gates:
            self._add_gate_delays(snapped_points, ways, chain)
        by = ways.argmin(axis=0)
        costs = ways[by, np.arange(count)]
        costs += snapped_points.off_metres
        costs[(edge < 0) | ~(costs <= self.within_metres)] = np.inf
        return costs, by

    def _add_gate_delays(self, snapped_points: SnappedPoints, ways: Floats, chain: Ints) -> None:
        gates, start = self.found.gates, self.found.start
        for i, number in enumerate(chain.tolist()):
            place = snapped_points.one(i, self.found.contracted) if number in gates else None
            if place is None:
                continue
            ways[0, i] += gates.to_first_end(place)
            ways[1, i] += gates.to_last_end(place)
            if number == start.chain:
                ways[2, i] += gates.between(start, place)


def find_reachable(
    contracted: ContractedEdges,
    scratch: ScratchPad,
    start: SnappedPoint,
    *,
    within_metres: float,
    closed: Sequence[Crossing],
    delays: Sequence[tuple[Crossing, float]],
) -> Reachable:
    """Compute everything within `within_metres` on foot from `start`.

    1. For a large network, copy the junctions within the straight-line radius, which no way of that length
       leaves.
    2. Join the start to both ends of its chain; apply closures and delays.
    3. Run one bounded Dijkstra search.

    Raises InvalidInput if `within_metres` is negative or not a number.
    """
    if not within_metres >= 0:
        raise InvalidInput("The reach must be a number of metres, 0 or more.", field="within_metres")
    limit = min(within_metres, _MAX_DISTANCE_METRES)
    gates = gate_delays_of(contracted, closed, delays)
    if contracted.junction_count > WHOLE_UP_TO_JUNCTIONS:
        subgraph = subgraph_within(contracted, scratch, start, limit)
    else:
        subgraph = scratch.whole_graph = scratch.whole_graph or whole_graph(contracted)
    return Reachable(run_dijkstra(contracted, subgraph, start, limit, gates))


def _behind_gates(found: DijkstraResult) -> set[int]:
    """Return the local numbers of the junctions that the search reached by a chain with a gate."""
    subgraph, contracted = found.subgraph, found.contracted
    blocked = np.array(found.gates.chain_numbers, dtype=np.int32)
    one, other = subgraph.local(contracted.first_end[blocked]), subgraph.local(contracted.last_end[blocked])
    before = found.predecessor
    inside = (one != OUTSIDE) & (other != OUTSIDE)
    return {
        *one[inside & (before[one] == other)].tolist(),
        *other[inside & (before[other] == one)].tolist(),
    }
