"""Command: `aed export`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_database, viewer_as
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.screen import counting, warn
from aed.database.session import read_session
from aed.errors import InvalidInput
from aed.exports.formats.writing import chosen, exported
from aed.exports.rules import ExportFormat


def export_command(
    form: Annotated[ExportFormat, typer.Argument(help="csv, xlsx and geojson can be imported again")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; default: standard output")
    ] = None,
    as_: Annotated[
        str,
        typer.Option(
            "--as", help="anonymous, administrator, estate:ID, estate:SOURCE/ID or dispatcher:REGION"
        ),
    ] = "anonymous",
    bbox: Annotated[
        str | None, typer.Option(help="Only within this box: west,south,east,north in degrees")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Only in this region and those below it")] = None,
) -> None:
    """Write the register to a file, with the rights of --as.

    `--as administrator` writes everything.
    """
    if output is None and sys.stdout.isatty() and form in (ExportFormat.XLSX, ExportFormat.GEOPACKAGE):
        raise InvalidInput(
            either(
                f"A {form.value} file cannot be written to the terminal. Name a file with --output.",
                f"{form.value} 文件无法显示在终端上，请用 --output 指定文件。",
            ),
            field="to",
        )
    what = "estates and gates" if form is ExportFormat.ESTATES else "devices"
    with cli_database() as database, counting(what) as progress:
        with read_session(database) as session:
            viewer = viewer_as(session, as_)
        pieces = exported(
            database,
            viewer,
            form,
            chosen(database, bbox=bbox, region=region),
            at=clock.now(),
            progress=progress,
        )
        if output is None:
            _to_standard_output(pieces)
        else:
            write_whole(output, pieces)
            warn(f"{output}: {output.stat().st_size:,} bytes.")


def _to_standard_output(pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
