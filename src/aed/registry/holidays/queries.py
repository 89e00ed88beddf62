"""Queries for holiday calendars, which are the same for everyone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.errors import NotFound
from aed.hours.evaluation import HolidayDates
from aed.hours.holiday_calendar import CalendarEnd, DayKind, calendar_end, ending_words, notice_threshold
from aed.registry.holidays.models import HolidayCalendar, HolidayDay, HolidayYear


def holiday_calendar(session: Session, name: str) -> HolidayDates:
    """Return a calendar for evaluating opening hours; one without years makes all holidays unknown."""
    years = frozenset(session.scalars(select(HolidayYear.year).where(HolidayYear.calendar_name == name)))
    days = session.execute(
        select(HolidayDay.day, HolidayDay.kind).where(HolidayDay.calendar_name == name)
    ).all()
    return HolidayDates(
        name=name,
        years=years,
        holidays=frozenset(day for day, kind in days if kind is DayKind.HOLIDAY),
        workdays=frozenset(day for day, kind in days if kind is DayKind.WORKDAY),
    )


def calendar_ends(session: Session, *, today: date) -> list[CalendarEnd]:
    """Return when each calendar ends that a region uses, by name."""
    names = session.scalars(
        select(Region.holiday_calendar).where(Region.holiday_calendar.is_not(None)).distinct()
    )
    return [calendar_end(holiday_calendar(session, name), today) for name in sorted(filter(None, names))]


def days_until_calendars_end(session: Session, at: datetime) -> dict[str, int]:
    """Return for each calendar that a region uses the days until it ends, by name; below 0 once it has."""
    return {end.name: end.days_left for end in calendar_ends(session, today=at.date())}


def calendar_warnings(session: Session, at: datetime) -> list[str]:
    """Return a sentence for each calendar in use that ends within 90 days or has ended."""
    ends = calendar_ends(session, today=at.date())
    return [ending_words(end)[0] for end in ends if notice_threshold(end.days_left) is not None]


def holiday_calendars(session: Session) -> list[tuple[HolidayCalendar, list[int]]]:
    """Return every calendar with the years that it covers."""
    years = session.scalars(select(HolidayYear).order_by(HolidayYear.year)).all()
    return [
        (calendar, [year.year for year in years if year.calendar_name == calendar.name])
        for calendar in session.scalars(select(HolidayCalendar).order_by(HolidayCalendar.name))
    ]


def holiday_year(session: Session, name: str, year: int) -> tuple[HolidayCalendar, Sequence[HolidayDay]]:
    """Return the special days of a year. Raises NotFound for a year that the calendar does not cover."""
    calendar = session.get(HolidayCalendar, name)
    if calendar is None or session.get(HolidayYear, (name, year)) is None:
        raise NotFound(
            "Holiday calendar '{name}' does not contain {year}.", field="year", name=name, year=year
        )
    days = session.scalars(
        select(HolidayDay)
        .where(HolidayDay.calendar_name == name, HolidayDay.day.between(date(year, 1, 1), date(year, 12, 31)))
        .order_by(HolidayDay.day)
    ).all()
    return calendar, days
