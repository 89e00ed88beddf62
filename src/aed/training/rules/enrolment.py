"""Enrolments: what one can be, and what it may become."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class EnrolmentState(StrEnum):
    ENROLLED = "enrolled"
    WAITING = "waiting"
    OFFERED = "offered"
    """A place was set free and is kept for the person until a moment."""
    WITHDRAWN = "withdrawn"
    """By the person, or for the person."""
    LAPSED = "lapsed"
    """A place was offered and not taken in time."""
    CANCELLED = "cancelled"
    """The session was."""
    MOVED = "moved"
    """To another session, where there is an enrolment of its own."""


HOLDS_A_PLACE: Final = (EnrolmentState.ENROLLED, EnrolmentState.OFFERED)
STANDS: Final = (EnrolmentState.ENROLLED, EnrolmentState.WAITING, EnrolmentState.OFFERED)
"""On the roster or its waiting list."""


class AttendanceState(StrEnum):
    ATTENDED = "attended"
    NO_SHOW = "no_show"


class MarkedBy(StrEnum):
    """How attendance became known."""

    HAND = "hand"
    LIST = "list"
    CODE = "code"
    """By the person, with the code on the trainer's screen."""


def state_on_arrival(*, capacity: int, places_held: int, waiting: int) -> EnrolmentState:
    """Nobody passes those who wait, even where a place is free."""
    if places_held < capacity and waiting == 0:
        return EnrolmentState.ENROLLED
    return EnrolmentState.WAITING


def places_to_offer(*, capacity: int, places_held: int, waiting: int) -> int:
    """How many of those who wait are offered a place now, first come first."""
    return max(0, min(capacity - places_held, waiting))
