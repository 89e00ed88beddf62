"""Holiday calendars: which days are holidays, which weekend days are worked, in the years that are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import chinese_calendar  # type: ignore[import-untyped]  # the package ships no annotations

from aed.errors import InvalidInput


class DayKind(StrEnum):
    HOLIDAY = "holiday"
    WORKDAY = "workday"
    """A weekend day that is worked to make up for a holiday (调休)."""


@dataclass(frozen=True)
class HolidayCalendar:
    """The public holidays of a country in the years that it holds completely.

    Equal by content; the hash is computed once, since a calendar is part of a key looked up for every device.
    """

    name: str
    years: frozenset[int]
    holidays: frozenset[date]
    workdays: frozenset[date]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.name, self.years, self.holidays, self.workdays)))

    def __hash__(self) -> int:
        return self._hash


def china_calendar(years: Iterable[int] = (2024, 2025, 2026)) -> HolidayCalendar:
    """Mainland China's statutory holiday periods and make-up workdays, as the State Council arranged them.

    Holidays are whole periods, with the weekend days inside them. Raises InvalidInput for a year that is not
    known, so that no year without holidays is taken for one that has none.
    """
    wanted = frozenset(years)
    known: set[int] = {day.year for day in chinese_calendar.holidays}
    if missing := sorted(wanted - known):
        raise InvalidInput(
            f"China's holidays of {', '.join(map(str, missing))} are not known here; "
            f"the known years are {min(known)} to {max(known)}.",
            field="years",
        )
    return HolidayCalendar(
        name="CN",
        years=wanted,
        holidays=frozenset(day for day in chinese_calendar.holidays if day.year in wanted),
        workdays=frozenset(day for day in chinese_calendar.workdays if day.year in wanted),
    )
