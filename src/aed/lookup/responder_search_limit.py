"""How often somebody may be shown responders: a lookup by a dispatcher, a test, an exercise."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

WITHIN: Final = timedelta(hours=1)


class ResponderLookups:
    """Counts lookups by token or person over the last hour, in this process; safe to share by threads.

    It is not kept in the database: on SQLite a lookup would wait for whoever writes at that moment.
    """

    def __init__(self, max_per_hour: int) -> None:
        self._max = max_per_hour
        self._lock = Lock()
        self._moments: dict[str, deque[datetime]] = {}

    def count(self, asker: str, at: datetime) -> int | None:
        """Count one more lookup and return how many that are within the hour; None: it is over the limit."""
        with self._lock:
            self._forget(at - WITHIN)
            moments = self._moments.setdefault(asker, deque())
            if len(moments) >= self._max:
                return None
            moments.append(at)
            return len(moments)

    def _forget(self, until: datetime) -> None:
        for asker, moments in list(self._moments.items()):
            while moments and moments[0] <= until:
                moments.popleft()
            if not moments:
                del self._moments[asker]
