"""Test that walking distances equal those of a slow and simple search over the whole network."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from aed.errors import InvalidInput
from aed.geo import Position
from aed.walking.build import build_network
from aed.walking.network import Crossing, WalkingNetwork
from aed.walking.path import Walk
from aed.walking.reachable import Reachable
from aed.walking.snapping import SnappedPoint, SnappedPoints
from tests.examples import examples
from tests.walking.grids import grid_position, middle_of_grid, street_grid
from tests.walking.osm_files import Tags, at, write_osm
from tests.walking.whole_network import costs_over_the_whole_network

WGS84 = Geod(ellps="WGS84")
GRID = street_grid(2500, seed=2)
PATH = {"highway": "path"}
PLACES = st.tuples(st.integers(0, 4), st.integers(0, 4))
AROUND = st.tuples(st.floats(-60, 220), st.floats(-60, 220))


@dataclass(frozen=True)
class Village:
    """A small random village: corners in metres, ways over them, and the corners that have a gate."""

    plan: dict[int, tuple[float, float]]
    ways: list[list[int]]
    gates: list[int]

    def build(self) -> WalkingNetwork:
        ways: list[tuple[list[int], Tags]] = [(way, PATH) for way in self.ways]
        tags = {gate: {"barrier": "gate"} for gate in self.gates}
        with tempfile.TemporaryDirectory() as folder:
            return build_network(write_osm(Path(folder) / "village.osm", self.plan, ways, node_tags=tags))


@st.composite
def villages(draw: st.DrawFn) -> Village:
    places = draw(st.lists(PLACES, min_size=2, max_size=9, unique=True))
    plan = {i: (40.0 * east, 40.0 * north) for i, (east, north) in enumerate(places, start=1)}
    corners = st.sampled_from(sorted(plan))
    ways = draw(st.lists(st.lists(corners, min_size=2, max_size=4), min_size=1, max_size=4))
    ways = [way for way in ways if len(set(way)) > 1] or [[1, 2]]
    gates = draw(st.lists(corners, max_size=3, unique=True))
    used = {corner for way in ways for corner in way}
    return Village({corner: plan[corner] for corner in used}, ways, [gate for gate in gates if gate in used])


def crossings_of(network: WalkingNetwork, places: Sequence[tuple[float, float]]) -> list[Crossing]:
    """Return the crossings of registered gates at these places, and of every gate on the map."""
    found = [network.crossing_at(at(*place), within_metres=100.0) for place in places]
    return [
        *(crossing for crossing in found if crossing is not None),
        *(barrier.crossing for barrier in network.barriers),
    ]


def one_by_one(network: WalkingNetwork, snapped_points: SnappedPoints) -> list[SnappedPoint | None]:
    return [snapped_points.one(i, network.contracted) for i in range(len(snapped_points))]


def snapped_at(network: WalkingNetwork, places: Sequence[Position]) -> SnappedPoints:
    return network.snap([place.lat for place in places], [place.lon for place in places])


@settings(max_examples=examples(150), deadline=None)
@given(
    village=villages(),
    places=st.lists(AROUND, min_size=2, max_size=8),
    gates=st.lists(AROUND, max_size=4),
    data=st.data(),
)
def test_costs_and_walks_are_those_of_the_whole_network(
    village: Village, places: list[tuple[float, float]], gates: list[tuple[float, float]], data: st.DataObject
) -> None:
    network = village.build()
    positions = [at(*place) for place in (*places, *village.plan.values(), *gates)]
    crossings = crossings_of(network, gates)
    closed, delays = [], []
    for crossing in crossings:
        state = data.draw(st.sampled_from(["open", "closed", "delayed"]))
        if state == "closed":
            closed.append(crossing)
        elif state == "delayed":
            delays.append((crossing, data.draw(st.sampled_from([0.0, 12.5, 400.0]))))
    within_metres = data.draw(st.sampled_from([50.0, 200.0, 600.0, 5000.0, math.inf]))
    targets = snapped_at(network, positions)
    start = targets.take([0])

    reachable = network.reachable(positions[0], within_metres=within_metres, closed=closed, delays=delays)

    if reachable is None:
        assert start.edge[0] == -1
        return
    expected = costs_over_the_whole_network(
        network, start, targets, within_metres=within_metres, closed=closed, delays=delays
    )
    costs = reachable.costs(targets)
    assert costs == pytest.approx(expected, abs=1e-6)
    assert reachable.metres_to(one_by_one(network, targets)) == pytest.approx(costs, abs=1e-9)
    for i in np.flatnonzero(np.isfinite(costs)).tolist():
        check_walk(reachable, targets, i, delays)


def check_walk(
    reachable: Reachable, targets: SnappedPoints, i: int, delays: Sequence[tuple[Crossing, float]]
) -> Walk:
    """Check a walk's cost, that its line has the stated length, and that it is not shorter than straight."""
    walk = reachable.walk_to(targets, i)
    worth = {crossing: 0.0 for crossing, _ in delays}
    for crossing, metres in delays:
        worth[crossing] += metres
    assert walk.metres + sum(worth[crossing] for crossing in set(walk.crossings)) == pytest.approx(
        reachable.costs(targets)[i], abs=1e-6
    )
    place = targets.one(i, reachable.found.contracted)
    assert place is not None
    assert reachable.costs(targets)[i] - reachable.delays()(place) == pytest.approx(walk.metres, abs=1e-6)
    lons, lats = zip(*walk.coordinates, strict=True)
    assert WGS84.line_length(lons, lats) == pytest.approx(walk.metres, rel=1e-3, abs=0.05)
    start = (reachable.found.start.lon, reachable.found.start.lat)
    goal = (float(targets.lons[i]), float(targets.lats[i]))
    assert (walk.coordinates[0], walk.coordinates[-1]) == (start, goal)
    assert reachable.crossings_to(targets, i) == walk.crossings
    _, _, straight = WGS84.inv(*start, *goal)
    assert walk.metres >= straight * 0.999
    return walk


@settings(max_examples=examples(60), deadline=None)
@given(village=villages())
def test_cutting_into_pieces_changes_no_distance(village: Village) -> None:
    network = village.build()
    corners = sorted(village.plan)
    steps: dict[tuple[int, int], float] = {}
    for way in village.ways:
        for a, b in pairwise(way):
            one, other = at(*village.plan[a]), at(*village.plan[b])
            metres = WGS84.inv(one.lon, one.lat, other.lon, other.lat)[2]
            steps[corners.index(a), corners.index(b)] = metres
            steps[corners.index(b), corners.index(a)] = metres
    steps = {pair: metres for pair, metres in steps.items() if metres > 0}
    tails, heads = zip(*steps, strict=True)
    size = len(corners)
    plain = dijkstra(csr_matrix((list(steps.values()), (tails, heads)), shape=(size, size)))
    positions = [at(*village.plan[corner]) for corner in corners]
    targets = snapped_at(network, positions)

    for i, position in enumerate(positions):
        reachable = network.reachable(position, within_metres=10_000.0)
        assert reachable is not None
        # Ways that touch without a common corner are not joined, so that a corner under another way may be
        # snapped to that way.
        apart = [j for j in range(size) if is_clear(village, corners[j]) and is_clear(village, corners[i])]
        assert reachable.costs(targets)[apart] == pytest.approx(plain[i, apart], rel=1e-4, abs=0.1)


def is_clear(village: Village, corner: int) -> bool:
    """Return whether no way passes over this corner without being joined to it."""
    x, y = village.plan[corner]
    for way in village.ways:
        for a, b in pairwise(way):
            (x1, y1), (x2, y2) = village.plan[a], village.plan[b]
            is_end = corner in (a, b)
            cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
            inside = min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)
            if not is_end and cross == 0 and inside:
                return False
    return True


@pytest.mark.parametrize("within_metres", [150.0, 700.0, 1500.0, 40_000.0, 2e7, math.inf])
def test_on_a_grid_with_gates(within_metres: float) -> None:
    random = np.random.default_rng(11)
    shares = random.uniform(-0.05, 1.05, (60, 2))
    positions = [grid_position(2500, north, east) for north, east in shares]
    targets = snapped_at(GRID, positions)
    places = [grid_position(2500, *share) for share in random.uniform(0.3, 0.7, (120, 2))]
    crossings = [crossing for place in places if (crossing := GRID.crossing_at(place, within_metres=60.0))]
    closed = crossings[:60]
    delays = [
        (crossing, float(metres)) for crossing, metres in zip(crossings[60:], range(20, 200), strict=False)
    ]

    for i in range(4):
        reachable = GRID.reachable(positions[i], within_metres=within_metres, closed=closed, delays=delays)
        assert reachable is not None
        expected = costs_over_the_whole_network(
            GRID, targets.take([i]), targets, within_metres=within_metres, closed=closed, delays=delays
        )
        assert reachable.costs(targets) == pytest.approx(expected, abs=1e-6)
        assert reachable.metres_to(one_by_one(GRID, targets)) == pytest.approx(expected, abs=1e-6)
        for j in np.flatnonzero(np.isfinite(expected)).tolist()[::5]:
            check_walk(reachable, targets, j, delays)


def test_a_straight_street_is_walked_to_the_very_limit(tmp_path: Path) -> None:
    rays = range(24)
    plan = {0: (0.0, 0.0)}
    for ray in rays:
        turn = ray * math.tau / len(rays)
        plan[1 + ray] = (3000 * math.sin(turn), 3000 * math.cos(turn))
    network = build_network(write_osm(tmp_path / "a.osm", plan, [([0, 1 + ray], PATH) for ray in rays]))
    for within_metres in (300.0, 1500.0, 2900.0):
        share = within_metres / 3000
        inside = snapped_at(
            network, [at(*(share * 0.995 * metres for metres in plan[1 + ray])) for ray in rays]
        )
        outside = snapped_at(
            network, [at(*(share * 1.005 * metres for metres in plan[1 + ray])) for ray in rays]
        )

        reachable = network.reachable(at(0, 0), within_metres=within_metres)

        assert reachable is not None
        assert reachable.costs(inside) == pytest.approx(within_metres * 0.995, rel=2e-3)
        assert np.isinf(reachable.costs(outside)).all()


def test_a_registered_gate_blocks_its_street(tmp_path: Path) -> None:
    network = build_network(write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (90, 0)}, [([1, 2], PATH)]))
    gate = network.crossing_at(at(45, 2))
    assert gate is not None
    targets = snapped_at(network, [at(0, 0), at(30, 0), at(60, 0), at(90, 0)])

    before = network.reachable(at(20, 0), within_metres=500.0, closed=[gate])
    behind = network.reachable(at(70, 0), within_metres=500.0, closed=[gate])
    guarded = network.reachable(at(20, 0), within_metres=500.0, delays=[(gate, 35.0)])

    assert before is not None
    assert behind is not None
    assert guarded is not None
    assert before.costs(targets) == pytest.approx([20, 10, np.inf, np.inf], abs=0.2)
    assert behind.costs(targets) == pytest.approx([np.inf, np.inf, 10, 20], abs=0.2)
    assert guarded.costs(targets) == pytest.approx([20, 10, 75, 105], abs=0.2)
    assert guarded.walk_to(targets, 3).crossings == (gate,)
    assert guarded.walk_to(targets, 3).metres == pytest.approx(70, abs=0.2)
    assert guarded.walk_to(targets, 1).crossings == ()


def test_a_registered_gate_beside_one_on_the_map_is_the_same_gate(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (52, 9), 5: (52, 60)}
    network = build_network(
        write_osm(
            tmp_path / "a.osm", plan, [([1, 2, 3], PATH), ([4, 5], PATH)], node_tags={2: {"barrier": "gate"}}
        )
    )
    (barrier,) = network.barriers

    assert network.crossing_at(at(52, 8)) == barrier.crossing
    assert network.crossing_at(at(52, 40)) != barrier.crossing
    assert network.crossing_at(at(0, 200)) is None
    assert network.barriers_near(at(50, 100), 50.0) == []
    assert network.barriers_near(at(50, 100), 101.0) == [barrier]


def test_a_start_off_the_network_reaches_no_point() -> None:
    assert GRID.reachable(grid_position(2500, 2.0, 2.0), within_metres=1500.0) is None
    assert GRID.reachable(Position(math.nan, 10.0), within_metres=1500.0) is None


def test_a_point_off_the_network_is_not_reached() -> None:
    reachable = GRID.reachable(middle_of_grid(2500), within_metres=1500.0)
    assert reachable is not None
    targets = snapped_at(GRID, [grid_position(2500, 2.0, 2.0), middle_of_grid(2500)])

    assert np.isinf(reachable.costs(targets)[0])
    assert len(reachable.costs(snapped_at(GRID, []))) == 0
    with pytest.raises(ValueError, match="not within"):
        reachable.walk_to(targets, 0)


def test_invalid_values_are_refused() -> None:
    middle = middle_of_grid(2500)
    inside = Crossing(3, 1.0)

    with pytest.raises(InvalidInput, match="reach"):
        GRID.reachable(middle, within_metres=-1.0)
    with pytest.raises(InvalidInput, match="reach"):
        GRID.reachable(middle, within_metres=math.nan)
    with pytest.raises(InvalidInput, match="not in this walking network"):
        GRID.reachable(middle, within_metres=100.0, closed=[Crossing(GRID.edge_count, 0.0)])
    with pytest.raises(InvalidInput, match="delay"):
        GRID.reachable(middle, within_metres=100.0, delays=[(inside, -5.0)])


def test_eight_threads_get_the_answers_of_one() -> None:
    random = np.random.default_rng(7)
    positions = [grid_position(2500, *share) for share in random.uniform(0.0, 1.0, (200, 2))]
    targets = snapped_at(GRID, positions[:50])

    def costs(position: Position) -> list[float]:
        reachable = GRID.reachable(position, within_metres=900.0)
        assert reachable is not None
        return [float(cost) for cost in reachable.costs(targets)]

    alone = [costs(position) for position in positions]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(costs, positions)) == alone
