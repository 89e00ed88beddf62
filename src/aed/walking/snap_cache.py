"""A cache of the places on the streets of points that do not move."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aed.walking.contracted_edges import ContractedEdges
from aed.walking.snapping import SnappedPoint, SnappedPoints
from aed.walking.streets import Floats

MAX_SNAPPED_POINTS = 25_000
"""Maximum number of cached snapped points, about 10 MB."""


class SnapCache:
    """A thread-safe cache of snapped points."""

    def __init__(self, contracted: ContractedEdges, find: Callable[[Floats, Floats], SnappedPoints]) -> None:
        self._contracted, self._find = contracted, find
        self._known: dict[tuple[float, float], SnappedPoint | None] = {}

    def snap(self, places: Sequence[tuple[float, float]]) -> list[SnappedPoint | None]:
        """Return the snapped point of each (latitude, longitude); None where no street is nearby."""
        known = self._known
        missing = [place for place in places if place not in known]
        if not missing:
            return [known[place] for place in places]
        lats, lons = np.array(missing, dtype=np.float64).T
        found = self._find(lats, lons)
        new = {place: found.one(i, self._contracted) for i, place in enumerate(missing)}
        if len(known) + len(new) > MAX_SNAPPED_POINTS:
            self._known = {}  # other threads may be reading the old dictionary
        if len(new) <= MAX_SNAPPED_POINTS:
            self._known.update(new)
        return [new[place] if place in new else known[place] for place in places]
