"""Set and delete the years of holiday calendars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.database.locks import exclusive_lock
from aed.database.types import require_version
from aed.errors import ChangedMeanwhile, InvalidInput, VersionNeeded
from aed.hours.evaluation import china_calendar
from aed.hours.holiday_calendar import DayKind
from aed.registry.changes import RegistryChange, flush_or_conflict
from aed.registry.holidays import queries as holiday_queries
from aed.registry.holidays.models import HolidayCalendar, HolidayDay, HolidayYear
from aed.registry.holidays.schemas import HolidayYearIn


def put_holiday_year(
    session: Session,
    who: Viewer,
    name: str,
    year: int,
    given: HolidayYearIn,
    *,
    version: int | None,
    at: datetime,
) -> HolidayCalendar:
    """Replace the special days of a year. `version` is None for a new calendar."""
    require_administrator(who)
    days: dict[date, DayKind] = {}
    for special in given.days:
        if special.day.year != year:
            raise InvalidInput("{day} is not in {year}.", field="days", day=special.day, year=year)
        if special.day in days:
            raise InvalidInput("{day} is given twice.", field="days", day=special.day)
        days[special.day] = special.kind
    return _hold_year(session, who, name, year, days, version=version, at=at)


def delete_holiday_year(
    session: Session, who: Viewer, name: str, year: int, *, version: int, at: datetime
) -> HolidayCalendar:
    """Delete a year from a calendar: hours that depend on its holidays become unknown."""
    require_administrator(who)
    holiday_queries.holiday_year(session, name, year)
    return _hold_year(session, who, name, year, None, version=version, at=at)


def seed_china(session: Session, who: Viewer, *, at: datetime) -> None:
    """Add the missing years of the calendar CN, as announced by the State Council."""
    require_administrator(who)
    exclusive_lock(session, "the calendar of China")  # two hosts may upgrade an empty database at once
    known = china_calendar()
    held = session.get(HolidayCalendar, known.name)
    for year in sorted(known.years):
        if held is not None and session.get(HolidayYear, (known.name, year)) is not None:
            continue
        days = {day: DayKind.HOLIDAY for day in known.holidays if day.year == year}
        days |= {day: DayKind.WORKDAY for day in known.workdays if day.year == year}
        held = _hold_year(session, who, known.name, year, days, version=held.version if held else None, at=at)


def _hold_year(
    session: Session,
    who: Viewer,
    name: str,
    year: int,
    days: Mapping[date, DayKind] | None,
    *,
    version: int | None,
    at: datetime,
) -> HolidayCalendar:
    calendar = session.get(HolidayCalendar, name)
    if calendar is None:
        if version is not None:
            raise ChangedMeanwhile(
                "Holiday calendar '{name}' does not exist yet: leave out If-Match.", name=name
            )
        calendar = HolidayCalendar(name=name)
        session.add(calendar)
        flush_or_conflict(session, f"Holiday calendar '{name}' already exists.", "calendar")
    else:
        if version is None:
            raise VersionNeeded(
                "Holiday calendar '{name}' already exists: send its ETag in If-Match.", name=name
            )
        # The days are rows of their own, so the calendar's version is incremented explicitly.
        claimed = session.scalar(
            update(HolidayCalendar)
            .where(HolidayCalendar.name == name, HolidayCalendar.version == version)
            .values(version=HolidayCalendar.version + 1)
            .returning(HolidayCalendar.version)
            .execution_options(synchronize_session=False)
        )
        if claimed is None:
            require_version(calendar, version)
            raise ChangedMeanwhile("Someone else changed the calendar at the same time. Read it again.")
    first, last = date(year, 1, 1), date(year, 12, 31)
    before = {
        day.day.isoformat(): day.kind.value
        for day in session.scalars(
            select(HolidayDay).where(HolidayDay.calendar_name == name, HolidayDay.day.between(first, last))
        )
    }
    session.execute(
        delete(HolidayDay).where(HolidayDay.calendar_name == name, HolidayDay.day.between(first, last))
    )
    held = session.get(HolidayYear, (name, year))
    if days is None:
        if held is not None:
            session.delete(held)
    else:
        if held is None:
            session.add(HolidayYear(calendar_name=name, year=year))
        session.flush()
        session.add_all(HolidayDay(calendar_name=name, day=day, kind=kind) for day, kind in days.items())
    after = {day.isoformat(): kind.value for day, kind in sorted(days.items())} if days is not None else None
    session.add(
        RegistryChange(
            subject="holiday_calendars",
            subject_id=name,
            at=at,
            who=who.name,
            fields={str(year): [before, after]},
        )
    )
    session.flush()
    session.expire_all()
    session.refresh(calendar)
    return calendar
