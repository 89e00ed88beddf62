"""Four parts of a week: day, evening, night and weekend."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from aed.planning.arrests import share_of_arrests

HOURS: Final = 168
_WEEKEND_BEGINS: Final = 5
_DAY_BEGINS, _EVENING_BEGINS, _NIGHT_BEGINS, _NIGHT_ENDS = 8, 20, 23, 8


class Band(StrEnum):
    DAY = "day"
    """Monday to Friday, 8 to 20."""
    EVENING = "evening"
    """Monday to Friday, 20 to 23."""
    NIGHT = "night"
    """Every day, 23 to 8."""
    WEEKEND = "weekend"
    """Saturday and Sunday, 8 to 23."""


BANDS: Final = tuple(Band)


def band_at(weekday: int, hour: int) -> Band:
    """Return the band of an hour of the week; weekday 0 is Monday."""
    if hour >= _NIGHT_BEGINS or hour < _NIGHT_ENDS:
        return Band.NIGHT
    if weekday >= _WEEKEND_BEGINS:
        return Band.WEEKEND
    return Band.EVENING if hour >= _EVENING_BEGINS else Band.DAY


def band_of_local(local: datetime) -> Band:
    return band_at(local.weekday(), local.hour)


def _is_in(band: Band, weekday: int, hour: int) -> bool:
    return band_at(weekday, hour) is band


SHARE_OF_ARRESTS: Final = {band: share_of_arrests(partial(_is_in, band)) for band in BANDS}
"""The share of a week's arrests in each band."""
_REPRESENTATIVE: Final = {
    Band.DAY: (2, 14),
    Band.EVENING: (2, 21),
    Band.NIGHT: (3, 3),
    Band.WEEKEND: (6, 15),
}


def representative_moment(band: Band, monday: date, time_zone: str) -> datetime:
    """Return one moment of the band in that week: Wednesday 14:30 or 21:30, Thursday 03:30, Sunday 15:30."""
    weekday, hour = _REPRESENTATIVE[band]
    return _moment(monday, weekday, hour, time_zone)


def hours_of_week(monday: date, time_zone: str) -> list[datetime]:
    """Return the middle of each of the 168 hours of a week."""
    return [_moment(monday, hour // 24, hour % 24, time_zone) for hour in range(HOURS)]


def next_monday(day: date) -> date:
    return day + timedelta(days=7 - day.weekday())


def _moment(monday: date, weekday: int, hour: int, time_zone: str) -> datetime:
    return datetime.combine(monday + timedelta(days=weekday), time(hour, 30), ZoneInfo(time_zone))
