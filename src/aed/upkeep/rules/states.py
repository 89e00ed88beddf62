"""Whether a policy, a recall or a report still stands."""

from __future__ import annotations

from enum import StrEnum


class PolicyState(StrEnum):
    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"


class RecallState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    """No further devices fall under it."""


class ReportState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    """Somebody of the house says that it is so."""
    DISMISSED = "dismissed"
    """Somebody of the house says that it is not so."""
    ANSWERED = "answered"
    """The device was checked since."""
