"""Routes of holiday calendars."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import IfMatch, set_etag, version_from_if_match
from aed.registry.holidays import actions
from aed.registry.holidays import queries as holiday_queries
from aed.registry.holidays.schemas import HolidayCalendarOut, HolidayYearIn, HolidayYearOut

router = APIRouter(tags=["registry"])

CalendarName = Annotated[str, Path(pattern="^[A-Za-z0-9._:-]{1,32}$", examples=["CN"])]
Year = Annotated[int, Path(ge=1990, le=2100, examples=[2026])]


@router.get("/holidays")
def list_holiday_calendars(session: ReadSession) -> list[HolidayCalendarOut]:
    """List holiday calendars with the years that they cover.

    The list is the same for everyone.
    """
    return [
        HolidayCalendarOut(name=calendar.name, years=years, version=calendar.version)
        for calendar, years in holiday_queries.holiday_calendars(session)
    ]


@router.get("/holidays/{calendar}/{year}")
def get_holiday_year(
    session: ReadSession, calendar: CalendarName, year: Year, response: Response
) -> HolidayYearOut:
    """Get the special days of a year.

    Returns 404 for a year that the calendar does not cover: its holidays are unknown, not none.
    """
    found, days = holiday_queries.holiday_year(session, calendar, year)
    set_etag(response, found.version)
    return HolidayYearOut.of(found, year, days)


@router.put("/holidays/{calendar}/{year}")
def put_holiday_year(
    session: WriteSession,
    viewer: ViewerDep,
    calendar: CalendarName,
    year: Year,
    given: HolidayYearIn,
    response: Response,
    if_match: IfMatch = None,
) -> HolidayYearOut:
    """Set all holidays and make-up workdays of a year.

    A new calendar needs no If-Match.
    """
    actions.put_holiday_year(
        session,
        viewer,
        calendar,
        year,
        given,
        version=version_from_if_match(if_match) if if_match is not None else None,
        at=clock.now(),
    )
    found, days = holiday_queries.holiday_year(session, calendar, year)
    set_etag(response, found.version)
    return HolidayYearOut.of(found, year, days)


@router.delete("/holidays/{calendar}/{year}", status_code=204)
def delete_holiday_year(
    session: WriteSession,
    viewer: ViewerDep,
    calendar: CalendarName,
    year: Year,
    if_match: IfMatch = None,
) -> None:
    """Delete a year from a calendar."""
    actions.delete_holiday_year(
        session, viewer, calendar, year, version=version_from_if_match(if_match), at=clock.now()
    )
