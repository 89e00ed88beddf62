"""Test that results on the streets of a whole country equal those of a search over all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aed.geo import Position
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from tests.walking.test_reachable import check_walk
from tests.walking.whole_network import costs_over_the_whole_network

EXTRACT = Path(__file__).parents[3] / "shared" / "data" / "liechtenstein" / "liechtenstein.osm.pbf"

pytestmark = pytest.mark.skipif(
    not EXTRACT.is_file(),
    reason="needs ../shared/data/liechtenstein/liechtenstein.osm.pbf beside the project",
)


@pytest.fixture(scope="module")
def country() -> WalkingNetwork:
    return build_network(EXTRACT)


def test_costs_are_those_of_the_whole_network(country: WalkingNetwork) -> None:
    random = np.random.default_rng(13)
    towns = [Position(47.141, 9.521), Position(47.211, 9.527), Position(47.068, 9.503)]
    lats = np.concatenate([town.lat + random.normal(0, 0.006, 120) for town in towns])
    lons = np.concatenate([town.lon + random.normal(0, 0.008, 120) for town in towns])
    targets = country.snap(lats, lons)
    barriers = [barrier.crossing for barrier in country.barriers]
    closed, delays = barriers[::2], [(crossing, 40.0) for crossing in barriers[1::2]]
    assert (targets.edge >= 0).sum() > 300

    compared = 0
    for i in range(0, 360, 30):
        for within_metres in (600.0, 1500.0, 60_000.0):
            reachable = country.reachable(
                Position(lats[i], lons[i]), within_metres=within_metres, closed=closed, delays=delays
            )
            if reachable is None:
                assert targets.edge[i] == -1
                continue
            expected = costs_over_the_whole_network(
                country, targets.take([i]), targets, within_metres=within_metres, closed=closed, delays=delays
            )
            costs = reachable.costs(targets)
            assert costs == pytest.approx(expected, abs=1e-6)
            compared += int(np.isfinite(costs).sum())
            for j in np.flatnonzero(np.isfinite(costs)).tolist()[::23]:
                check_walk(reachable, targets, j, delays)
    assert compared > 3000


def test_most_gates_on_the_map_are_found(country: WalkingNetwork) -> None:
    assert len(country.barriers) > 40
    for barrier in country.barriers:
        assert country.barriers_near(barrier.position, 1.0)[0].position == barrier.position
        assert country.crossing_at(barrier.position) is not None
