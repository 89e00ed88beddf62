"""Commands: `aed holidays`, holiday calendars."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.registry.holidays import actions as holiday_actions
from aed.registry.holidays import queries as holiday_queries
from aed.registry.holidays.schemas import HolidayYearIn, SpecialDay

holidays_group = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The calendar's name, such as CN")]
Year = Annotated[int, typer.Argument(min=1990, max=2100)]


@holidays_group.command("list")
def list_holidays() -> None:
    """List the calendars and the years that each covers."""
    with cli_read_session() as session:
        rows = [
            (calendar.name, " ".join(str(year) for year in years), calendar.version)
            for calendar, years in holiday_queries.holiday_calendars(session)
        ]
    table(None, ["calendar", "years", "version"], rows)


@holidays_group.command("show")
def show_holidays(name: Name, year: Year) -> None:
    """Show the special days of a year."""
    with cli_read_session() as session:
        _, days = holiday_queries.holiday_year(session, name, year)
        rows = [(special.day, f"{special.day:%a}", special.kind) for special in days]
    table(f"{name} {year}", ["day", "", "kind"], rows)


@holidays_group.command("put")
def put_holidays(
    name: Name,
    year: Year,
    holiday: Annotated[
        list[str] | None, typer.Option(help="A day off, such as 2027-10-01; may be repeated")
    ] = None,
    workday: Annotated[list[str] | None, typer.Option(help="A make-up workday; may be repeated")] = None,
) -> None:
    """Replace the special days of a calendar for one year."""
    days = [*_days(holiday, "holiday"), *_days(workday, "workday")]
    with cli_transaction() as session:
        known = {
            calendar.name: calendar.version for calendar, _ in holiday_queries.holiday_calendars(session)
        }
        holiday_actions.put_holiday_year(
            session, operator(), name, year, HolidayYearIn(days=days), version=known.get(name), at=clock.now()
        )
        say(f"{name} has {len(days)} special days in {year}.")


@holidays_group.command("remove")
def drop_holidays(name: Name, year: Year) -> None:
    """Delete a year from a calendar; opening hours that depend on it become unknown."""
    with cli_transaction() as session:
        calendar, _ = holiday_queries.holiday_year(session, name, year)
        holiday_actions.delete_holiday_year(
            session, operator(), name, year, version=calendar.version, at=clock.now()
        )
        say(f"{name} no longer covers {year}.")


def _days(given: list[str] | None, kind: str) -> list[SpecialDay]:
    try:
        return [
            SpecialDay.model_validate({"day": date.fromisoformat(day), "kind": kind}) for day in given or []
        ]
    except ValueError:
        raise InvalidInput(
            either("Write a day as 2027-10-01.", "日期须写作 2027-10-01。"), field=kind
        ) from None
