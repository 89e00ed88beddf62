"""Where places stand that do not move and are asked for again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aed.walking.chains import Chains
from aed.walking.footing import Footing, Footings
from aed.walking.streets import Floats

MOST_FOOTINGS_REMEMBERED = 25_000
"""About 10 MB."""


class RememberedFootings:
    """What has been found before. Any number of threads may ask."""

    def __init__(self, chains: Chains, find: Callable[[Floats, Floats], Footings]) -> None:
        self._chains, self._find = chains, find
        self._known: dict[tuple[float, float], Footing | None] = {}

    def footings(self, places: Sequence[tuple[float, float]]) -> list[Footing | None]:
        """The footings of places (latitude, longitude); None for one without a street near."""
        known = self._known
        missing = [place for place in places if place not in known]
        if not missing:
            return [known[place] for place in places]
        lats, lons = np.array(missing, dtype=np.float64).T
        found = self._find(lats, lons)
        new = {place: found.one(i, self._chains) for i, place in enumerate(missing)}
        if len(known) + len(new) > MOST_FOOTINGS_REMEMBERED:
            self._known = {}  # others may be reading the old ones
        if len(new) <= MOST_FOOTINGS_REMEMBERED:
            self._known.update(new)
        return [new[place] if place in new else known[place] for place in places]
