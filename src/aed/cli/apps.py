"""Commands: `aed apps`, the apps that show people their time bank."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.screen import say, table
from aed.timebank.apps import actions, queries
from aed.timebank.apps.schemas import ClientAppIn

apps = typer.Typer(no_args_is_help=True)

ClientId = Annotated[str, typer.Argument(help="The app's client_id: see aed apps list", metavar="CLIENT_ID")]


@apps.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The app's name")],
    estate: Annotated[int | None, typer.Option(help="The id of an estate")] = None,
    region: Annotated[str | None, typer.Option(help="A region's code, in place of an estate")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="A site that shows the view in a frame")] = None,
) -> None:
    """Register an app, and print its client_id and its secret, which is not shown again."""
    if (estate is None) == (region is None):
        raise typer.BadParameter("Give either --estate or --region.")
    new = ClientAppIn(name=name, estate_id=estate, region=region, origins=origin or [])
    with cli_transaction() as session:
        made, secret = actions.register_app(
            session,
            operator(),
            name=new.name,
            estate_id=new.estate_id,
            region=new.region,
            origins=new.origins,
            at=clock.now(),
        )
        say(f"{made.client_id} {secret}")


@apps.command("list")
def show_all() -> None:
    """List the apps, without their secrets."""
    with cli_read_session() as session:
        rows = [
            (
                each.client_id,
                each.name,
                f"estate {each.estate_id}" if each.estate_id is not None else f"region {each.region_id}",
                " ".join(each.origins),
            )
            for each in queries.apps(session, operator(), limit=10_000, after_id=0)
        ]
    table(None, ["client_id", "name", "of", "origins"], rows)


@apps.command("rotate-secret")
def change(client_id: ClientId) -> None:
    """Replace the secret of an app at once, and print the new one."""
    with cli_transaction() as session:
        secret = actions.change_secret(session, operator(), client_id)
    say(secret)


@apps.command("remove")
def remove(client_id: ClientId) -> None:
    """Remove an app: its links and open views end."""
    with cli_transaction() as session:
        actions.remove_app(session, operator(), client_id, at=clock.now())
    say("The app is removed.")
