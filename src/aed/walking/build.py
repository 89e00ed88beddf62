"""Build a walking network from an OpenStreetMap extract."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from aed.errors import InvalidInput
from aed.geo import Position
from aed.walking.network import Barrier, Crossing, WalkingNetwork
from aed.walking.osm import Extract, GateNode, read_extract
from aed.walking.streets import MAX_PIECE_METRES, UNITS_PER_DEGREE, Ints, Longs, lay_out, line_metres

# Points would be snapped to an isolated piece of path that leads nowhere.
_ISLAND_METRES = 200.0
_ISLAND_SHARE = 0.01


def build_network(source: Path, *, progress: Callable[[str], None] | None = None) -> WalkingNetwork:
    """Build the walking network of an OpenStreetMap extract (.osm.pbf, .osm, .osm.gz, .osm.bz2).

    1. Read walkable ways and the gates on them.
    2. Split ways where they meet, end, or pass a gate, and into pieces of at most 100 m (adding points to
       longer straight lines).
    3. Turn each gate into an edge of zero length between the sides of its node.
    4. Omit isolated pieces of at most 200 m (never more than 1 % of the largest component).
    5. Sort everything by location and index it.

    Reports omissions through `progress`. Raises NetworkFileUnusable if the file cannot be read, and
    InvalidInput if it contains no walkable ways.
    """
    say = progress if progress is not None else _no_progress
    extract = read_extract(source, progress=say)
    pieces = _split_lines(extract)
    gates = _place_gates(extract, pieces, say)
    return _assemble(pieces, gates, say)


def _no_progress(message: str) -> None:
    """Ignore a progress message."""


@dataclass(slots=True)
class _Pieces:
    """Edges under construction: end nodes and concatenated lines."""

    u: array[int] = field(default_factory=lambda: array("q"))
    v: array[int] = field(default_factory=lambda: array("q"))
    point_start: array[int] = field(default_factory=lambda: array("q", [0]))
    lat: array[int] = field(default_factory=lambda: array("i"))
    lon: array[int] = field(default_factory=lambda: array("i"))
    node_count: int = 0
    # By OSM id of the gate: the node of each piece that ends there, its line, and the position on the line.
    gate_ends: dict[int, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))

    def new_node(self) -> int:
        self.node_count += 1
        return self.node_count - 1

    def end_piece(self, u: int, v: int) -> None:
        self.u.append(u)
        self.v.append(v)
        self.point_start.append(len(self.lat))


@dataclass(slots=True)
class _GateEdges:
    """Gate edges under construction, those of one gate adjacent; `first` is the index of its first edge."""

    u: list[int] = field(default_factory=list)
    v: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    node: list[GateNode] = field(default_factory=list)
    # Nodes that are on the same side of a gate, and the node that replaces them.
    same_node: dict[int, int] = field(default_factory=dict)


def _split_lines(extract: Extract) -> _Pieces:
    """Split lines into pieces. Each piece that ends at a gate gets a separate node there."""
    ids, index = np.unique(extract.node_ids, return_inverse=True)
    junction = np.bincount(index, minlength=len(ids)) > 1
    is_vertex = junction[index]
    is_vertex[extract.line_start[:-1]] = True
    is_vertex[extract.line_start[1:] - 1] = True
    if extract.gates:
        is_vertex |= np.isin(extract.node_ids, np.fromiter(extract.gates, dtype=np.int64))
    step_metres = line_metres(extract.lat, extract.lon).tolist()
    vertex: list[bool] = is_vertex.tolist()
    node_of: list[int] = index.tolist()
    osm_id, lat, lon = extract.node_ids.tolist(), extract.lat.tolist(), extract.lon.tolist()
    pieces = _Pieces(node_count=len(ids))

    def end_node(line: int, at: int) -> int:
        if osm_id[at] not in extract.gates:
            return node_of[at]
        node = pieces.new_node()
        pieces.gate_ends[osm_id[at]].append((node, line, at))
        return node

    starts = extract.line_start.tolist()
    for line, (begin, end) in enumerate(pairwise(starts)):
        u, metres = end_node(line, begin), 0.0
        pieces.lat.append(lat[begin])
        pieces.lon.append(lon[begin])
        for at in range(begin + 1, end):
            step = step_metres[at - 1]
            if metres > 0 and metres + step > MAX_PIECE_METRES:
                u = _break_at(pieces, u, node_of[at - 1], lat[at - 1], lon[at - 1])
                metres = 0.0
            parts = int(step // MAX_PIECE_METRES) + 1 if step > MAX_PIECE_METRES else 1
            for part in range(1, parts):
                share = part / parts
                new_lat = round(lat[at - 1] + share * (lat[at] - lat[at - 1]))
                new_lon = round(lon[at - 1] + share * (lon[at] - lon[at - 1]))
                pieces.lat.append(new_lat)
                pieces.lon.append(new_lon)
                u = _break_at(pieces, u, pieces.new_node(), new_lat, new_lon, is_added=True)
            metres += step / parts
            pieces.lat.append(lat[at])
            pieces.lon.append(lon[at])
            if vertex[at]:
                pieces.end_piece(u, end_node(line, at))
                if at + 1 < end:
                    u, metres = end_node(line, at), 0.0
                    pieces.lat.append(lat[at])
                    pieces.lon.append(lon[at])
    return pieces


def _break_at(pieces: _Pieces, u: int, node: int, lat: int, lon: int, *, is_added: bool = False) -> int:
    """End the piece at its last point, start the next one there, and return the node where they meet."""
    pieces.end_piece(u, node)
    pieces.lat.append(lat)
    pieces.lon.append(lon)
    return node


def _place_gates(extract: Extract, pieces: _Pieces, say: Callable[[str], None]) -> _GateEdges:
    """Create the gate edges that join the sides of each gate.

    Each piece that ends at a gate is a separate side, with one exception: if a single way passes through and
    others end there (a drive whose gate was mapped on the street), both pieces of the way that passes through
    are one side. Two sides are joined by one edge, more by a star, so that every path between sides passes
    the gate. A gate at a dead end blocks nothing and is omitted.
    """
    gates = _GateEdges()
    dead_ends = 0
    for osm_id in sorted(pieces.gate_ends):
        ends = pieces.gate_ends[osm_id]
        by_place: dict[tuple[int, int], list[int]] = defaultdict(list)
        for node, line, at in ends:
            by_place[line, at].append(node)
        through = [nodes for nodes in by_place.values() if len(nodes) == 2]
        if len(through) == 1 and len(by_place) > 1:
            gates.same_node[through[0][1]] = through[0][0]
        sides = [node for node, _, _ in ends if node not in gates.same_node]
        if len(sides) < 2:
            dead_ends += 1
            continue
        first = len(gates.u)
        if len(sides) == 2:
            spokes = [(sides[0], sides[1])]
        else:
            hub = pieces.new_node()
            spokes = [(side, hub) for side in sides]
        for u, v in spokes:
            gates.u.append(u)
            gates.v.append(v)
            gates.first.append(first)
            gates.node.append(extract.gates[osm_id])
    say(f"{len(set(gates.first))} gates can be closed")
    if dead_ends:
        say(f"skipped {dead_ends} gates at dead ends")
    return gates


def _assemble(pieces: _Pieces, gates: _GateEdges, say: Callable[[str], None]) -> WalkingNetwork:
    representatives = np.arange(pieces.node_count)
    representatives[list(gates.same_node)] = list(gates.same_node.values())
    edge_u, edge_v = representatives[np.array(pieces.u)], representatives[np.array(pieces.v)]
    gate_u, gate_v = np.array(gates.u, dtype=np.int64), np.array(gates.v, dtype=np.int64)
    point_start = np.array(pieces.point_start)
    point_lat, point_lon = np.array(pieces.lat, dtype=np.int32), np.array(pieces.lon, dtype=np.int32)

    total = np.zeros(len(point_lat))
    total[1:] = np.cumsum(line_metres(point_lat, point_lon))
    metres = total[point_start[1:] - 1] - total[point_start[:-1]]
    tails, heads = np.concatenate([edge_u, gate_u]), np.concatenate([edge_v, gate_v])
    joined = coo_matrix((np.ones(len(tails)), (tails, heads)), shape=(pieces.node_count, pieces.node_count))
    part_count, part = connected_components(joined, directed=False)
    part_metres = np.bincount(part[edge_u], weights=metres, minlength=part_count)
    is_island = (part_metres <= _ISLAND_METRES) & (part_metres <= _ISLAND_SHARE * part_metres.max())
    kept, gate_kept = ~is_island[part[edge_u]], ~is_island[part[gate_u]]
    left_out = int((is_island & (part_metres > 0)).sum())
    if left_out:
        gone = metres[~kept].sum()
        say(f"skipped {left_out} disconnected parts, {gone:.0f} m in total")
    if metres.max(initial=0.0) == 0.0:
        raise InvalidInput("All streets in this file have length 0.", field="source")

    used = np.unique(np.concatenate([edge_u[kept], edge_v[kept], gate_u[gate_kept], gate_v[gate_kept]]))
    counts = np.diff(point_start)[kept]
    new_start = np.concatenate([[0], np.cumsum(counts)])
    points = np.arange(new_start[-1]) + np.repeat(point_start[:-1][kept] - new_start[:-1], counts)
    nodes = [node for node, is_kept in zip(gates.node, gate_kept.tolist(), strict=True) if is_kept]
    old_first = np.array(gates.first, dtype=np.int64)[gate_kept]
    gate_first = np.searchsorted(old_first, old_first)
    streets = lay_out(
        edge_u=_numbered(used, edge_u[kept]),
        edge_v=_numbered(used, edge_v[kept]),
        point_start=new_start.astype(np.int32),
        point_lat=point_lat[points],
        point_lon=point_lon[points],
        gate_u=_numbered(used, gate_u[gate_kept]),
        gate_v=_numbered(used, gate_v[gate_kept]),
        gate_lat=np.array([node.lat for node in nodes], dtype=np.int32),
        gate_lon=np.array([node.lon for node in nodes], dtype=np.int32),
        gate_first=gate_first.astype(np.int32),
    )
    barriers = [
        Barrier(
            osm_id=nodes[i].osm_id,
            position=Position(nodes[i].lat / UNITS_PER_DEGREE, nodes[i].lon / UNITS_PER_DEGREE),
            crossing=Crossing(streets.street_count + i, 0.0),
            access=nodes[i].access,
            locked=nodes[i].locked,
            opening_hours=nodes[i].opening_hours,
        )
        for i in sorted(set(gate_first.tolist()))
    ]
    network = WalkingNetwork(streets, barriers)
    say(f"{network.node_count} nodes, {network.edge_count} edges, {metres[kept].sum() / 1000:.0f} km")
    return network


def _numbered(used: Longs, nodes: Longs) -> Ints:
    """Return the nodes renumbered without gaps, as indices into `used`."""
    return np.searchsorted(used, nodes).astype(np.int32)
