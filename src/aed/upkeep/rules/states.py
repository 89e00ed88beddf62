"""Whether a policy or a recall holds."""

from __future__ import annotations

from enum import StrEnum


class PolicyState(StrEnum):
    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"


class RecallState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    """No further devices fall under it."""
