"""Commands: `aed mappings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.imports.formats.mapping import mapping_of
from aed.imports.saved_mappings import actions

mappings = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name of a saved mapping")]


@mappings.command("list")
def list_mappings() -> None:
    """List the saved mappings."""
    with cli_read_session() as session:
        rows = [
            (
                each.name,
                actions.mapping_of(each).source,
                f"estate {each.estate_id}"
                if each.estate_id
                else f"region {each.region_id}"
                if each.region_id
                else "",
                each.saved_at.date().isoformat(),
            )
            for each in actions.saved_mappings(session, operator())
        ]
    if rows:
        table(either("Saved mappings", "已保存的映射"), ["name", "source", "for", "saved on"], rows)
    else:
        say(either("No mapping is saved.", "没有已保存的映射。"))


@mappings.command("save")
def save(
    file: Annotated[Path, typer.Argument(help="A mapping file (YAML)")],
    name: Annotated[str, typer.Option(help="The name; default: that in the file")] = "",
) -> None:
    """Save a mapping file under a name, for `aed import devices --mapping NAME` and the page of lists."""
    mapping = mapping_of(file)
    with cli_transaction() as session:
        saved = actions.save_mapping(
            session,
            operator(),
            mapping,
            name=name or mapping.name,
            place=actions.NETWORK,
            at=clock.now(),
        )
        say(either(f"Saved as {saved.name}.", f"已保存为“{saved.name}”。"))


@mappings.command("rename")
def rename(name: Name, new_name: Annotated[str, typer.Argument(help="Its new name")]) -> None:
    """Rename a saved mapping."""
    with cli_transaction() as session:
        found = actions.mapping_named(session, operator(), name)
        actions.rename_mapping(session, operator(), found.id, name=new_name, version=found.version)
    say(either(f"{name} is now {new_name}.", f"“{name}”已改名为“{new_name}”。"))


@mappings.command("remove")
def remove(name: Name) -> None:
    """Remove a saved mapping; what was imported with it stays."""
    with cli_transaction() as session:
        actions.delete_mapping(session, operator(), actions.mapping_named(session, operator(), name).id)
    say(either(f"{name} is removed.", f"“{name}”已删除。"))
