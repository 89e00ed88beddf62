"""Boundaries of estates are taken up to the limits of coordinates, extent and vertices."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aed.errors import InvalidInput
from aed.registry.estates.rules import MAX_VERTICES, parse_boundary


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.mark.parametrize(
    "given",
    [(-180, 0, -179.99, 0.01), (179.99, 0, 180, 0.01), (0, -90, 0.01, -89.99), (0, 89.99, 0.01, 90)],
    ids=["west", "east", "south", "north"],
)
def test_an_estate_may_lie_at_the_edge_of_the_map(given: tuple[float, float, float, float]) -> None:
    assert parse_boundary(box(*given)).bounds == given


@pytest.mark.parametrize(
    "given",
    [
        *((-180.01, 0, -179.99, 0.01), (179.99, 0, 180.01, 0.01)),
        *((0, -90.01, 0.01, -89.99), (0, 89.99, 0.01, 90.01)),
    ],
    ids=["west", "east", "south", "north"],
)
def test_coordinates_beyond_the_map_are_refused(given: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput, match="out of range") as refused:
        parse_boundary(box(*given))
    assert refused.value.field == "boundary"


def test_an_estate_extends_over_at_most_one_degree() -> None:
    assert parse_boundary(box(9, 47, 10, 48)).bounds == (9, 47, 10, 48)
    for larger in (box(9, 47, 10.01, 48), box(9, 47, 10, 48.01)):
        with pytest.raises(InvalidInput, match="more than one degree"):
            parse_boundary(larger)


def test_a_boundary_has_a_limited_number_of_vertices() -> None:
    def outline(vertices: int) -> dict[str, Any]:
        """Return a half disc: its first vertex is also its last."""
        turns = [math.pi * each / (vertices - 2) for each in range(vertices - 1)]
        ring = [[9 + 0.1 * math.cos(each), 47 + 0.1 * math.sin(each)] for each in turns]
        return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}

    assert parse_boundary(outline(MAX_VERTICES)).is_valid
    with pytest.raises(InvalidInput, match=f"at most {MAX_VERTICES} vertices"):
        parse_boundary(outline(MAX_VERTICES + 1))
