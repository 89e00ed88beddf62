"""Commands: `aed calendars`, private URLs at which calendar programs read sessions and due upkeep."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.calendars import actions, queries
from aed.calendars.models import CalendarKind
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.screen import say, table
from aed.settings import load_settings

calendars = typer.Typer(
    no_args_is_help=True, help="Private URLs at which calendar programs read sessions and due upkeep."
)

SHOWN = 100
CalendarId = Annotated[int, typer.Argument(help="The calendar's id, from `aed calendars list`", min=1)]
Of = Annotated[int, typer.Argument(help="Only of this person or estate, by id", min=1)]


def _address(key: str) -> str:
    settings = load_settings()
    address = settings.public_url or f"http://{settings.host}:{settings.port}"
    return f"{address}/v1/calendar.ics?key={key}"


@calendars.command("add")
def add(
    kind: Annotated[CalendarKind, typer.Argument(help="What the calendar shows")],
    of: Of,
) -> None:
    """Create a calendar and print its address, which is not shown again."""
    is_estate = kind is CalendarKind.ESTATE
    with cli_transaction() as session:
        made, key = actions.create_address(
            session,
            operator(),
            kind,
            person_id=None if is_estate else of,
            estate_id=of if is_estate else None,
            at=clock.now(),
        )
        message = f"Calendar {made.id}: {_address(key)}"
    say(message)


@calendars.command("renew")
def renew(calendar_id: CalendarId) -> None:
    """Replace a calendar's address by a new one; the old one becomes invalid."""
    with cli_transaction() as session:
        made, key = actions.renew_address(session, operator(), calendar_id, at=clock.now())
        message = f"Calendar {made.id}: {_address(key)}"
    say(message)


@calendars.command("revoke")
def revoke(calendar_id: CalendarId) -> None:
    """Revoke a calendar; its address becomes invalid."""
    with cli_transaction() as session:
        actions.revoke_address(session, operator(), calendar_id, at=clock.now())
    say(f"Calendar {calendar_id} is revoked.")


@calendars.command("list")
def show_all(
    after: Annotated[int, typer.Option(help="Only those with a larger id", min=0)] = 0,
) -> None:
    """List the calendars in order of id, without their addresses."""
    with cli_read_session() as session:
        rows = [
            (
                each.id,
                each.kind,
                each.person_id,
                each.estate_id,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                f"{each.revoked_at:%Y-%m-%d %H:%M}" if each.revoked_at is not None else "",
            )
            for each in queries.addresses(session, operator(), limit=SHOWN, after_id=after)
        ]
    table(None, ["id", "kind", "person", "estate", "since", "until"], rows, right=["id"])
    if len(rows) == SHOWN:
        say(f"There may be more: --after {rows[-1][0]}")
