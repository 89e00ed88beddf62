"""Test junctions and the chains of edges between them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from aed.walking.build import build_network
from aed.walking.contracted_edges import DEAD_END, ContractedEdges
from aed.walking.network import WalkingNetwork
from tests.walking.grids import street_grid
from tests.walking.osm_files import write_osm

PATH = {"highway": "path"}


def nodes_along(contracted: ContractedEdges, chain: int) -> list[int]:
    """Return the nodes that a chain passes, from its first end to its last."""
    streets = contracted.streets
    passed: list[int] = []
    for edge in contracted.edges_of(chain):
        ends = [int(streets.edge_u[edge]), int(streets.edge_v[edge])]
        if not contracted.is_forward[edge]:
            ends.reverse()
        assert not passed or passed[-1] == ends[0]
        passed += ends if not passed else ends[1:]
    return passed


def check(network: WalkingNetwork) -> None:
    """Check that each edge is in one chain at the right index, and chains only contain junctions as ends."""
    contracted, streets = network.contracted, network.streets
    edges_at = np.bincount(np.concatenate([streets.edge_u, streets.edge_v]))
    seen: list[int] = []
    for chain in range(len(contracted.metres)):
        edges = contracted.edges_of(chain)
        seen += edges
        lengths = [streets.edge_metres(edge) for edge in edges]
        assert contracted.chain[edges].tolist() == [chain] * len(edges)
        assert contracted.order[edges].tolist() == [*range(len(edges))]
        assert contracted.before_metres[edges] == pytest.approx(np.cumsum([0.0, *lengths])[:-1], abs=1e-6)
        assert contracted.metres[chain] == pytest.approx(sum(lengths), abs=1e-6)
        passed = nodes_along(contracted, chain)
        assert all(edges_at[node] == 2 for node in passed[1:-1])
        for node, junction in (
            (passed[0], contracted.first_end[chain]),
            (passed[-1], contracted.last_end[chain]),
        ):
            assert (edges_at[node] == 1) == (junction == DEAD_END)
            assert junction == DEAD_END or contracted.node_key[junction] == streets.node_key[node]
    assert sorted(seen) == [*range(streets.edge_count)]
    joins = {
        (*pair, chain)
        for chain, pair in enumerate(
            zip(contracted.first_end.tolist(), contracted.last_end.tolist(), strict=True)
        )
        if DEAD_END not in pair and pair[0] != pair[1]
    }
    chain_ends = [
        (one, int(contracted.neighbour[at]), int(contracted.neighbour_chain[at]))
        for one, (first, end) in enumerate(pairwise(contracted.neighbour_start.tolist()))
        for at in range(first, end)
    ]
    assert sorted(chain_ends) == sorted([*joins, *((other, one, chain) for one, other, chain in joins)])
    assert contracted.neighbour_metres.tolist() == contracted.metres[contracted.neighbour_chain].tolist()


def test_of_a_grid() -> None:
    network = street_grid(900, seed=3)

    check(network)

    assert network.contracted.junction_count < 0.65 * network.node_count


@pytest.mark.parametrize(
    ("ways", "chain_count", "junctions"),
    [
        pytest.param([[1, 2, 3, 4]], 1, 0, id="a street alone"),
        pytest.param([[1, 2], [2, 3, 4]], 1, 0, id="two ways that go on"),
        pytest.param([[1, 2, 3, 4, 1]], 1, 1, id="a ring"),
        pytest.param([[1, 2, 3], [3, 4, 1]], 1, 1, id="a ring of two ways"),
        pytest.param([[1, 2, 3, 4, 1], [1, 5, 6]], 2, 1, id="a ring at the end of a street"),
        pytest.param([[1, 2, 3], [1, 4, 3], [1, 3]], 3, 2, id="three ways round"),
        pytest.param([[1, 2, 3], [2, 5], [4, 2]], 4, 1, id="a crossroads"),
        pytest.param([[1, 2, 3, 1], [4, 5, 6, 4]], 2, 2, id="two rings"),
    ],
)
def test_of_a_few_streets(tmp_path: Path, ways: list[list[int]], chain_count: int, junctions: int) -> None:
    plan = {1: (0.0, 0.0), 2: (0.0, 300.0), 3: (250.0, 300.0), 4: (250.0, 0.0), 5: (-90.0, 10.0)}
    plan[6] = (-200.0, -40.0)
    network = build_network(write_osm(tmp_path / "a.osm", plan, [(way, PATH) for way in ways]))

    check(network)

    assert network.node_count > 4  # streets are longer than the maximum length of a piece
    assert (len(network.contracted.metres), network.contracted.junction_count) == (chain_count, junctions)
