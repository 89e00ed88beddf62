"""Calendars: whose sessions one shows."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

LOOKS_BACK: Final = timedelta(days=365)
"""What is over for longer leaves the calendar, so that it does not grow for ever."""


class CalendarKind(StrEnum):
    PERSON = "person"
    """The sessions in which the person has a place, is offered one, or waits for one."""
    TRAINER = "trainer"
    """The sessions that the person gives."""
    ESTATE = "estate"
    """The sessions of the estate."""
