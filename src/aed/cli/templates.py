"""aed template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed.cli.screen import say
from aed.errors import InvalidInput
from aed.imports.formats.table import TEMPLATES, TemplateFormat

templates = typer.Typer(no_args_is_help=True)


@templates.callback()
def _group() -> None:
    """So that `devices` is a word of its own: Typer leaves out the name of an only command."""


@templates.command("devices")
def devices(
    to: Annotated[Path, typer.Option("--to", "-o", help="A new file: .csv, or .xlsx for a spreadsheet")],
) -> None:
    """An empty list of devices, each column explained; filled in, aed import devices takes it."""
    ending = to.suffix.lower().removeprefix(".")
    if ending not in TemplateFormat:
        endings = " or ".join(f".{each}" for each in TemplateFormat)
        raise InvalidInput(f"{to} must end in {endings}.", field="to")
    try:
        with to.open("xb") as file:
            file.write(TEMPLATES[TemplateFormat(ending)].made())
    except FileExistsError:
        raise InvalidInput(f"{to} is there already: name a new file.", field="to") from None
    except OSError as error:
        raise InvalidInput(f"{to} cannot be written: {error.strerror}.", field="to") from None
    say(f"{to}: fill it in, then aed lint {to.name}, then aed import devices {to.name}.")
