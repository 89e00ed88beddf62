"""A list that is followed on a timetable: when it is due, and how a try can end."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

FIRST_RETRY: Final = timedelta(minutes=15)
LONGEST_WAIT: Final = timedelta(days=1)
"""After failures; a feed that is followed less often than that waits no longer than always."""
MOST_HOURS: Final = 24 * 31


class FeedResult(StrEnum):
    """How the last try ended."""

    TAKEN = "taken"
    UNCHANGED = "unchanged"
    HELD_BACK = "held_back"
    """Taken but for the devices that it no longer lists, which are too many to be believed."""
    FAILED = "failed"
    """Nothing was taken."""


def next_due(
    at: datetime, *, every_hours: int, failures: int, asked_to_wait: timedelta | None = None
) -> datetime:
    """When a feed that was tried at `at` is tried again.

    After a success as often as it is followed. After a failure sooner, in case that it was a hiccup; then
    twice as long each time, up to `LONGEST_WAIT` (or as often as it is followed, where that is longer).
    Never sooner than the server asked for, within that.
    """
    every = timedelta(hours=every_hours)
    if failures == 0:
        return at + every
    longest = max(every, LONGEST_WAIT)
    wait = min(min(FIRST_RETRY, every) * (1 << min(failures - 1, 20)), longest)
    return at + min(max(wait, asked_to_wait or wait), longest)
