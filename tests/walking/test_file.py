"""Test saving and loading networks, and errors for incomplete files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from aed.errors import NetworkFileUnusable
from aed.walking.build import build_network
from aed.walking.file import load_network, save_network
from aed.walking.network import WalkingNetwork
from tests.walking.grids import grid_position, street_grid
from tests.walking.osm_files import write_osm


@pytest.fixture
def network(tmp_path: Path) -> WalkingNetwork:
    plan = {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (50, 60)}
    ways = [([1, 2, 3], {"highway": "residential"}), ([2, 4], {"highway": "path"})]
    tags = {2: {"barrier": "gate", "opening_hours": "Mo-Fr 08:00-18:00", "access": "住户"}}
    return build_network(write_osm(tmp_path / "a.osm", plan, ways, node_tags=tags))


def test_a_saved_network_is_loaded_unchanged(tmp_path: Path, network: WalkingNetwork) -> None:
    save_network(network, tmp_path / "streets.net")

    loaded = load_network(tmp_path / "streets.net")

    assert loaded.barriers == network.barriers
    for one, other in ((loaded.streets, network.streets), (loaded.contracted, network.contracted)):
        for each in fields(one):
            if each.name != "streets":
                assert np.array_equal(getattr(one, each.name), getattr(other, each.name)), each.name
    assert [path.name for path in tmp_path.iterdir() if "net" in path.name] == ["streets.net"]


def test_a_loaded_network_answers_the_same(tmp_path: Path) -> None:
    grid = street_grid(900)
    save_network(grid, tmp_path / "grid.net")
    loaded = load_network(tmp_path / "grid.net")
    places = [grid_position(900, north / 7, east / 7) for north in range(8) for east in range(8)]
    lats, lons = [place.lat for place in places], [place.lon for place in places]

    for network in (grid, loaded):
        assert network.node_count == grid.node_count
    one, other = (network.reachable(places[20], within_metres=1200.0) for network in (grid, loaded))
    assert one is not None
    assert other is not None
    assert np.array_equal(one.costs(grid.snap(lats, lons)), other.costs(loaded.snap(lats, lons)))


def test_the_arrays_of_a_loaded_network_stay_in_the_file(tmp_path: Path) -> None:
    save_network(street_grid(100_000), tmp_path / "grid.net")
    before = _private_kilobytes()

    loaded = load_network(tmp_path / "grid.net")

    assert loaded.start_at(grid_position(100_000, 0.5, 0.5)) is not None
    of_file = (tmp_path / "grid.net").stat().st_size / 1024
    assert _private_kilobytes() - before < of_file / 10


def _private_kilobytes() -> int:
    """Return the memory of this process that it shares with no other and with no file."""
    rollup = Path("/proc/self/smaps_rollup").read_text("ascii")
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous:"))


def test_saving_again_replaces_the_file(tmp_path: Path, network: WalkingNetwork) -> None:
    path = tmp_path / "streets.net"
    save_network(street_grid(100), path)
    save_network(network, path)

    assert load_network(path).node_count == network.node_count


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, network: WalkingNetwork) -> None:
    with pytest.raises(NetworkFileUnusable, match="cannot be written"):
        save_network(network, tmp_path / "nowhere" / "streets.net")


def test_the_error_for_a_missing_file_names_the_build_command(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileUnusable, match="aed walking build"):
        load_network(tmp_path / "streets.net")
    with pytest.raises(NetworkFileUnusable, match="cannot be read"):
        load_network(tmp_path)


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path: Path, network: WalkingNetwork) -> None:
    path = tmp_path / "streets.net"
    save_network(network, path)
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(NetworkFileUnusable):
            load_network(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        with pytest.raises(NetworkFileUnusable):
            load_network(path)
    path.write_bytes(whole + b"more")
    with pytest.raises(NetworkFileUnusable):
        load_network(path)


def test_another_file_version_is_refused(tmp_path: Path, network: WalkingNetwork) -> None:
    path = tmp_path / "streets.net"
    save_network(network, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + (99).to_bytes(4, "little") + whole[12:])

    with pytest.raises(NetworkFileUnusable, match="version 99"):
        load_network(path)


def test_something_else_is_not_a_network(tmp_path: Path) -> None:
    path = tmp_path / "streets.net"
    path.write_bytes(b"PK\x03\x04 a zip, not a network" * 10)

    with pytest.raises(NetworkFileUnusable, match="is not a walking network"):
        load_network(path)
