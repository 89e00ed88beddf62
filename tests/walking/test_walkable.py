"""Test which ways are walkable and which barriers are gates."""

from __future__ import annotations

import pytest

from aed.walking.walkable import access_on_foot, is_gate, not_walkable_reason


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "residential"},
        {"highway": "steps"},
        {"highway": "cycleway"},
        {"highway": "service", "access": "destination"},
        {"highway": "track", "access": "forestry"},
        {"highway": "service", "access": "private", "foot": "permissive"},
        {"highway": "service", "access": "no", "foot": "yes"},
        {"highway": "trunk", "foot": "yes"},
        {"highway": "trunk", "sidewalk": "right"},
        {"highway": "primary", "motorroad": "yes", "foot": "designated"},
        {"highway": "busway", "foot": "yes"},
    ],
)
def test_walkable_ways_are_kept(tags: dict[str, str]) -> None:
    assert not_walkable_reason(tags) is None


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "motorway"},
        {"highway": "motorway_link", "foot": "yes"},
        {"highway": "trunk"},
        {"highway": "primary", "motorroad": "yes"},
        {"highway": "construction"},
        {"highway": "proposed"},
        {"highway": "raceway"},
        {"highway": "bus_guideway"},
        {"highway": "footway", "foot": "no"},
        {"highway": "footway", "foot": "private", "access": "yes"},
        {"highway": "service", "access": "private"},
        {"highway": "service", "access": "no"},
        {},
    ],
)
def test_unwalkable_ways_are_skipped_with_the_reason(tags: dict[str, str]) -> None:
    assert not_walkable_reason(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"barrier": "gate"}, True),
        ({"barrier": "gate", "foot": "yes"}, True),
        ({"barrier": "turnstile"}, True),
        ({"barrier": "lift_gate"}, False),
        ({"barrier": "lift_gate", "access": "private"}, True),
        ({"barrier": "lift_gate", "access": "private", "foot": "yes"}, False),
        ({"barrier": "swing_gate", "locked": "yes"}, True),
        ({"barrier": "bollard"}, False),
        ({"barrier": "bollard", "access": "no"}, False),
        ({"barrier": "bollard", "foot": "no"}, True),
        ({"barrier": "kerb"}, False),
        ({"barrier": "stile"}, False),
        ({"highway": "crossing"}, False),
    ],
)
def test_gates_are_barriers_that_stop_pedestrians(tags: dict[str, str], expected: bool) -> None:
    assert is_gate(tags) is expected


def test_foot_outranks_access() -> None:
    assert access_on_foot({"access": "private", "foot": "yes"}) == "yes"
    assert access_on_foot({"access": "private"}) == "private"
    assert access_on_foot({}) is None
