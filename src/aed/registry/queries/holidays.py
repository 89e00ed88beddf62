"""Reading holiday calendars, which are the same for everyone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import NotFound
from aed.registry.models import (
    HolidayCalendar,
    HolidayDay,
    HolidayYear,
)
from aed.registry.rules.calendar import DayKind
from aed.registry.rules.hours import HolidayCalendar as Calendar


def holiday_calendar(session: Session, name: str) -> Calendar:
    """A calendar as the hours use it; one without years knows nothing."""
    years = frozenset(session.scalars(select(HolidayYear.year).where(HolidayYear.calendar_name == name)))
    days = session.execute(
        select(HolidayDay.day, HolidayDay.kind).where(HolidayDay.calendar_name == name)
    ).all()
    return Calendar(
        name=name,
        years=years,
        holidays=frozenset(day for day, kind in days if kind is DayKind.HOLIDAY),
        workdays=frozenset(day for day, kind in days if kind is DayKind.WORKDAY),
    )


def holiday_calendars(session: Session) -> list[tuple[HolidayCalendar, list[int]]]:
    """Every calendar with the years that it holds."""
    years = session.scalars(select(HolidayYear).order_by(HolidayYear.year)).all()
    return [
        (calendar, [year.year for year in years if year.calendar_name == calendar.name])
        for calendar in session.scalars(select(HolidayCalendar).order_by(HolidayCalendar.name))
    ]


def holiday_year(session: Session, name: str, year: int) -> tuple[HolidayCalendar, Sequence[HolidayDay]]:
    """The special days of one year. Raises NotFound for a year that the calendar does not hold."""
    calendar = session.get(HolidayCalendar, name)
    if calendar is None or session.get(HolidayYear, (name, year)) is None:
        raise NotFound(f"The holiday calendar '{name}' does not hold {year}.", field="year")
    days = session.scalars(
        select(HolidayDay)
        .where(HolidayDay.calendar_name == name, HolidayDay.day.between(date(year, 1, 1), date(year, 12, 31)))
        .order_by(HolidayDay.day)
    ).all()
    return calendar, days
