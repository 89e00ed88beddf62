"""Commands: `aed incidents report`, `aed incidents outcome` and `aed statistics`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import fields_in, taking
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.screen import heading, say, table, warn
from aed.debrief.labels import ITEM_LABELS, MOMENT_LABELS, TASK_LABELS, VALUE_LABELS, Label
from aed.debrief.outcomes import queries
from aed.debrief.outcomes.actions import record_outcome
from aed.debrief.outcomes.rules import ITEMS, MOMENTS
from aed.debrief.outcomes.schemas import PatientOutcomeIn, PatientOutcomeOut
from aed.debrief.reports.formats import report_pdf
from aed.debrief.reports.queries import after_action
from aed.debrief.statistics.formats import TableFormat, about_year, sheets_of, written
from aed.debrief.statistics.queries import YearQuery, cases_of_year, year_in_numbers
from aed.debrief.statistics.rules import CountedKind
from aed.debrief.statistics.schemas import CasesOut, StatisticsOut
from aed.errors import InvalidInput
from aed.incidents import queries as incident_queries
from aed.settings import load_settings

_Incident = Annotated[int, typer.Argument(min=1, help="The incident's number", metavar="INCIDENT")]
MAX_MS: Final = 600_000


def add_commands(group: typer.Typer) -> None:
    """Add these commands to `aed incidents`."""
    group.command("report")(report)
    group.command("outcome", cls=taking(PatientOutcomeIn))(outcome)


def report(
    incident_id: _Incident,
    output: Annotated[Path, typer.Option("-o", "--output", help="The PDF file to write")],
) -> None:
    """Write the after-action report as PDF: what was planned, who was alerted and came, and the outcome."""
    with cli_read_session() as session:
        content = report_pdf(after_action(session, operator(), incident_id))
    write_whole(output, content)
    warn(f"{output}: the report of incident {incident_id}.")


def outcome(
    incident_id: _Incident,
    given: Annotated[
        list[str] | None, typer.Argument(help="The fields, listed below", metavar="NAME=VALUE…")
    ] = None,
) -> None:
    """Show the outcome of the patient; with NAME=VALUE, record it.

    Fields that are not given stay as they are. For a value that is not known, give `unknown`, or null for a
    number or a moment.
    """
    if given:
        given_items = fields_in(PatientOutcomeIn, given)
        with cli_transaction() as session:
            before = queries.outcome_of(session, incident_id)
            items = queries.items_in(before)
            known = {name: getattr(items, name) for name in ITEMS}
            amended = PatientOutcomeIn(
                **known | {name: getattr(given_items, name) for name in given_items.model_fields_set}
            )
            version = before.version if before is not None else 0
            record_outcome(session, operator(), incident_id, amended.items(), version=version, at=clock.now())
    with cli_read_session() as session:
        incident = incident_queries.incident(session, operator(), incident_id)
        shown = PatientOutcomeOut.of(
            incident.id, queries.outcome_of(session, incident.id), queries.measured(session, incident)
        )
    _print_outcomes(shown)


def _print_outcomes(shown: PatientOutcomeOut) -> None:
    who = (
        f"recorded by {shown.reported_by} at {_clock(shown.reported_at)}"
        if shown.reported_at is not None
        else "not recorded yet"
    )
    heading(f"The patient of incident {shown.incident_id}: {who}")
    rows = []
    for item in ITEMS:
        value = getattr(shown, item)
        text = _clock(value) if isinstance(value, datetime) else "unknown" if value is None else str(value)
        rows.append((item, text, VALUE_LABELS.get(text, ("", ""))[1], _in_both_languages(ITEM_LABELS[item])))
    table(None, ("item", "is", "", "what it is"), rows)
    heading("Times from the record of the call")
    known = shown.measured
    moments = [
        (_in_both_languages(MOMENT_LABELS[name]), _clock(at), f"{(at - known.called_at).total_seconds():.0f}")
        for name in ("collapsed_at", "called_at", *MOMENTS)
        if (at := getattr(known, name)) is not None
    ]
    table(None, ("moment", "UTC", "s after the call"), moments, right=("s after the call",))
    calls = [
        (_in_both_languages(TASK_LABELS[task]), *counts.model_dump().values())
        for task, counts in known.calls.items()
    ]
    numbers = ("asked", "seen", "accepted", "there")
    if calls:
        table(None, ("task", *numbers), calls, right=numbers)


def _in_both_languages(words: Label) -> str:
    return f"{words[0]} {words[1]}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


# --- Yearly statistics ----------------------------------------------------------------------------------


def statistics(
    year: Annotated[int, typer.Argument(min=2000, max=2100)],
    region: Annotated[str | None, typer.Option(help="Only in this region and those below it")] = None,
    kind: Annotated[
        CountedKind, typer.Option(help="Real incidents or exercises; never both")
    ] = CountedKind.REAL,
    for_publication: Annotated[
        bool,
        typer.Option(
            "--for-publication", help="For publication: hide counts below 5 and round others to the nearest 5"
        ),
    ] = False,
    cases: Annotated[
        bool, typer.Option("--cases", help="One row per case, without names; not for publication")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this .csv, .xlsx or .json file")
    ] = None,
) -> None:
    """Summarise a year of incidents (Utstein 2014).

    The Utstein update of 2024 is not yet supported.
    """
    if cases and (output is None or for_publication):
        raise InvalidInput(
            either(
                "Cases are written to a file and must not be published: --cases --output FILE.csv.",
                "逐例数据只能写入文件，且不得公开：--cases --output 文件.csv。",
            ),
            field="out",
        )
    form = _form_of(output) if output is not None else None
    asked = YearQuery(year, kind, region)
    with cli_read_session(load_settings().model_copy(update={"statement_timeout_ms": MAX_MS})) as session:
        if cases:
            shown: CasesOut | StatisticsOut = CasesOut.of(asked, cases_of_year(session, operator(), asked))
        else:
            shown = StatisticsOut.of(
                year_in_numbers(session, operator(), asked, for_publication=for_publication)
            )
    if output is not None and form is not None:
        write_whole(output, written(shown, form))
        warn(f"{output}: {kind} incidents of {year}.")
    elif isinstance(shown, StatisticsOut):
        _show_year(shown)


def _form_of(output: Path) -> TableFormat:
    try:
        return TableFormat(output.suffix.removeprefix(".").casefold())
    except ValueError:
        raise InvalidInput(
            either(
                f"{output}: the file name must end in .csv, .xlsx or .json.",
                f"{output}：文件扩展名须为 .csv、.xlsx 或 .json。",
            ),
            field="out",
        ) from None


def _show_year(shown: StatisticsOut) -> None:
    """Print the tables, leaving out values that do not occur."""
    for _, words, value in about_year(shown):
        say(f"{_in_both_languages(words)}: {value or '-'}")
    for sheet in sheets_of(shown):
        names = [en for en, _ in sheet.columns.values()]
        rows = [
            (_in_both_languages(row.words), *row.numbers)
            for row in sheet.rows
            if sheet.name != "patients" or row.numbers != (0,)
        ]
        if rows:
            table(_in_both_languages(sheet.words), ("", *names), rows, right=names)
