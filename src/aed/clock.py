"""The time. Asked only at the edges: endpoints, commands and jobs; everything below is told the moment."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
