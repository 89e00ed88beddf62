"""aed import."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import operator, writing
from aed.cli.screen import counting, say, table
from aed.errors import Conflict
from aed.interchange import actions
from aed.interchange.actions import ImportReport
from aed.interchange.formats.recognise import DeviceFormat

imports = typer.Typer(no_args_is_help=True, help="Read lists: again and again, without doubling anything.")

File = Annotated[Path, typer.Argument(help="The file")]
Strict = Annotated[bool, typer.Option(help="Take nothing when any row is bad")]
BadRows = Annotated[Path | None, typer.Option(help="Write the rows set aside, with reasons, to this CSV")]
SHOWN = 20


@imports.command("devices")
def devices(
    file: File,
    form: Annotated[DeviceFormat | None, typer.Option("--format", help="Recognised when left out")] = None,
    region: Annotated[str | None, typer.Option(help="For rows that name neither estate nor region")] = None,
    strict: Strict = False,
    bad_rows: BadRows = None,
) -> None:
    """Devices: the project's own CSV or GeoJSON, or OpenStreetMap's GeoJSON."""
    with writing() as session, counting("devices") as progress:
        report = actions.import_devices(
            session, operator(), file, at=clock.now(), form=form, region=region, progress=progress
        )
        _refuse_if(strict, report)
    _tell(report, file, bad_rows)


@imports.command("estates")
def estates(file: File, strict: Strict = False, bad_rows: BadRows = None) -> None:
    """Regions, estates and gates: the project's own GeoJSON or CSV."""
    with writing() as session, counting("estates and gates") as progress:
        report = actions.import_estates(session, operator(), file, at=clock.now(), progress=progress)
        _refuse_if(strict, report)
    _tell(report, file, bad_rows)


@imports.command("responders")
def responders(file: File, strict: Strict = False, bad_rows: BadRows = None) -> None:
    """Responders: the project's own CSV or GeoJSON, a row for each place of a person."""
    with writing() as session, counting("people") as progress:
        report = actions.import_responders(session, operator(), file, at=clock.now(), progress=progress)
        _refuse_if(strict, report)
    _tell(report, file, bad_rows)


def _refuse_if(strict: bool, report: ImportReport) -> None:
    if strict and report.bad:
        first = report.bad[0]
        raise Conflict(f"Nothing was taken: {len(report.bad)} bad rows, first {first.where}: {first.reason}")


def _tell(report: ImportReport, file: Path, bad_rows: Path | None) -> None:
    say(
        f"{file.name}: {report.new} new, {report.changed} changed, {report.unchanged} unchanged, "
        f"{len(report.bad)} set aside."
    )
    if report.hours_not_understood:
        say(f"{report.hours_not_understood} have hours that were not understood: kept as written, unknown.")
    if report.bad:
        shown = report.bad[:SHOWN]
        table("Set aside", ["where", "why"], [(row.where, row.reason) for row in shown])
        if len(report.bad) > SHOWN:
            say(f"… and {len(report.bad) - SHOWN} more.")
    if bad_rows is not None:
        with bad_rows.open("w", encoding="utf-8-sig", newline="") as opened_file:
            writer = csv.writer(opened_file)
            writer.writerow(["where", "why"])
            writer.writerows((row.where, row.reason) for row in report.bad)
