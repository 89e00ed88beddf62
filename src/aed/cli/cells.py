"""Commands: `aed cells`, the table of the installations that form one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed.cells.rules import refusal
from aed.cells.table import checked, read_content, with_signature, write_content
from aed.cli.language import either, in_own_language
from aed.cli.screen import plural, say, table, warn
from aed.settings import load_settings
from aed.settings.cells import Cells
from aed.signatures import public_key_texts, signing_keys

cells = typer.Typer(no_args_is_help=True)
TableFile = Annotated[Path, typer.Argument(help="The table: GeoJSON, one feature for each cell")]


@cells.command("key")
def key() -> None:
    """Print this installation's public keys for the table of cells, the one that signs first."""
    for each in public_key_texts(signing_keys(load_settings())):
        say(each)


@cells.command("check")
def check(file: TableFile) -> None:
    """Check a table of cells, and print all that is wrong with it.

    The signature and this installation's cell are checked if AED_CELLS__SIGNED_BY and AED_CELLS__CODE are
    set.

    Exit status: 0 if the table can be used, 1 otherwise.
    """
    settings = load_settings().cells
    found, problems = checked(read_content(file), settings)
    for each in problems:
        warn(in_own_language(each))
    if problems:
        raise typer.Exit(1)
    say(f"The table can be used: {plural(len(found), 'cell')}.")
    if not settings.signed_by:
        say("Its signature was not checked: AED_CELLS__SIGNED_BY is not set.")


@cells.command("sign")
def sign(file: TableFile) -> None:
    """Sign a table of cells with this installation's key, in place of an earlier signature."""
    content = read_content(file)
    _, problems = checked(content, Cells())
    if problems:
        raise refusal(problems)
    keys = signing_keys(load_settings())
    write_content(file, with_signature(content, keys))
    say(f"Signed. Each cell sets AED_CELLS__SIGNED_BY={public_key_texts(keys)[0]}")


@cells.command("list")
def list_cells() -> None:
    """List the cells of the table that AED_CELLS__FILE names."""
    settings = load_settings().cells
    if settings.file is None:
        say(
            either(
                "There is no table of cells: AED_CELLS__FILE is not set.",
                "没有单元表：未设置 AED_CELLS__FILE。",
            )
        )
        return
    found, problems = checked(read_content(settings.file), settings)
    if problems:
        raise refusal(problems)
    rows = [
        (
            each.code,
            either(each.name_en, each.name_zh),
            each.address,
            ", ".join(each.regions),
            "this one" if each.code == settings.code else "",
        )
        for each in found
    ]
    table(None, ["code", "name", "address", "regions", ""], rows)
