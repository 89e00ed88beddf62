"""Write small OpenStreetMap extracts from coordinates in metres."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import osmium
import osmium.osm.mutable

from aed.geo import Position

ORIGIN = Position(47.14, 9.52)
_METRES_PER_DEGREE = 111_180.0
_METRES_PER_DEGREE_EAST = 111_410.0  # at the equator

type Tags = Mapping[str, str]
type Plan = Mapping[int, tuple[float, float]]


def at(east: float, north: float, *, origin: Position = ORIGIN) -> Position:
    """Return the position at metres east and north of the origin (with an error of about 0.1 %)."""
    metres_east = _METRES_PER_DEGREE_EAST * math.cos(math.radians(origin.lat))
    return Position(origin.lat + north / _METRES_PER_DEGREE, origin.lon + east / metres_east)


def write_osm(
    path: Path,
    plan: Plan,
    ways: Sequence[tuple[Sequence[int], Tags]],
    *,
    node_tags: Mapping[int, Tags] | None = None,
    origin: Position = ORIGIN,
) -> Path:
    """Write an extract to `path` with numbered nodes at (east, north) metres, and ways over them."""
    tags_of = node_tags or {}
    writer = osmium.SimpleWriter(str(path), overwrite=True)
    try:
        for number in sorted(plan):
            place = at(*plan[number], origin=origin)
            writer.add_node(
                osmium.osm.mutable.Node(
                    id=number, location=(place.lon, place.lat), tags=dict(tags_of.get(number, {})), version=1
                )
            )
        for number, (nodes, tags) in enumerate(ways, start=1):
            writer.add_way(osmium.osm.mutable.Way(id=number, nodes=list(nodes), tags=dict(tags), version=1))
    finally:
        writer.close()
    return path
