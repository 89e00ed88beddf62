"""Courses: how long what they entitle to is valid."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from enum import StrEnum


class CourseState(StrEnum):
    OFFERED = "offered"
    WITHDRAWN = "withdrawn"
    """No new sessions; what was awarded stays."""


def months_after(day: date, months: int) -> date:
    """The same day of the month so many months later, or that month's last: 31 January + 1 is 28 February."""
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def last_valid_day(issued_on: date, validity_months: int) -> date:
    """36 months from 22 September 2026 end with 21 September 2029."""
    return months_after(issued_on, validity_months) - timedelta(days=1)
