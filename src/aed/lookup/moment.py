"""What counts as a moment to ask about."""

from __future__ import annotations

from datetime import datetime

from aed.errors import InvalidInput

EARLIEST_YEAR, LATEST_YEAR = 2000, 2100


def check_moment(at: datetime) -> datetime:
    """`at`, if it has an offset and a year that can be meant. Raises InvalidInput (field `at`)."""
    if at.utcoffset() is None:
        raise InvalidInput(
            "at needs an offset, such as 2026-10-01T10:00:00+08:00 (a plus in a URL is %2B).", field="at"
        )
    if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
        raise InvalidInput(f"at must lie between {EARLIEST_YEAR} and {LATEST_YEAR}.", field="at")
    return at


def parse_moment(text: str) -> datetime:
    """A moment from ISO 8601 text."""
    try:
        return check_moment(datetime.fromisoformat(text))
    except ValueError:
        raise InvalidInput("at must read like 2026-10-01T10:00:00+08:00.", field="at") from None
