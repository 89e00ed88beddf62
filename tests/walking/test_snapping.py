"""Test that points are snapped to exactly the nearest place on the nearest street."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from aed.geo import Position
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from aed.walking.snapping import snap_point
from aed.walking.streets import UNITS_PER_DEGREE
from tests.examples import examples
from tests.walking.grids import SOUTH_WEST, grid_position, street_grid
from tests.walking.osm_files import at, write_osm

GRID = street_grid(400, seed=4)
LONG_STREETS = street_grid(100, seed=4, block_metres=95.0)
WGS84 = Geod(ellps="WGS84")


def metres_off_by_looking_at_every_street(network: WalkingNetwork, position: Position) -> NDArray[np.float64]:
    """Return the distance to each street, on a plane around the position computed by pyproj."""
    streets = network.streets
    _, _, north = WGS84.inv(position.lon, position.lat - 0.0005, position.lon, position.lat + 0.0005)
    _, _, east = WGS84.inv(position.lon - 0.0005, position.lat, position.lon + 0.0005, position.lat)
    y = (streets.point_lat / UNITS_PER_DEGREE - position.lat) * north * 1000
    x = (streets.point_lon / UNITS_PER_DEGREE - position.lon) * east * 1000
    off = np.full(streets.street_count, np.inf)
    for edge in range(streets.street_count):
        for a in range(int(streets.point_start[edge]), int(streets.point_start[edge + 1]) - 1):
            dx, dy = x[a + 1] - x[a], y[a + 1] - y[a]
            square = dx * dx + dy * dy
            share = 0.0 if square == 0 else min(1.0, max(0.0, -(x[a] * dx + y[a] * dy) / square))
            off[edge] = min(off[edge], np.hypot(x[a] + share * dx, y[a] + share * dy))
    return off


@settings(max_examples=examples(100), deadline=None)
@given(network=st.sampled_from([GRID, LONG_STREETS]), north=st.floats(-0.4, 1.4), east=st.floats(-0.4, 1.4))
def test_the_nearest_of_all_streets_is_found(network: WalkingNetwork, north: float, east: float) -> None:
    position = grid_position(400, north, east)
    off = metres_off_by_looking_at_every_street(network, position)

    snapped_points = network.snap([position.lat], [position.lon])

    alone = snap_point(network.contracted, position.lat, position.lon, within_metres=250.0)
    if off.min() > 250.0:
        assert snapped_points.edge[0] == -1
        assert alone is None
    else:
        assert snapped_points.off_metres[0] == pytest.approx(off.min(), abs=0.02)
        assert off[snapped_points.edge[0]] == pytest.approx(off.min(), abs=0.02)
        assert alone == snapped_points.one(0, network.contracted)


def test_the_end_of_a_long_street_is_nearer_than_the_middle_of_a_short_one(tmp_path: Path) -> None:
    plan = {1: (0.0, 0.0), 2: (96.0, 0.0), 3: (-88.0, 30.0), 4: (-88.0, 50.0)}
    path = {"highway": "path"}
    network = build_network(write_osm(tmp_path / "a.osm", plan, [([1, 2], path), ([3, 4], path)]))
    between = at(-30.0, 40.0)  # 50 m from the long street's end, 58 m from the short one

    alone = snap_point(network.contracted, between.lat, between.lon, within_metres=250.0)
    together = network.snap([between.lat, at(50.0, 5.0).lat], [between.lon, at(50.0, 5.0).lon])

    assert alone is not None
    assert alone.off_metres == pytest.approx(50.0, abs=0.2)
    assert together.off_metres == pytest.approx([50.0, 5.0], abs=0.2)


def test_points_are_snapped_together_as_they_are_alone() -> None:
    random = np.random.default_rng(5)
    lats = SOUTH_WEST.lat + random.uniform(-0.004, 0.014, 5000)
    lons = SOUTH_WEST.lon + random.uniform(-0.004, 0.016, 5000)

    together = GRID.snap(lats, lons)

    assert len(together) == 5000
    assert (together.edge >= 0).any()
    assert (together.edge < 0).any()
    for i in range(0, 5000, 97):
        alone = snap_point(GRID.contracted, float(lats[i]), float(lons[i]), within_metres=250.0)
        assert alone == together.one(i, GRID.contracted)


def test_distant_and_invalid_points_are_not_snapped() -> None:
    middle = grid_position(400, 0.5, 0.5)
    lats = [middle.lat, 0.0, np.nan, 90.0, -91.0, middle.lat, middle.lat, np.inf]
    lons = [middle.lon, 0.0, middle.lon, 0.0, 0.0, np.nan, 1e9, middle.lon]

    snapped_points = GRID.snap(lats, lons)

    assert snapped_points.edge[0] >= 0
    assert snapped_points.edge[1:].tolist() == [-1] * 7
    assert not any(GRID.covers(Position(lat, lon)) for lat, lon in zip(lats[1:], lons[1:], strict=True))
    assert len(GRID.snap([], [])) == 0


def test_only_streets_within_the_limit_count() -> None:
    outside = grid_position(400, 1.1, 0.5)  # about 114 m north of the last street

    assert GRID.snap([outside.lat], [outside.lon], within_metres=50.0).edge[0] == -1
    assert GRID.snap([outside.lat], [outside.lon], within_metres=200.0).edge[0] >= 0
    assert GRID.covers(outside)
    assert not GRID.covers(grid_position(400, 1.5, 0.5))


def test_some_of_the_footings_can_be_taken() -> None:
    places = [grid_position(400, share, share) for share in (0.1, 0.5, 0.9)]
    snapped_points = GRID.snap([place.lat for place in places], [place.lon for place in places])

    taken = snapped_points.take([2, 0])

    assert taken.edge.tolist() == [snapped_points.edge[2], snapped_points.edge[0]]
    assert taken.lats.tolist() == [places[2].lat, places[0].lat]
