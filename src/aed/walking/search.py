"""The shortest-path search from one start that all walks of a lookup use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse.csgraph import dijkstra

from aed.walking.blocks import Blocks, paid_on
from aed.walking.chains import Chains
from aed.walking.footing import Footing
from aed.walking.streets import Floats, Ints
from aed.walking.window import OUTSIDE, Window

_NOTHING_PAID: Final = nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """The result of a search within `within_metres` of a start, including legs and delays.

    `distance` and `predecessor` are indexed by the window's local junction numbers.
    """

    chains: Chains
    within_metres: float
    start: Footing
    blocks: Blocks
    window: Window
    ends: tuple[int, int]
    """Local numbers of the junctions at the ends of the start's chain."""
    end_metres: tuple[float, float]
    """Metres from the start to each end, including closures and delays."""
    distance: Floats
    predecessor: Ints


def searched(chains: Chains, window: Window, start: Footing, limit: float, blocks: Blocks) -> Searched:
    """Run one bounded Dijkstra search on a window, with closures and delays.

    Delays are added to the window's lengths and removed afterwards, since copying would take longer than the
    search.
    """
    number = window.numbers()
    first, last = number(start.first_end), number(start.last_end)
    to_first, to_last = start.off_metres + start.first_metres, start.off_metres + start.last_metres
    if start.chain in blocks:
        to_first += blocks.to_first_end(start)
        to_last += blocks.to_last_end(start)
    neighbour, metres = window.neighbour, window.metres
    neighbour[-2], neighbour[-1], metres[-2], metres[-1] = first, last, to_first, to_last
    with window.graph() as graph, _paid(chains, window, blocks) if blocks else _NOTHING_PAID:
        distance, predecessor = dijkstra(graph, indices=window.source, return_predecessors=True, limit=limit)
    distance[OUTSIDE] = np.inf
    return Searched(
        chains=chains,
        within_metres=limit,
        start=start,
        blocks=blocks,
        window=window,
        ends=(first, last),
        end_metres=(to_first, to_last),
        distance=distance,
        predecessor=predecessor,
    )


@contextmanager
def _paid(chains: Chains, window: Window, blocks: Blocks) -> Iterator[None]:
    """Add closures and delays to a window's lengths for the duration of the `with` block."""
    paid = paid_on(chains, window, blocks)
    without = window.metres[paid.at]
    window.metres[paid.at] += paid.metres
    try:
        yield
    finally:
        window.metres[paid.at] = without
