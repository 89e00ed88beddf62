"""The three values of opening hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Opening(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HoursAt:
    """The state at a moment. `until` is when it changes next; None if not within about a year."""

    state: Opening
    until: datetime | None
    comment: str | None = None
