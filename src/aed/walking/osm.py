"""Read walkable ways and gates from an OpenStreetMap extract."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import osmium
import osmium.filter
import osmium.osm
from numpy.typing import NDArray

from aed.errors import InvalidInput, NetworkFileUnusable
from aed.walking.walkable import access_on_foot, is_gate, not_walkable_reason


@dataclass(frozen=True, slots=True)
class GateNode:
    """An OSM node with a gate; coordinates in 1e-7 degrees."""

    osm_id: int
    lat: int
    lon: int
    access: str | None
    locked: bool
    opening_hours: str | None


@dataclass(frozen=True, slots=True)
class Extract:
    """The walkable lines of an extract, concatenated in three parallel arrays.

    Line k is `node_ids[line_start[k]:line_start[k + 1]]` and has at least two nodes. A way is one line, or
    several if some of its nodes are missing from the extract. Coordinates are in 1e-7 degrees.
    """

    line_start: NDArray[np.int64]
    node_ids: NDArray[np.int64]
    lat: NDArray[np.int32]
    lon: NDArray[np.int32]
    gates: dict[int, GateNode]


def read_extract(source: Path, *, progress: Callable[[str], None]) -> Extract:
    """Read the walkable lines and gate nodes of `source` (.osm.pbf, .osm, .osm.gz, .osm.bz2).

    Counts omitted ways and reports them through `progress`. Raises NetworkFileUnusable if the file cannot be
    read, and InvalidInput if it contains no walkable ways.
    """
    _classify(source)
    left_out: Counter[str] = Counter()
    line_start = array("q", [0])
    node_ids, lat, lon = array("q"), array("i"), array("i")
    gates: dict[int, GateNode] = {}
    ways = walkable_ways = missing_nodes = 0
    try:
        entities = (
            osmium.FileProcessor(str(source))
            .with_locations()
            .with_filter(osmium.filter.KeyFilter("highway", "barrier"))
        )
        for entity in entities:
            if isinstance(entity, osmium.osm.Node):
                tags = dict(entity.tags)
                if is_gate(tags) and entity.location.valid():
                    gates[entity.id] = GateNode(
                        osm_id=entity.id,
                        lat=entity.location.y,
                        lon=entity.location.x,
                        access=access_on_foot(tags),
                        locked=tags.get("locked") == "yes",
                        opening_hours=tags.get("opening_hours"),
                    )
            elif isinstance(entity, osmium.osm.Way):
                tags = dict(entity.tags)
                if "highway" not in tags:
                    continue
                ways += 1
                reason = not_walkable_reason(tags)
                if reason is not None:
                    left_out[reason] += 1
                    continue
                walkable_ways += 1
                for node in entity.nodes:
                    if not node.location.valid():
                        missing_nodes += 1
                        _end_line(line_start, node_ids, lat, lon)
                    elif len(node_ids) == line_start[-1] or node_ids[-1] != node.ref:
                        node_ids.append(node.ref)
                        lat.append(node.y)
                        lon.append(node.x)
                _end_line(line_start, node_ids, lat, lon)
    except (RuntimeError, ValueError, OSError) as failure:  # what osmium raises on a file it cannot read
        raise NetworkFileUnusable(
            "{source} is not a complete OpenStreetMap file ({failure}). Download it again, "
            "or check it with `osmium fileinfo --extended`.",
            field="source",
            source=source,
            failure=failure,
        ) from failure
    progress(f"{walkable_ways} of {ways} highways are walkable")
    for reason, count in left_out.most_common():
        progress(f"skipped {count} with {reason}")
    if missing_nodes:
        progress(f"cut at {missing_nodes} nodes that are not in the extract")
    if len(line_start) == 1:
        raise InvalidInput(_nothing_to_walk_on(source, ways, missing_nodes), field="source")
    return Extract(
        line_start=np.frombuffer(line_start, dtype=np.int64),
        node_ids=np.frombuffer(node_ids, dtype=np.int64),
        lat=np.frombuffer(lat, dtype=np.int32),
        lon=np.frombuffer(lon, dtype=np.int32),
        gates=gates,
    )


def _classify(source: Path) -> None:
    """Raise NetworkFileUnusable if `source` is missing, empty or cannot be opened."""
    try:
        size = source.stat().st_size if source.is_file() else None
    except OSError as failure:
        raise NetworkFileUnusable(
            "{source} cannot be opened ({strerror}).",
            field="source",
            source=source,
            strerror=failure.strerror,
        ) from failure
    if size is None:
        raise NetworkFileUnusable(
            "There is no file {source}. Name an OpenStreetMap extract, for example country.osm.pbf.",
            field="source",
            source=source,
        )
    if size == 0:
        raise NetworkFileUnusable("{source} is empty. Download it again.", field="source", source=source)


def _end_line(line_start: array[int], node_ids: array[int], lat: array[int], lon: array[int]) -> None:
    """End the current line, or discard it if it has a single node."""
    if len(node_ids) - line_start[-1] == 1:
        node_ids.pop()
        lat.pop()
        lon.pop()
    elif len(node_ids) > line_start[-1]:
        line_start.append(len(node_ids))


def _nothing_to_walk_on(source: Path, ways: int, missing_nodes: int) -> str:
    if missing_nodes:
        return (
            f"{source} contains no positions for the nodes of its ways. Use an extract that has them, "
            "with nodes before ways (`osmium sort`)."
        )
    if ways:
        return f"{source} contains {ways} highways, none of which is walkable."
    return f"{source} contains no highways. Use an OpenStreetMap extract that contains streets."
