"""Schemas of holiday calendars in requests and responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aed.hours.holiday_calendar import DayKind
from aed.registry.fields import Day
from aed.registry.holidays.models import HolidayCalendar, HolidayDay


class SpecialDay(BaseModel):
    model_config = ConfigDict(extra="forbid")

    day: Day
    kind: DayKind


class HolidayYearIn(BaseModel):
    """All special days of a year: once it is set, the year is covered completely."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "days": [
                        {"day": "2026-10-01", "kind": "holiday"},
                        {"day": "2026-10-10", "kind": "workday"},
                    ]
                }
            ]
        },
    )

    days: Annotated[list[SpecialDay], Field(max_length=366)]


class HolidayYearOut(BaseModel):
    calendar: str
    year: int
    days: list[SpecialDay]
    version: int = Field(description="Version of the whole calendar")

    @classmethod
    def of(cls, calendar: HolidayCalendar, year: int, days: Sequence[HolidayDay]) -> HolidayYearOut:
        return cls(
            calendar=calendar.name,
            year=year,
            days=[SpecialDay(day=special.day, kind=special.kind) for special in days],
            version=calendar.version,
        )


class HolidayCalendarOut(BaseModel):
    name: str
    years: list[int]
    version: int
