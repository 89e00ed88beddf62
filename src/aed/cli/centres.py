"""Commands: `aed centres`, the connected dispatch centres."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.screen import say, table, warn
from aed.incidents.centres.actions import add_centre, rotate_secret, withdraw_centre
from aed.incidents.centres.queries import centres as all_centres
from aed.notifications.queries import backlog
from aed.settings import load_settings

centres = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name for the centre, such as lake-120", metavar="NAME")]


@centres.command("add")
def add(
    name: Name,
    region: Annotated[
        str, typer.Argument(help="A region's code: the centre dispatches there and in the regions below")
    ],
    address: Annotated[str, typer.Argument(help="The URL that receives events about incidents: https://…")],
) -> None:
    """Connect a dispatch centre.

    Prints the secret with which both sides sign; it is not shown again.
    """
    settings = load_settings()
    with cli_transaction(settings) as session:
        _, secret = add_centre(
            session,
            operator(),
            name,
            region=region,
            address=address,
            at=clock.now(),
            is_private_allowed=settings.notify_allow_private,
        )
    say(secret)
    here = settings.public_url or "(AED_PUBLIC_URL)"
    warn(f"Both sides sign with it. The centre sends its messages to {here}/v1/centres/{name}/messages")


@centres.command("list")
def show_all() -> None:
    """List the connected centres, without addresses and secrets, and the messages that they have not
    received."""
    with cli_read_session() as session:
        found = all_centres(session, operator())
        waiting = backlog(session, [each.endpoint_id for each in found])
        rows = [
            (
                each.endpoint.name,
                each.region.code,
                _moment(each.endpoint.created_at),
                _moment(each.endpoint.old_secret_until),
                *waiting.get(each.endpoint_id, (0, 0)),
            )
            for each in found
        ]
    columns = ["name", "region", "connected (UTC)", "old secret valid until", "waiting", "dead"]
    table(None, columns, rows, right=("waiting", "dead"))


@centres.command("rotate-secret")
def rotate(
    name: Name,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the previous secret stays valid")
    ] = 24,
) -> None:
    """Make a new secret and print it; it is not shown again."""
    with cli_transaction() as session:
        overlap = timedelta(hours=overlap_hours)
        secret = rotate_secret(session, operator(), name, at=clock.now(), overlap=overlap)
    say(secret)


@centres.command("withdraw")
def withdraw(name: Name) -> None:
    """Disconnect a centre: stop accepting its messages and sending it any."""
    with cli_transaction() as session:
        withdraw_centre(session, operator(), name, at=clock.now())
    say(f"{name} is disconnected.")


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""
