"""Generate street grids of any size, reproducible by seed, for tests and benchmarks."""

from __future__ import annotations

import math

import numpy as np

from aed.geo import Position
from aed.walking.network import WalkingNetwork
from aed.walking.streets import UNITS_PER_DEGREE, lay_out

SOUTH_WEST = Position(30.0, 119.5)
_METRES_PER_DEGREE = 111_000.0


def street_grid(nodes: int, *, seed: int = 1, block_metres: float = 60.0) -> WalkingNetwork:
    """Return a square grid of streets with about `nodes` corners (1 % have no street and are missing).

    Corners are shifted by up to a fifth of a block. A third of the streets between corners is missing (which
    leaves 1.3 streets per corner, as on real maps), and half of the others bend in the middle.
    """
    random = np.random.default_rng(seed)
    side = math.isqrt(nodes)
    corner = np.arange(side * side).reshape(side, side)
    shift = random.uniform(-0.2, 0.2, (2, side, side))
    north = (np.arange(side)[:, None] + shift[0]).ravel() * block_metres
    east = (np.arange(side)[None, :] + shift[1]).ravel() * block_metres
    u = np.concatenate([corner[:, :-1].ravel(), corner[:-1].ravel()])
    v = np.concatenate([corner[:, 1:].ravel(), corner[1:].ravel()])
    kept = random.random(len(u)) < 0.66
    u, v = u[kept], v[kept]
    bends = random.random(len(u)) < 0.5

    point_start = np.zeros(len(u) + 1, dtype=np.int32)
    point_start[1:] = np.cumsum(2 + bends)
    first, last, middle = point_start[:-1], point_start[1:] - 1, point_start[:-1][bends] + 1
    units: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
    scales = (_METRES_PER_DEGREE, _METRES_PER_DEGREE * math.cos(math.radians(SOUTH_WEST.lat)))
    for metres, origin, scale in zip((north, east), (SOUTH_WEST.lat, SOUTH_WEST.lon), scales, strict=True):
        line = np.empty(int(point_start[-1]))
        line[first], line[last] = metres[u], metres[v]
        bend = random.uniform(-0.1, 0.1, int(bends.sum())) * block_metres
        line[middle] = (metres[u] + metres[v])[bends] / 2 + bend
        units.append(np.round((origin + line / scale) * UNITS_PER_DEGREE).astype(np.int32))
    used = np.unique(np.concatenate([u, v]))
    nothing = np.zeros(0, dtype=np.int32)
    return WalkingNetwork(
        lay_out(
            edge_u=np.searchsorted(used, u).astype(np.int32),
            edge_v=np.searchsorted(used, v).astype(np.int32),
            point_start=point_start,
            point_lat=units[0],
            point_lon=units[1],
            gate_u=nothing,
            gate_v=nothing,
            gate_lat=nothing,
            gate_lon=nothing,
            gate_first=nothing,
        ),
        barriers=(),
    )


def middle_of_grid(nodes: int, *, block_metres: float = 60.0) -> Position:
    """Return the middle of the grid with these arguments."""
    return grid_position(nodes, 0.5, 0.5, block_metres=block_metres)


def grid_position(nodes: int, north: float, east: float, *, block_metres: float = 60.0) -> Position:
    """Return a position in the grid, given as fractions (0 to 1) of its side."""
    side_metres = (math.isqrt(nodes) - 1) * block_metres
    across = _METRES_PER_DEGREE * math.cos(math.radians(SOUTH_WEST.lat))
    return Position(
        SOUTH_WEST.lat + north * side_metres / _METRES_PER_DEGREE,
        SOUTH_WEST.lon + east * side_metres / across,
    )
