"""The probability that a device with unknown hours can be reached, by class of place and time of the week.

The class follows from the description of the place in the register, or from whether it is in an estate. The
probabilities are settings (`aed.settings.arrival.UnknownHours`), each with its source.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aed.hours.holiday_calendar import HolidayDates
from aed.settings.arrival import UnknownHours


class PlaceClass(StrEnum):
    """The class of the place where a device is."""

    STAFFED = "staffed"
    """Staffed at all hours: a guard's post, a hotel, a hospital, the police."""
    STATION = "station"
    SCHOOL = "school"
    SHOP = "shop"
    OFFICE = "office"
    ESTATE = "estate"
    """Grounds and lobbies of a managed compound."""
    UNKNOWN = "unknown"


class HourBand(StrEnum):
    DAY = "day"
    """7:00 to 18:00 on a working day."""
    EVENING = "evening"
    """18:00 to 22:00 on a working day."""
    NIGHT = "night"
    """22:00 to 7:00."""
    DAY_OFF = "day_off"
    """7:00 to 22:00 at a weekend or on a holiday."""


_DAY_BEGINS, _EVENING_BEGINS, _NIGHT_BEGINS = 7, 18, 22
_SATURDAY: Final = 5

_WORDS: Final[tuple[tuple[PlaceClass, str, tuple[str, ...]], ...]] = (
    (
        PlaceClass.STAFFED,
        r"guard|gatehouse|security|hotel|hostel|hospital|police|fire station",
        ("门岗", "门卫", "岗亭", "保安", "值班室", "酒店", "宾馆", "医院", "派出所", "公安", "消防"),
    ),
    (
        PlaceClass.STATION,
        r"station|airport|metro|subway|terminal|platform",
        ("地铁", "车站", "火车站", "高铁", "机场", "航站楼", "客运站"),
    ),
    (
        PlaceClass.SCHOOL,
        r"school|university|college|kindergarten|campus",
        ("学校", "小学", "中学", "大学", "学院", "幼儿园", "校区"),
    ),
    (
        PlaceClass.SHOP,
        r"shop|store|mall|supermarket|market|pharmacy|restaurant|cinema|gym",
        ("商场", "商店", "超市", "购物", "药店", "菜场", "餐厅", "影院", "健身"),
    ),
    (
        PlaceClass.OFFICE,
        r"office|bank|company|town hall|headquarters|factory",
        ("写字楼", "办公", "银行", "公司", "政府", "街道办", "居委会", "大厦", "工厂"),
    ),
)
"""The order matters: the guard of a school is there when the school is closed."""
_PATTERNS: Final = tuple((kind, re.compile(rf"\b({en})s?\b", re.IGNORECASE), zh) for kind, en, zh in _WORDS)


@lru_cache(maxsize=16_384)
def place_class(place_en: str | None, place_zh: str | None, *, is_in_estate: bool) -> PlaceClass:
    """Return the class of a device's place. The result is cached."""
    for kind, english, chinese in _PATTERNS:
        if english.search(place_en or "") or any(word in (place_zh or "") for word in chinese):
            return kind
    return PlaceClass.ESTATE if is_in_estate else PlaceClass.UNKNOWN


def hour_band(local: datetime, calendar: HolidayDates | None) -> HourBand:
    """Return the part of the week at a local time.

    A year that the calendar does not cover is classified by weekdays only.
    """
    if not _DAY_BEGINS <= local.hour < _NIGHT_BEGINS:
        return HourBand.NIGHT
    day = local.date()
    is_off = day.weekday() >= _SATURDAY
    if calendar is not None and day.year in calendar.years:
        is_off = day in calendar.holidays or (is_off and day not in calendar.workdays)
    if is_off:
        return HourBand.DAY_OFF
    return HourBand.DAY if local.hour < _EVENING_BEGINS else HourBand.EVENING


def probability_reachable(place: PlaceClass, band: HourBand, numbers: UnknownHours) -> float:
    """Return the probability that a device at such a place can be reached in that part of the week."""
    day, evening, night, day_off = numbers.of(place.value)
    match band:
        case HourBand.DAY:
            return day
        case HourBand.EVENING:
            return evening
        case HourBand.NIGHT:
            return night
        case HourBand.DAY_OFF:
            return day_off
