"""Holiday calendars, the years they cover, and their special days."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import Table, Versioned, enum_column
from aed.hours.holiday_calendar import DayKind


class HolidayCalendar(Versioned, Table):
    """Which days are holidays and which weekend days are worked, for the years it holds."""

    __tablename__ = "holiday_calendars"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)


class HolidayYear(Table):
    """A year that a calendar holds completely. Without this row the year is unknown, not free of holidays."""

    __tablename__ = "holiday_years"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class HolidayDay(Table):
    """One special day."""

    __tablename__ = "holiday_days"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[DayKind] = mapped_column(enum_column(DayKind))


class HolidayCalendarNotice(Table):
    """A threshold before a calendar's end of which administrators were notified, once each."""

    __tablename__ = "holiday_calendar_notices"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    ends_on: Mapped[date] = mapped_column(primary_key=True)
    threshold_days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    notified_at: Mapped[datetime]
