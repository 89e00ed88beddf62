"""Footings of places that stand still and are asked for again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from aed.walking.footing import Footings
from aed.walking.streets import Floats

MOST_FOOTINGS_REMEMBERED = 50_000
"""About 10 MB."""


class _Notes:
    """Footings in the order in which they were found, and where each place's stands."""

    def __init__(self) -> None:
        self.count = 0
        self.numbers: dict[tuple[float, float], int] = {}
        self.edge = np.empty(MOST_FOOTINGS_REMEMBERED, dtype=np.int32)
        self.along_metres = np.empty(MOST_FOOTINGS_REMEMBERED)
        self.off_metres = np.empty(MOST_FOOTINGS_REMEMBERED)


class RememberedFootings:
    """What has been found before. Any number of threads may ask: what is written is never changed."""

    def __init__(self) -> None:
        self._notes = _Notes()
        self._writing = Lock()

    def footings(self, lats: Floats, lons: Floats, find: Callable[[Floats, Floats], Footings]) -> Footings:
        """The footings of places, which `find` finds where they are not known."""
        notes, places = self._notes, list(zip(lats.tolist(), lons.tolist(), strict=True))
        numbers = list(map(notes.numbers.get, places))
        if None not in numbers:
            at = np.array(numbers, dtype=np.intp)
            return Footings(lats, lons, notes.edge[at], notes.along_metres[at], notes.off_metres[at])
        missing = [i for i, number in enumerate(numbers) if number is None]
        found = find(lats[missing], lons[missing])
        self._note([places[i] for i in missing], found)
        if len(missing) == len(places):
            return found
        at = np.array([number or 0 for number in numbers], dtype=np.intp)
        edge, along, off = notes.edge[at], notes.along_metres[at], notes.off_metres[at]
        edge[missing], along[missing], off[missing] = found.edge, found.along_metres, found.off_metres
        return Footings(lats, lons, edge, along, off)

    def _note(self, places: Sequence[tuple[float, float]], found: Footings) -> None:
        if len(places) > MOST_FOOTINGS_REMEMBERED:
            return
        with self._writing:
            notes = self._notes
            if notes.count + len(places) > MOST_FOOTINGS_REMEMBERED:
                notes = _Notes()
            new = slice(notes.count, notes.count + len(places))
            notes.edge[new], notes.along_metres[new] = found.edge, found.along_metres
            notes.off_metres[new] = found.off_metres
            notes.numbers.update(zip(places, range(new.start, new.stop), strict=True))
            notes.count, self._notes = new.stop, notes
