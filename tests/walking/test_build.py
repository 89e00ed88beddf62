"""Test building networks from OSM files: what is kept, the sides of gates, and errors for bad files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from aed.errors import InvalidInput, NetworkFileUnusable
from aed.geo import Position
from aed.walking.build import build_network
from aed.walking.network import Crossing, WalkingNetwork
from tests.walking.osm_files import Tags, at, write_osm

STREET = {"highway": "residential"}
PATH = {"highway": "footway"}
GATE = {"barrier": "gate"}
EVERYWHERE = 10_000.0


def metres(
    network: WalkingNetwork, start: Position, end: Position, *, closed: tuple[Crossing, ...] = ()
) -> float:
    reachable = network.reachable(start, within_metres=EVERYWHERE, closed=closed)
    assert reachable is not None
    return float(reachable.costs(network.snap([end.lat], [end.lon]))[0])


@pytest.mark.parametrize("name", ["streets.osm.pbf", "streets.osm", "streets.osm.gz"])
def test_a_street_is_as_long_as_on_the_ground(tmp_path: Path, name: str) -> None:
    source = write_osm(tmp_path / name, {1: (0, 0), 2: (300, 0), 3: (300, 400)}, [([1, 2, 3], STREET)])

    network = build_network(source)

    assert metres(network, at(0, 0), at(300, 400)) == pytest.approx(700, rel=1e-3)
    assert network.streets.longest_edge_metres <= 100.01
    assert network.edge_count >= 7


def test_both_directions_are_walked_in_a_one_way_street(tmp_path: Path) -> None:
    source = write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (50, 0)}, [([1, 2], {**STREET, "oneway": "yes"})])

    network = build_network(source)

    assert metres(network, at(50, 0), at(0, 0)) == pytest.approx(50, rel=1e-3)


def test_skipped_ways_are_counted(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (50, 0), 3: (0, 20), 4: (50, 20)}
    ways: list[tuple[list[int], Tags]] = [
        ([1, 2], STREET),
        ([3, 4], {"highway": "motorway"}),
        ([3, 4], {"highway": "service", "access": "private"}),
    ]
    messages: list[str] = []

    build_network(write_osm(tmp_path / "a.osm", plan, ways), progress=messages.append)

    assert "1 of 3 highways are walkable" in messages
    assert "skipped 1 with highway=motorway" in messages
    assert "skipped 1 with access=private" in messages


def test_a_disconnected_path_is_not_snapped_to(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (5000, 0), 3: (2500, 20), 4: (2520, 20)}
    messages: list[str] = []

    network = build_network(
        write_osm(tmp_path / "a.osm", plan, [([1, 2], STREET), ([3, 4], PATH)]), progress=messages.append
    )

    assert metres(network, at(2400, 0), at(2510, 21)) == pytest.approx(110 + 21, abs=1)
    assert any("skipped 1 disconnected parts" in line for line in messages)


def test_a_gate_on_a_path_can_be_closed(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (50, 0), 3: (100, 0)}
    tags = {2: {**GATE, "access": "private", "locked": "yes", "opening_hours": "Mo-Fr 08:00-18:00"}}
    network = build_network(write_osm(tmp_path / "a.osm", plan, [([1, 2, 3], PATH)], node_tags=tags))
    (gate,) = network.barriers_near(at(50, 0), 5)

    assert (gate.osm_id, gate.access, gate.locked) == (2, "private", True)
    assert gate.opening_hours == "Mo-Fr 08:00-18:00"
    assert metres(network, at(0, 0), at(100, 0)) == pytest.approx(100, rel=1e-3)
    assert metres(network, at(0, 0), at(100, 0), closed=(gate.crossing,)) == np.inf
    assert metres(network, at(0, 0), at(49, 0), closed=(gate.crossing,)) == pytest.approx(49, rel=1e-2)


def test_a_gate_where_two_ways_meet_end_to_end(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (50, 0), 3: (100, 0)}
    network = build_network(
        write_osm(tmp_path / "a.osm", plan, [([1, 2], PATH), ([2, 3], PATH)], node_tags={2: GATE})
    )
    (gate,) = network.barriers

    assert metres(network, at(0, 0), at(100, 0), closed=(gate.crossing,)) == np.inf


def test_a_gate_drawn_on_the_street_shuts_the_drive_and_not_the_street(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (50, 60)}
    network = build_network(
        write_osm(tmp_path / "a.osm", plan, [([1, 2, 3], STREET), ([2, 4], PATH)], node_tags={2: GATE})
    )
    (gate,) = network.barriers

    assert metres(network, at(0, 0), at(50, 60)) == pytest.approx(110, rel=1e-3)
    assert metres(network, at(0, 0), at(50, 60), closed=(gate.crossing,)) == np.inf
    assert metres(network, at(0, 0), at(100, 0), closed=(gate.crossing,)) == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize(
    "ways",
    [
        [([1, 2], PATH), ([2, 3], PATH), ([2, 4], PATH)],
        [([1, 2, 3], PATH), ([4, 2, 5], PATH)],
    ],
)
def test_at_a_gate_where_ways_meet_every_turn_needs_it(
    tmp_path: Path, ways: list[tuple[list[int], Tags]]
) -> None:
    plan = {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (50, 60), 5: (50, -70)}
    used = {n: plan[n] for nodes, _ in ways for n in nodes}
    network = build_network(write_osm(tmp_path / "a.osm", used, ways, node_tags={2: GATE}))
    (gate,) = network.barriers
    ends = [at(*place) for number, place in used.items() if number != 2]

    for start in ends:
        reachable = network.reachable(start, within_metres=EVERYWHERE, delays=[(gate.crossing, 30.0)])
        open_reach = network.reachable(start, within_metres=EVERYWHERE)
        assert reachable is not None
        assert open_reach is not None
        others = [end for end in ends if end != start]
        snapped_points = network.snap([end.lat for end in others], [end.lon for end in others])
        assert reachable.costs(snapped_points) == pytest.approx(open_reach.costs(snapped_points) + 30.0)
        assert reachable.walk_to(snapped_points, 0).crossings == (gate.crossing,)
        for end in others:
            assert metres(network, start, end, closed=(gate.crossing,)) == np.inf


def test_a_gate_at_a_dead_end_is_skipped_with_a_message(tmp_path: Path) -> None:
    messages: list[str] = []
    source = write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (50, 0)}, [([1, 2], PATH)], node_tags={2: GATE})

    network = build_network(source, progress=messages.append)

    assert network.barriers == ()
    assert "skipped 1 gates at dead ends" in messages


def test_a_ring_is_walked_either_way_round(tmp_path: Path) -> None:
    plan = {1: (0, 0), 2: (30, 0), 3: (30, 30), 4: (0, 30)}
    network = build_network(write_osm(tmp_path / "a.osm", plan, [([1, 2, 3, 4, 1], PATH)]))

    assert metres(network, at(10, 0), at(0, 10)) == pytest.approx(20, abs=0.5)
    assert metres(network, at(20, 0), at(30, 20)) == pytest.approx(30, abs=0.5)


def test_a_way_is_cut_where_the_extract_ends(tmp_path: Path) -> None:
    messages: list[str] = []
    plan = {1: (0, 0), 2: (50, 0), 4: (150, 0), 5: (200, 0)}

    network = build_network(
        write_osm(tmp_path / "a.osm", plan, [([1, 2, 3, 4, 5], STREET)]), progress=messages.append
    )

    assert metres(network, at(0, 0), at(50, 0)) == pytest.approx(50, rel=1e-3)
    assert metres(network, at(0, 0), at(200, 0)) == np.inf
    assert "cut at 1 nodes that are not in the extract" in messages


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileUnusable, match="There is no file"):
        build_network(tmp_path / "nothing.osm.pbf")
    with pytest.raises(NetworkFileUnusable, match="There is no file"):
        build_network(tmp_path)


@pytest.mark.parametrize("name", ["a.osm.pbf", "a.osm", "a.osm.gz", "a.txt"])
@pytest.mark.parametrize("content", [b"", b"<html>no such page</html>", b"\x00\x01\x02" * 50])
def test_a_file_that_is_not_a_map_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    source = tmp_path / name
    source.write_bytes(gzip.compress(content) if content and name.endswith(".gz") else content)

    with pytest.raises(NetworkFileUnusable):
        build_network(source)


@pytest.mark.parametrize("name", ["a.osm.pbf", "a.osm", "a.osm.gz"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    plan = {n: (float(10 * n), 0.0) for n in range(1, 400)}
    source = write_osm(tmp_path / name, plan, [(list(plan), STREET)])
    whole = source.read_bytes()

    for share in (0.3, 0.6, 0.95):
        source.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises((NetworkFileUnusable, InvalidInput)):
            build_network(source)


@pytest.mark.parametrize(
    ("ways", "sentence"),
    [
        ([], "contains no highways"),
        ([([1, 2], {"highway": "motorway"})], "none of which is walkable"),
        ([([8, 9], {"highway": "path"})], "contains no positions"),
    ],
)
def test_a_map_without_streets_is_refused(
    tmp_path: Path, ways: list[tuple[list[int], Tags]], sentence: str
) -> None:
    source = write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (50, 0)}, ways)

    with pytest.raises(InvalidInput, match=sentence):
        build_network(source)


def test_a_street_without_length_is_no_street(tmp_path: Path) -> None:
    source = write_osm(tmp_path / "a.osm", {1: (0, 0), 2: (0, 0)}, [([1, 2], STREET)])

    with pytest.raises(InvalidInput, match="length 0"):
        build_network(source)
