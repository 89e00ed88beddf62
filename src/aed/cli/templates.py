"""Commands: `aed template`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed.cli.language import either
from aed.cli.screen import say
from aed.errors import InvalidInput
from aed.imports.formats.table import TEMPLATES, TemplateFormat

templates = typer.Typer(no_args_is_help=True)


@templates.callback()
def _group() -> None:
    """Keep `devices` as a subcommand: Typer omits the name of a single command."""


@templates.command("devices")
def devices(
    to: Annotated[Path, typer.Option("--to", "-o", help="The file to create: .csv or .xlsx")],
) -> None:
    """Write an empty list of devices with explained columns, to fill in for `aed import devices`."""
    ending = to.suffix.lower().removeprefix(".")
    if ending not in TemplateFormat:
        endings = " or ".join(f".{each}" for each in TemplateFormat)
        raise InvalidInput(
            either(f"{to} must end in {endings}.", f"{to} 的扩展名须为 {endings}。"), field="to"
        )
    try:
        with to.open("xb") as file:
            file.write(TEMPLATES[TemplateFormat(ending)].made())
    except FileExistsError:
        raise InvalidInput(
            either(f"{to} already exists. Name a new file.", f"{to} 已存在：请指定新文件。"), field="to"
        ) from None
    except OSError as error:
        raise InvalidInput(
            either(f"{to} cannot be written: {error.strerror}.", f"{to} 无法写入：{error.strerror}。"),
            field="to",
        ) from None
    say(f"{to}: fill it in, then run `aed lint {to.name}` and `aed import devices {to.name}`.")
