"""The one search that all walks of a question come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import dijkstra

from aed.walking.blocks import Block, paid_on
from aed.walking.footing import Footings
from aed.walking.streets import Floats, Ints, Streets
from aed.walking.window import OUTSIDE, Window


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What a search of everything within `within_metres` of a start has found, legs and delays counted.

    `distance` and `predecessor` go by the window's local numbers.
    """

    streets: Streets
    within_metres: float
    start: Footings
    blocks: dict[int, Block]
    window: Window
    ends: tuple[int, int]
    """The local numbers of the ends of the start's edge."""
    end_metres: tuple[float, float]
    """From the start to each, with closures and delays."""
    distance: Floats
    predecessor: Ints


def searched(
    streets: Streets, window: Window, start: Footings, limit: float, blocks: dict[int, Block]
) -> Searched:
    """One bounded Dijkstra over a window, with these closures and delays.

    They are written into the window's lengths and taken out again: a copy would take longer than the search.
    """
    edge, along, off = int(start.edge[0]), float(start.along_metres[0]), float(start.off_metres[0])
    ends = window.local(np.array([streets.edge_u[edge], streets.edge_v[edge]])).tolist()
    end_metres = [off + along, off + max(0.0, streets.edge_metres(edge) - along)]
    if (block := blocks.get(edge)) is not None:
        end_metres[0] += block.to_first_end(along)
        end_metres[1] += block.to_last_end(along)
    metres = window.metres
    window.neighbour[-2:], metres[-2:] = ends, end_metres
    paid = paid_on(streets, window, blocks)
    without = metres[paid.at]
    metres[paid.at] += paid.metres
    try:
        distance, predecessor = dijkstra(
            window.graph, indices=window.source, return_predecessors=True, limit=limit
        )
    finally:
        metres[paid.at] = without
    distance[OUTSIDE] = np.inf
    return Searched(
        streets=streets,
        within_metres=limit,
        start=start,
        blocks=blocks,
        window=window,
        ends=(ends[0], ends[1]),
        end_metres=(end_metres[0], end_metres[1]),
        distance=distance,
        predecessor=predecessor,
    )
