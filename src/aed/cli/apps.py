"""Commands: `aed apps`, the apps that show people their time bank."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import EstateOrRegion, validated
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.timebank.apps import actions, queries
from aed.timebank.apps.schemas import MAX_ORIGINS, AppName, Origin

apps = typer.Typer(no_args_is_help=True)

_ORIGIN: Final = TypeAdapter[str](Origin)
ClientId = Annotated[str, typer.Argument(help="The app's client_id: see aed apps list", metavar="CLIENT_ID")]


def _check_origin(origin: str) -> str:
    """Return the origin of a site. Raises ValueError, reported with all other errors."""
    try:
        return _ORIGIN.validate_python(origin)
    except ValidationError:
        raise ValueError(
            either(
                "must be scheme, host and port of a site, such as https://app.example.org",
                "须为网站的协议、主机和端口，如 https://app.example.org",
            )
        ) from None


class AppOnCommandLine(EstateOrRegion):
    """An app to register."""

    name: AppName
    origin: Annotated[list[Annotated[str, AfterValidator(_check_origin)]], Field(max_length=MAX_ORIGINS)]


@apps.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The app's name")],
    estate: Annotated[int | None, typer.Option(help="The id of an estate")] = None,
    region: Annotated[str | None, typer.Option(help="A region's code, in place of an estate")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="A site that shows the view in a frame")] = None,
) -> None:
    """Register an app, and print its client_id and its secret, which is not shown again."""
    given = {"name": name, "estate": estate, "region": region, "origin": origin or []}
    new = validated(AppOnCommandLine, given)
    with cli_transaction() as session:
        made, secret = actions.register_app(
            session,
            operator(),
            name=new.name,
            estate_id=new.estate,
            region=new.region,
            origins=new.origin,
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
