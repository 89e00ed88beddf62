"""A cache of the places on the streets of points that do not move."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aed.walking.chains import Chains
from aed.walking.footing import Footing, Footings
from aed.walking.streets import Floats

MOST_FOOTINGS_REMEMBERED = 25_000
"""Maximum number of cached footings, about 10 MB."""


class RememberedFootings:
    """A thread-safe cache of footings."""

    def __init__(self, chains: Chains, find: Callable[[Floats, Floats], Footings]) -> None:
        self._chains, self._find = chains, find
        self._known: dict[tuple[float, float], Footing | None] = {}

    def footings(self, places: Sequence[tuple[float, float]]) -> list[Footing | None]:
        """Return the footings of places (latitude, longitude); None for a place without a street nearby."""
        known = self._known
        missing = [place for place in places if place not in known]
        if not missing:
            return [known[place] for place in places]
        lats, lons = np.array(missing, dtype=np.float64).T
        found = self._find(lats, lons)
        new = {place: found.one(i, self._chains) for i, place in enumerate(missing)}
        if len(known) + len(new) > MOST_FOOTINGS_REMEMBERED:
            self._known = {}  # other threads may be reading the old dictionary
        if len(new) <= MOST_FOOTINGS_REMEMBERED:
            self._known.update(new)
        return [new[place] if place in new else known[place] for place in places]
