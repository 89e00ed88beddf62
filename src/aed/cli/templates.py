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
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to create: .csv or .xlsx")],
) -> None:
    """Write an empty list of devices with explained columns, to fill in for `aed import devices`."""
    ending = output.suffix.lower().removeprefix(".")
    if ending not in TemplateFormat:
        endings = " or ".join(f".{each}" for each in TemplateFormat)
        raise InvalidInput(
            either(f"{output} must end in {endings}.", f"{output} 的扩展名须为 {endings}。"), field="to"
        )
    try:
        with output.open("xb") as file:
            file.write(TEMPLATES[TemplateFormat(ending)].made())
    except FileExistsError:
        raise InvalidInput(
            either(f"{output} already exists. Name a new file.", f"{output} 已存在：请指定新文件。"),
            field="to",
        ) from None
    except OSError as error:
        raise InvalidInput(
            either(
                f"{output} cannot be written: {error.strerror}.", f"{output} 无法写入：{error.strerror}。"
            ),
            field="to",
        ) from None
    say(f"{output}: fill it in, then run `aed lint {output.name}` and `aed import devices {output.name}`.")
