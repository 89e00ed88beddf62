"""Sessions of a course: who they are for, when one signs in, how long an offered place is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class SessionState(StrEnum):
    PLANNED = "planned"
    CANCELLED = "cancelled"
    HELD = "held"
    """Somebody attended."""


class SessionAudience(StrEnum):
    ESTATE = "estate"
    """For people of its estate."""
    PUBLIC = "public"


OFFER_LASTS: Final = timedelta(hours=24)
"""One evening and one morning to read a message and answer it."""
SIGN_IN_BEFORE: Final = timedelta(hours=2)
"""Attendance can be marked from then on: the trainer is there early, and so are some who come."""


def offer_until(at: datetime, starts_at: datetime) -> datetime | None:
    """Until when a place that is offered at `at` is kept; None: it is too late to offer one.

    A day, or half of the time that is left: so one who does not answer leaves time for the next.
    """
    if at >= starts_at:
        return None
    return min(at + OFFER_LASTS, at + (starts_at - at) / 2)


def can_sign_in(at: datetime, starts_at: datetime) -> bool:
    return at >= starts_at - SIGN_IN_BEFORE
