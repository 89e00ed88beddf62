"""Feeds: lists of devices that are fetched on a schedule, and when the next run is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import Table, enum_column

FIRST_RETRY: Final = timedelta(minutes=15)
MAX_RETRY_WAIT: Final = timedelta(days=1)
"""Maximum wait after failures; a feed with a longer interval keeps that interval."""
MAX_HOURS: Final = 24 * 31


class FeedResult(StrEnum):
    """The result of the last run."""

    TAKEN = "taken"
    UNCHANGED = "unchanged"
    HELD_BACK = "held_back"
    """Imported, except that too many devices were missing, so that a person must decide."""
    FAILED = "failed"
    """Nothing was imported."""


def next_due(
    at: datetime, *, every_hours: int, failures: int, asked_to_wait: timedelta | None = None
) -> datetime:
    """Return when a feed that was tried at `at` is due again.

    After a success, wait for the regular interval. After a failure, wait less at first, then double the wait
    each time up to `MAX_RETRY_WAIT` or the regular interval, whichever is longer. Wait at least as long as
    the server asked, within that limit.
    """
    every = timedelta(hours=every_hours)
    if failures == 0:
        return at + every
    longest = max(every, MAX_RETRY_WAIT)
    wait = min(min(FIRST_RETRY, every) * (1 << min(failures - 1, 20)), longest)
    return at + min(max(wait, asked_to_wait or wait), longest)


# --- Feeds ----------------------------------------------------------------------------------------------


class Feed(Table):
    """A list of devices that is fetched on a schedule."""

    __tablename__ = "feeds"
    __table_args__ = (
        CheckConstraint("every_hours BETWEEN 1 AND 744", name="every_hours"),
        CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", name="claimed"),
    )

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    form: Mapped[str | None] = mapped_column(String(32))
    """The format; None to recognise it."""
    mapping: Mapped[str | None] = mapped_column(Text)
    """The text of a mapping file."""
    region: Mapped[str | None] = mapped_column(String(32))
    """The code of the region for new devices whose row names none."""
    source: Mapped[str | None] = mapped_column(String(64))
    """The publisher of the list, if its format does not name it."""
    every_hours: Mapped[int]
    next_due_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)
    """Number of consecutive failures."""
    last_tried_at: Mapped[datetime | None]
    last_result: Mapped[FeedResult | None] = mapped_column(enum_column(FeedResult))
    last_message: Mapped[str | None] = mapped_column(Text)
    """A sentence about the last run."""
    last_imported_at: Mapped[datetime | None]
    """When the register last matched the feed."""
    etag: Mapped[str | None] = mapped_column(String(512))
    """ETag, Last-Modified and digest describe the version that was last imported in full."""
    last_modified: Mapped[str | None] = mapped_column(String(512))
    digest: Mapped[str | None] = mapped_column(String(64))
    claim: Mapped[str | None] = mapped_column(String(32))
    """The token of the worker that runs the feed; exclusive until `claimed_until`."""
    claimed_until: Mapped[datetime | None]
