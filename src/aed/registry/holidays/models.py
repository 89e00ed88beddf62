"""Holiday calendars, the years they cover, and their special days."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import Table, Versioned, enum_column
from aed.hours.holiday_calendar import DayKind


class HolidayCalendar(Versioned, Table):
    """A calendar of holidays and make-up workdays, for the years that it covers."""

    __tablename__ = "holiday_calendars"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)


class HolidayYear(Table):
    """A year that a calendar covers completely. Without this row, its holidays are unknown, not none."""

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
    """A notification of administrators before a calendar ends; each threshold is notified once."""

    __tablename__ = "holiday_calendar_notices"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    ends_on: Mapped[date] = mapped_column(primary_key=True)
    threshold_days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    notified_at: Mapped[datetime]
