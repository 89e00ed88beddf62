"""Commands: `aed cells`, the installations that form one network, and moving an estate between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cells.rules import refusal
from aed.cells.table import CellTable, cell_table, checked, read_content, with_signature, write_content
from aed.cli.context import cli_read_session, long_cli_transaction, operator
from aed.cli.files import write_whole
from aed.cli.language import either, in_own_language
from aed.cli.rows import Id
from aed.cli.screen import plural, say, table, warn
from aed.errors import InvalidInput
from aed.settings import Settings, load_settings
from aed.settings.cells import Cells
from aed.signatures import encryption_key_texts, public_key_texts, signing_keys
from aed.transfers import actions
from aed.transfers.schemas import MAX_FILE_BYTES

cells = typer.Typer(no_args_is_help=True)
TableFile = Annotated[Path, typer.Argument(help="The table: GeoJSON, one feature for each cell")]


@cells.command("key")
def key(
    encryption: Annotated[
        bool, typer.Option(help="Print the key with which others encrypt estates for this one")
    ] = False,
) -> None:
    """Print this installation's public keys for the table of cells, the one that signs first."""
    keys = signing_keys(load_settings())
    for each in encryption_key_texts(keys)[:1] if encryption else public_key_texts(keys):
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


# --- moving an estate to another cell ---------------------------------------------------------------------

ToFile = Annotated[Path, typer.Argument(help="Where to write the file")]
FromFile = Annotated[Path, typer.Argument(help="The file of the other cell")]


@cells.command("export-estate")
def export_estate(
    estate_id: Id,
    file: ToFile,
    to: Annotated[str, typer.Option(help="The code of the cell that takes the estate over")],
    with_keepers: Annotated[
        bool, typer.Option(help="Also names and phone numbers of the AEDs' keepers, who have agreed to it")
    ] = False,
) -> None:
    """Write an estate to a file that only the other cell can read. Nothing changes here."""
    import aed.tables  # noqa: F401 - so that every table which refers to an estate is known

    settings = load_settings()
    known = _require_table(settings)
    with cli_read_session(settings) as session:
        made = actions.export_estate(
            session,
            operator(),
            estate_id,
            table=known,
            to=to,
            with_keepers=with_keepers,
            at=clock.now(),
        )
    write_whole(file, made.content)
    say(f"Estate {estate_id} is written to {file}.")
    table("Travels", ["table", "rows"], [(name, count) for name, count in made.counts.items() if count])
    if made.stays:
        table("Stays here", ["table", "rows", ""], made.stays)


@cells.command("import-estate")
def import_estate(
    file: FromFile,
    receipt: Annotated[Path, typer.Argument(help="Where to write the receipt for the other cell")],
    region: Annotated[
        str | None, typer.Option(help="The code of the estate's region here; default: the same as there")
    ] = None,
) -> None:
    """Import an estate of another cell, and write the receipt. The same file twice changes nothing."""
    settings = load_settings()
    known = _require_table(settings)
    content = _content(file)
    with long_cli_transaction() as session:
        done = actions.import_estate(session, operator(), content, table=known, region=region, at=clock.now())
        write_whole(receipt, done.receipt)
    say(
        f"Estate {done.estate_id}: {plural(done.created, 'row')} created, {done.changed} changed, "
        f"{done.deleted} deleted. Give {receipt} to the other cell."
    )


@cells.command("release-estate")
def release_estate(receipt: FromFile) -> None:
    """Withdraw an estate that another cell has imported; labels of its AEDs lead there from now on."""
    settings = load_settings()
    known = _require_table(settings)
    content = _content(receipt)
    with long_cli_transaction() as session:
        found, moved = actions.release_estate(session, operator(), content, table=known, at=clock.now())
    say(
        f"Estate {found.estate} is now estate {found.estate_here} of cell {found.from_cell}: "
        f"{plural(moved, 'AED')} withdrawn here."
    )


def _require_table(settings: Settings) -> CellTable:
    found = cell_table(settings)
    if found is None:
        raise InvalidInput(
            either(
                "There is no table of cells: AED_CELLS__FILE is not set.",
                "没有单元表：未设置 AED_CELLS__FILE。",
            ),
            field="AED_CELLS__FILE",
        )
    return found


def _content(file: Path) -> bytes:
    if not file.is_file() or file.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInput(
            either(
                f"{file} must be a file of at most {MAX_FILE_BYTES // 1_000_000} MB.",
                f"{file} 须为不超过 {MAX_FILE_BYTES // 1_000_000} MB 的文件。",
            ),
            field="file",
        )
    return file.read_bytes()
