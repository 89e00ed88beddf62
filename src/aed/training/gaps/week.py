"""A week of 168 hours on the clocks of one place, and who is there in which of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from aed.hours.evaluation import HolidayCalendar, Opening, hours_at

HOURS: Final = 168
DAYS_EN: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
DAYS_ZH: Final = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")

type HourStates = NDArray[np.uint8]
"""What holds in each hour, as `AWAY`, `NOT_KNOWN` or `THERE`."""

AWAY: Final = 0
NOT_KNOWN: Final = 1
THERE: Final = 2
_STATES: Final = {Opening.CLOSED: AWAY, Opening.UNKNOWN: NOT_KNOWN, Opening.OPEN: THERE}


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from `monday` on. Hour 0 begins at midnight of Monday, hour 167 is the last of Sunday."""

    monday: date
    time_zone: str

    @classmethod
    def coming(cls, at: datetime, time_zone: str) -> Week:
        """The week in which it will be Monday next; today's, where it is Monday."""
        today = at.astimezone(ZoneInfo(time_zone)).date()
        return cls(today + timedelta(days=-today.weekday() % 7), time_zone)

    def moment(self, hour: int) -> datetime:
        """When an hour begins, in UTC. 168 is the end of the week."""
        day, wall = divmod(hour, 24)
        local = datetime.combine(self.monday + timedelta(days=day), time(wall), ZoneInfo(self.time_zone))
        return local.astimezone(UTC)

    def hours_before(self, moment: datetime) -> int:
        """How many hours of the week have begun before that moment: 0 to 168."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        hours = (local.date() - self.monday).days * 24 + local.hour
        has_begun = (local.minute, local.second, local.microsecond) != (0, 0, 0)
        return max(0, min(HOURS, hours + has_begun))

    def hours_until_the_end_of(self, day: date) -> int:
        """How many hours of the week lie on that day or before it: 0 to 168."""
        return max(0, min(HOURS, ((day - self.monday).days + 1) * 24))


def name_en(hour: int) -> str:
    return f"{DAYS_EN[hour // 24]} {hour % 24:02}"


def name_zh(hour: int) -> str:
    return f"{DAYS_ZH[hour // 24]}{hour % 24:02}时"


def hour_states(expression: str | None, week: Week, calendar: HolidayCalendar | None) -> HourStates:
    """Of each hour the least that holds within it: whoever leaves at half past is not there in that hour.

    Without an expression nothing is known of any.
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


def _hour_of(week: Week, moment: datetime) -> int:
    """The hour in which that moment of the week lies."""
    local = moment.astimezone(ZoneInfo(week.time_zone))
    return min(HOURS, (local.date() - week.monday).days * 24 + local.hour)
