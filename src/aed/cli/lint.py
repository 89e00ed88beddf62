"""Command: `aed lint`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, operator
from aed.cli.language import either
from aed.cli.screen import counted, counting, say, table, warn
from aed.errors import AedError, InvalidInput
from aed.imports.findings import CHINESE_SEVERITY, Finding, FindingKind, Severity, shown
from aed.imports.formats.mapping import mapping_of
from aed.imports.formats.marked import write_marked
from aed.imports.formats.recognise import DeviceFormat
from aed.imports.lint.linting import lint_list
from aed.imports.lint.report import LintedList, finding_as_json, summary_as_json

SHOWN_OF_A_KIND = 5
CLEAN, HAS_ERRORS, NOT_A_LIST = 0, 1, 2


def lint(
    file: Annotated[Path, typer.Argument(help="A list of devices, in any format that can be imported")],
    form: Annotated[
        DeviceFormat | None,
        typer.Option("--format", help="The format of the list; default: recognised from its contents"),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A mapping file (YAML) for a list in another format")
    ] = None,
    country: Annotated[
        str | None,
        typer.Option(help="The country of the list, such as CN; default: from its format or its rows"),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Also compare with the registered devices and estates")
    ] = False,
    marked: Annotated[
        Path | None,
        typer.Option(help="Write the list with a column of findings to this file: .csv, .xlsx or .geojson"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all findings as JSON")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every finding, including notes")] = False,
) -> None:
    """Check a list of devices before importing it.

    Prints every finding by row and column, with a suggested correction.

    Exit status: 0 without errors, 1 with errors, 2 if the file cannot be read.
    """
    try:
        with ExitStack() as stack:
            session = stack.enter_context(cli_read_session()) if register else None
            with counting("rows read and compared") as progress:
                linted = stack.enter_context(
                    lint_list(
                        file,
                        on=clock.now().date(),
                        form=form,
                        mapping=mapping_of(mapping) if mapping is not None else None,
                        country=_country(country),
                        register=(session, operator()) if session is not None else None,
                        progress=progress,
                    )
                )
            if marked is not None:
                with counting("rows written") as progress:
                    marks = counted(linted.marks(), progress)
                    write_marked(file, marked, marks, first=linted.first, encodings=linted.encodings)
            if as_json:
                _write_json(linted)
            else:
                _print_findings(linted, everything=everything)
            status = HAS_ERRORS if linted.has_errors else CLEAN
    except AedError as error:
        if as_json:
            say(json.dumps({"file": file.name, "error": error.detail}, ensure_ascii=False))
        warn(f"aed: {error.detail}")
        raise typer.Exit(NOT_A_LIST) from None
    raise typer.Exit(status)


def _country(code: str | None) -> str | None:
    if code is None:
        return None
    if not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise InvalidInput(
            either(
                "--country must be a two-letter country code, such as CN.",
                "--country 须为两个字母的国家代码，如 CN。",
            ),
            field="country",
        )
    return code.upper()


def _write_json(linted: LintedList) -> None:
    """Print the result as one JSON object, with one line per finding."""
    beginning = json.dumps(summary_as_json(linted), ensure_ascii=False)
    sys.stdout.write(f'{beginning[:-1]}, "findings": [')
    for count, finding in enumerate(linted.findings()):
        separator = ",\n" if count else "\n"
        sys.stdout.write(separator + json.dumps(finding_as_json(finding), ensure_ascii=False))
    sys.stdout.write("\n]}\n")


def _print_findings(linted: LintedList, *, everything: bool) -> None:
    severities = linted.severities()
    counted = ", ".join(
        f"{severities[severity]:,} {severity.value}{'' if severities[severity] == 1 else 's'} "
        f"{CHINESE_SEVERITY[severity]}"
        for severity in Severity
    )
    say(f"{linted.file}: {linted.title}; {linted.rows:,} rows; {counted}.")
    if not linted.counts:
        return
    order = list(Severity)
    rows = sorted(linted.counts.items(), key=lambda each: (order.index(each[0][1]), -each[1]))
    table(
        None,
        ["finding", "severity", "count"],
        [(shown(kind), f"{how.value} {CHINESE_SEVERITY[how]}", f"{count:,}") for (kind, how), count in rows],
        right=["findings"],
    )
    shown_of_kind: Counter[FindingKind] = Counter()
    for finding in linted.findings():
        if everything or (
            finding.severity is not Severity.NOTE and shown_of_kind[finding.kind] < SHOWN_OF_A_KIND
        ):
            shown_of_kind[finding.kind] += 1
            _print_finding(finding)
    left = sum(severities.values()) - shown_of_kind.total()
    if left > 0:
        say(f"… and {left:,} more. --all shows every finding; --json and --marked FILE write them.")


def _print_finding(finding: Finding) -> None:
    say(f"{finding.where}: {shown(finding.kind)} ({finding.severity.value})")
    if finding.column or finding.read:
        say(f"    {': '.join(part for part in (finding.column, finding.read) if part)}")
    say(f"    {finding.wrong}")
    if finding.right:
        say(f"    → {finding.right}")
