"""The 168 hours of a local week, and whether people are available in each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from aed.hours.evaluation import HolidayDates, Opening, hours_at

HOURS: Final = 168
DAYS_EN: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
DAYS_ZH: Final = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")

type HourStates = NDArray[np.uint8]
"""Array of shape (168,): `AWAY`, `NOT_KNOWN` or `THERE` for each hour."""

AWAY: Final = 0
NOT_KNOWN: Final = 1
THERE: Final = 2
_STATES: Final = {Opening.CLOSED: AWAY, Opening.UNKNOWN: NOT_KNOWN, Opening.OPEN: THERE}


@dataclass(frozen=True, slots=True)
class CalendarWeek:
    """Seven days from `monday`. Hour 0 starts on Monday at midnight; hour 167 is the last hour of Sunday."""

    monday: date
    time_zone: str

    @classmethod
    def coming(cls, at: datetime, time_zone: str) -> CalendarWeek:
        """Return the week of the next Monday; this week if today is a Monday."""
        today = at.astimezone(ZoneInfo(time_zone)).date()
        return cls(today + timedelta(days=-today.weekday() % 7), time_zone)

    def moment(self, hour: int) -> datetime:
        """Return the start of an hour in UTC; 168 gives the end of the week."""
        day, wall = divmod(hour, 24)
        local = datetime.combine(self.monday + timedelta(days=day), time(wall), ZoneInfo(self.time_zone))
        return local.astimezone(UTC)

    def hours_before(self, moment: datetime) -> int:
        """Return how many hours of the week have started before `moment`: 0 to 168."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        hours = (local.date() - self.monday).days * 24 + local.hour
        has_begun = (local.minute, local.second, local.microsecond) != (0, 0, 0)
        return max(0, min(HOURS, hours + has_begun))

    def hours_until_the_end_of(self, day: date) -> int:
        """Return how many hours of the week lie on or before `day`: 0 to 168."""
        return max(0, min(HOURS, ((day - self.monday).days + 1) * 24))


def name_en(hour: int) -> str:
    """Format an hour of the week, for example "Mo 09"."""
    return f"{DAYS_EN[hour // 24]} {hour % 24:02}"


def name_zh(hour: int) -> str:
    """Format an hour of the week in Chinese, for example 周一09时."""
    return f"{DAYS_ZH[hour // 24]}{hour % 24:02}时"


def hour_states(expression: str | None, week: CalendarWeek, calendar: HolidayDates | None) -> HourStates:
    """Return the lowest state within each hour; someone who leaves at half past is away for that hour.

    Without an expression, every hour is `NOT_KNOWN`.
    """
    states = np.full(HOURS, THERE if expression is not None else NOT_KNOWN, dtype=np.uint8)
    if expression is None:
        return states
    at, end = week.moment(0), week.moment(HOURS)
    while at < end:
        found = hours_at(expression, at, time_zone=week.time_zone, calendar=calendar)
        until = min(end, found.until) if found.until is not None else end
        first, last = _hour_of(week, at), week.hours_before(until)
        span = states[first:last]
        np.minimum(span, _STATES[found.state], out=span)
        at = until
    return states


def _hour_of(week: CalendarWeek, moment: datetime) -> int:
    """Return the hour of the week that contains `moment`."""
    local = moment.astimezone(ZoneInfo(week.time_zone))
    return min(HOURS, (local.date() - week.monday).days * 24 + local.hour)
