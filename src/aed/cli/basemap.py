"""Command: `aed map`, which builds the base map of the web pages from OpenStreetMap."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer

from aed.cli.context import cli_read_session, operator
from aed.cli.language import either
from aed.cli.screen import say
from aed.database.geometry import shape_of
from aed.errors import ExtraNotInstalled, InvalidInput
from aed.registry.estates.queries import estate
from aed.settings import load_settings

map_group = typer.Typer(no_args_is_help=True)
PROGRAM: Final = "tilemaker"
AROUND_DEGREES: Final = 0.01
"""Margin around an estate: about 1 km."""
type Box = tuple[float, float, float, float]
"""West, south, east and north in degrees."""


@map_group.callback()
def group() -> None:
    """Build the base map of the web pages."""


@map_group.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="An OpenStreetMap extract, .osm.pbf")],
    estate_id: Annotated[
        int | None, typer.Option("--estate", help="Only the surroundings of the estate with this id")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; default: AED_BASEMAP")
    ] = None,
) -> None:
    """Build the base map, a PMTiles file, from an OpenStreetMap extract."""
    settings = load_settings()
    box: Box | None = None
    if estate_id is not None:
        with cli_read_session(settings) as session:
            west, south, east, north = shape_of(estate(session, operator(), estate_id).boundary).bounds
        box = (
            west - AROUND_DEGREES,
            south - AROUND_DEGREES,
            east + AROUND_DEGREES,
            north + AROUND_DEGREES,
        )
    target = output or settings.basemap
    build_basemap(source, target, box=box)
    say(f"{target}: {target.stat().st_size:,} bytes.")


def build_basemap(source: Path, target: Path, *, box: Box | None = None) -> None:
    """Write the base map of an extract, or of a box of it; replace an existing file at the end.

    Raises InvalidInput if the extract cannot be read, ExtraNotInstalled without tilemaker 3.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ExtraNotInstalled(
            either(
                "tilemaker is not installed. On Debian 13 and Ubuntu 24.04: apt-get install tilemaker "
                "(the Python package of that name is another program).",
                "未安装 tilemaker。Debian 13 与 Ubuntu 24.04：apt-get install tilemaker"
                "（同名的 Python 包是另一个程序）。",
            )
        )
    if target.suffix != ".pmtiles":
        raise InvalidInput(f"{target}: the file's name must end in .pmtiles.", field="to")
    if not source.is_file():
        raise InvalidInput(f"{source} does not exist.", field="source")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        made, config, process = (
            Path(folder, name) for name in ("made.pmtiles", "config.json", "process.lua")
        )
        config.write_text(json.dumps(_config(box or _extent(source))), encoding="utf-8")
        process.write_bytes(_data("process.lua"))
        files = {"--input": source, "--output": made, "--config": config, "--process": process}
        done = subprocess.run(
            [program, *(str(part) for pair in files.items() for part in pair)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0 or not made.is_file():
            reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][-300:]
            raise InvalidInput(
                f"tilemaker could not read {source}: {reason or done.returncode}", field="source"
            )
        made.replace(target)


def _config(box: Box) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(_data("config.json"))
    config["settings"]["bounding_box"] = list(box)
    return config


def _extent(source: Path) -> Box:
    """Return the box of an extract: from its header, otherwise that of its nodes."""
    import osmium  # imported here: only this command and `aed walking build` read OpenStreetMap

    try:
        with osmium.io.Reader(str(source)) as reader:
            box = reader.header().box()
        if not box.valid():
            for each in osmium.FileProcessor(str(source), osmium.osm.NODE):
                if isinstance(each, osmium.osm.Node):
                    box.extend(each.location)
    except RuntimeError as error:
        raise InvalidInput(f"{source} is not an OpenStreetMap extract: {error}", field="source") from None
    if not box.valid():
        raise InvalidInput(f"{source} contains nothing.", field="source")
    return (box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat)


def _data(name: str) -> bytes:
    return resources.files("aed.cli").joinpath("tilemaker", name).read_bytes()
