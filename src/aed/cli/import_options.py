"""Arguments and options that commands which import a file have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="The file to import")]
Strict = Annotated[bool, typer.Option("--strict", help="Import nothing if any row is bad")]
BadRows = Annotated[
    Path | None,
    typer.Option(
        help="Write the rows set aside to this file, with reasons; corrected, it can be imported. A .csv has "
        "the register's columns; an .xlsx (devices only) has the sheet and columns of the list"
    ),
]
