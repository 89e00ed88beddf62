"""Commands: `aed signals`, the vendors that forward the signals of devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import invalid_fields
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.upkeep.signals import sources
from aed.upkeep.signals.mapping import SourceMapping, messages_in

signals = typer.Typer(no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="The source's name, in the address of its endpoint", metavar="NAME")
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The mapping, as JSON")]


@signals.command("add")
def add(
    name: Name,
    mapping: File,
    estate: Annotated[int | None, typer.Option(help="The id of the estate whose devices it reports")] = None,
    region: Annotated[str | None, typer.Option(help="A region's code, in place of an estate")] = None,
) -> None:
    """Accept the messages of a vendor, and print the secret that it sends or signs with.

    The secret is not shown again. Run aed signals try first: it shows how a message is read.
    """
    if (estate is None) == (region is None):
        raise typer.BadParameter("Give either --estate or --region.")
    with cli_transaction() as session:
        secret = sources.add_source(
            session,
            operator(),
            name,
            _mapping_in(mapping),
            estate_id=estate,
            region=region,
            at=clock.now(),
        )
    say(secret)


@signals.command("try")
def try_mapping(
    mapping: File,
    message: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A message of the vendor")],
) -> None:
    """Show what a mapping reads in a message, without storing anything."""
    try:
        document = orjson.loads(message.read_bytes())
    except orjson.JSONDecodeError:
        raise InvalidInput(
            either(f"{message} is not a JSON file.", f"{message} 不是 JSON 文件。"), field="message"
        ) from None
    found = messages_in(_mapping_in(mapping), document)
    rows = [
        (
            each.serial,
            each.key,
            each.at,
            " ".join(f"{kind.value}={value}" for kind, value in each.readings.items()),
        )
        for each in found
    ]
    table(None, ["serial", "id", "at", "readings"], rows)


@signals.command("list")
def show_all() -> None:
    """List the vendors, without their secrets."""
    with cli_read_session() as session:
        rows = [
            (
                each.name,
                f"estate {each.estate_id}" if each.estate_id is not None else f"region {each.region_id}",
                "active" if each.revoked_at is None else "revoked",
            )
            for each in sources.all_sources(session)
        ]
    table(None, ["name", "of", "state"], rows)


@signals.command("revoke")
def revoke(name: Name) -> None:
    """Accept no more messages of a vendor."""
    with cli_transaction() as session:
        sources.revoke_source(session, operator(), name, at=clock.now())
    say("The source is revoked.")


def _mapping_in(file: Path) -> SourceMapping:
    """Return the mapping in a file. Raises InvalidInput for one that is none."""
    try:
        return SourceMapping.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise invalid_fields(error, SourceMapping) from None
