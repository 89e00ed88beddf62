"""Test that the fast methods for gates and delays agree with the reconstructed walk."""

from __future__ import annotations

import numpy as np
import pytest

from aed.walking.network import Crossing, WalkingNetwork
from tests.walking.grids import grid_position, street_grid

NODES = 2_500
REACH_METRES = 1_200.0


@pytest.fixture(scope="module")
def grid() -> WalkingNetwork:
    return street_grid(NODES, seed=7)


def some_crossings(grid: WalkingNetwork, count: int, *, seed: int) -> list[Crossing]:
    random = np.random.default_rng(seed)
    edges = random.choice(grid.edge_count, count, replace=False).tolist()
    return [Crossing(edge, grid.streets.edge_metres(edge) * float(random.random())) for edge in edges]


def some_places(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    places = [grid_position(NODES, *random.uniform(0.1, 0.9, 2).tolist()) for _ in range(count)]
    return np.array([place.lat for place in places]), np.array([place.lon for place in places])


@pytest.mark.parametrize("seed", range(5))
def test_a_path_without_gates_costs_its_length(grid: WalkingNetwork, seed: int) -> None:
    crossings = some_crossings(grid, 300, seed=seed)
    delays = [(crossing, 40.0) for crossing in crossings[:200]]
    reachable = grid.reachable(
        grid_position(NODES, 0.5, 0.5), within_metres=REACH_METRES, closed=crossings[200:], delays=delays
    )
    assert reachable is not None
    snapped_points = grid.snap(*some_places(120, seed=seed))
    costs, may_pass = reachable.costs(snapped_points), reachable.may_pass_crossings(snapped_points)
    reached = np.flatnonzero(np.isfinite(costs)).tolist()
    assert {may_pass[i] for i in reached} == {True, False}  # otherwise the test would check nothing
    for i in reached:
        walk = reachable.walk_to(snapped_points, i)
        if not may_pass[i]:
            assert walk.crossings == ()
            assert walk.metres == pytest.approx(costs[i], abs=0.01)
        without_line = reachable.walk_to(snapped_points, i, with_line=False)
        assert (without_line.metres, without_line.crossings) == (walk.metres, walk.crossings)


def test_changing_gates_gives_the_same_result_as_a_new_search(
    grid: WalkingNetwork,
) -> None:
    here = grid_position(NODES, 0.5, 0.5)
    start = grid.start_at(here)
    assert start is not None
    on_the_first_street = Crossing(start.edge, 1.0)
    crossings = [on_the_first_street, *some_crossings(grid, 200, seed=1)]
    snapped_points = grid.snap(*some_places(120, seed=2))
    shut = grid.reachable(start, within_metres=REACH_METRES, closed=crossings)
    assert shut is not None

    opened = shut.with_gates(delays=[(crossing, 25.0) for crossing in crossings])

    anew = grid.reachable(
        here, within_metres=REACH_METRES, delays=[(crossing, 25.0) for crossing in crossings]
    )
    assert anew is not None
    assert opened.costs(snapped_points).tolist() == anew.costs(snapped_points).tolist()
    assert shut.costs(snapped_points).tolist() != anew.costs(snapped_points).tolist()


def test_cached_snaps_equal_fresh_ones(grid: WalkingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aed.walking.network.MAX_SNAPPED_POINTS", 100)  # so that the cache overflows
    for seed in (1, 2, 1, 3, 2):
        lats, lons = some_places(60, seed=seed)

        places = [*zip(lats.tolist(), lons.tolist(), strict=True)]

        remembered, found = grid.snapped_places(places), grid.snap(lats, lons)

        assert remembered == [found.one(i, grid.contracted) for i in range(60)]
