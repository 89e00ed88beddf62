"""Feeds: lists of devices that are fetched on a timetable, and when the next run is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import Table, enum_column

FIRST_RETRY: Final = timedelta(minutes=15)
MAX_RETRY_WAIT: Final = timedelta(days=1)
"""After failures; a feed that is followed less often than that waits no longer than always."""
MAX_HOURS: Final = 24 * 31


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
    longest = max(every, MAX_RETRY_WAIT)
    wait = min(min(FIRST_RETRY, every) * (1 << min(failures - 1, 20)), longest)
    return at + min(max(wait, asked_to_wait or wait), longest)


# --- Feeds ----------------------------------------------------------------------------------------------


class Feed(Table):
    """A list of devices that is followed on a timetable."""

    __tablename__ = "feeds"
    __table_args__ = (
        CheckConstraint("every_hours BETWEEN 1 AND 744", name="every_hours"),
        CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", name="claimed"),
    )

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    form: Mapped[str | None] = mapped_column(String(32))
    """The format; None: recognised."""
    mapping: Mapped[str | None] = mapped_column(Text)
    """The text of a mapping file."""
    region: Mapped[str | None] = mapped_column(String(32))
    """The code of the region for new devices whose row names none."""
    source: Mapped[str | None] = mapped_column(String(64))
    """Who keeps the list, where its format does not say so."""
    every_hours: Mapped[int]
    next_due_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)
    """One after the other, up to now."""
    last_tried_at: Mapped[datetime | None]
    last_result: Mapped[FeedResult | None] = mapped_column(enum_column(FeedResult))
    last_message: Mapped[str | None] = mapped_column(Text)
    """A sentence about the last try."""
    last_imported_at: Mapped[datetime | None]
    """When the register was last known to hold what the feed says."""
    etag: Mapped[str | None] = mapped_column(String(512))
    """Of the version that was taken whole; so are the next two."""
    last_modified: Mapped[str | None] = mapped_column(String(512))
    digest: Mapped[str | None] = mapped_column(String(64))
    claim: Mapped[str | None] = mapped_column(String(32))
    """Whoever holds it runs the feed, until then; nobody else does."""
    claimed_until: Mapped[datetime | None]
