"""The kinds of special days that a holiday calendar holds."""

from __future__ import annotations

from enum import StrEnum


class DayKind(StrEnum):
    HOLIDAY = "holiday"
    WORKDAY = "workday"
    """A weekend day that is worked to make up for a holiday (调休)."""
