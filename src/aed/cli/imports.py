"""Commands: `aed import`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from aed import clock
from aed.cli.context import cli_read_session, long_cli_dry_run, long_cli_transaction, operator
from aed.cli.import_options import BadRows, File, Strict
from aed.cli.import_report import print_preview, print_report
from aed.cli.language import either
from aed.cli.screen import counting, plural, say, table
from aed.errors import InvalidInput
from aed.files.spreadsheets import escape_formula
from aed.imports.batches import BadRow, ImportReport, NothingImported, Progress, refuse_bad_rows
from aed.imports.devices.actions import import_devices
from aed.imports.devices.answers import OF_DEVICE, OF_ROW, Answers, with_answer
from aed.imports.devices.preview import Preview, preview_devices
from aed.imports.devices.questions import DuplicateQuestion
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision, thresholds_in
from aed.imports.estates import import_buildings, import_estates
from aed.imports.findings import FindingKind, shown
from aed.imports.formats.guess import mapping_text
from aed.imports.formats.mapping import Mapping, mapping_of
from aed.imports.formats.marked import write_set_aside
from aed.imports.formats.recognise import DeviceFormat
from aed.imports.formats.table import SET_ASIDE_COLUMNS
from aed.imports.lint.fixes import MENDABLE, fixes_in
from aed.imports.lint.linting import lint_list
from aed.imports.responders import import_responders
from aed.imports.saved_mappings.actions import mapping_named
from aed.imports.saved_mappings.actions import mapping_of as mapping_of_saved
from aed.settings import load_settings

imports = typer.Typer(no_args_is_help=True)

SHOWN = 20


@imports.command("devices")
def devices(
    file: File,
    form: Annotated[
        DeviceFormat | None,
        typer.Option("--format", help="The format of the list; default: recognised from its contents"),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region of new devices whose row names neither an estate nor a region")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The publisher, if several publish lists in the same format")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="A mapping file (YAML), or the name of a saved mapping, by which the list is read"),
    ] = None,
    guess: Annotated[
        bool,
        typer.Option(
            "--guess",
            help="Guess the mapping of a list that people keep by hand, and show it with five rows; import "
            "nothing without --yes",
        ),
    ] = False,
    save_mapping: Annotated[
        Path | None,
        typer.Option(metavar="NAME", help="With --guess: save the mapping as NAME.yaml, for --mapping"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --guess: import at once")] = False,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Mend the findings of this kind, as `aed lint` would have them, and show each before and "
            "after; may be repeated, or `all`",
        ),
    ] = None,
    same: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROW=OTHER",
            help="With --guess: the row is this registered device (12=17), or the same as an earlier row "
            "(12=row:4); may be repeated",
        ),
    ] = None,
    different: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROW",
            help="With --guess: the row is another device than those that it is asked about (12), or than "
            "one of them (12=17); may be repeated",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="The file is only part of its list: devices that it lacks are not gone"
        ),
    ] = False,
    accept_shrink: Annotated[
        bool, typer.Option("--accept-shrink", help="Mark all missing devices as gone, however many")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be new, changed, gone or asked; write nothing"),
    ] = False,
    strict: Strict = False,
    bad_rows: BadRows = None,
) -> None:
    """Import a list of devices, in any known format or with a mapping file.

    The file counts as the complete list of its source: devices that it no longer contains go out of service.
    If they are many, a person must decide first (aed reviews).
    """
    by = _mapping(mapping) if mapping is not None else None
    if (yes or save_mapping is not None) and not guess:
        raise InvalidInput(
            either(
                "--yes and --save-mapping require --guess.", "--yes 和 --save-mapping 须与 --guess 同用。"
            ),
            field="guess",
        )
    if (same or different) and not guess:
        raise InvalidInput(
            either("--same and --different require --guess.", "--same 和 --different 须与 --guess 同用。"),
            field="guess",
        )
    kinds = _mended_kinds(fix or [])
    answers: Answers = {}
    if guess:
        found = _previewed(file, by, source, region)
        answers = _answers(found.questions, same or [], different or [])
        print_preview(found, region=region, answers=answers)
        by = _saved(found, save_mapping)
        if not yes:
            _fixes(file, form, by, kinds)
            say(
                either(
                    "Nothing was imported. Check the columns above; then import with --guess --yes, or with "
                    "--mapping and the saved file.",
                    "未导入任何内容。请核对以上各列，再用 --guess --yes 或 --mapping 文件名 导入。",
                )
            )
            return

    fixes = _fixes(file, form, by, kinds)

    def run(session: Session, progress: Progress) -> DeviceReport:
        return import_devices(
            session,
            operator(),
            file,
            at=clock.now(),
            form=form,
            mapping=by,
            region=region,
            source=source,
            is_partial=partial,
            is_shrink_accepted=accept_shrink,
            thresholds=thresholds_in(load_settings()),
            fixes=fixes,
            answers=answers,
            progress=progress,
        )

    def write(report: DeviceReport, target: Path) -> None:
        if target.suffix.lower() != ".xlsx" or report.first_row is None:
            write_bad_rows(report.bad, target)
            return
        write_set_aside(
            file,
            target,
            {row.number: row.reason for row in report.bad},
            first=report.first_row,
            encodings=by.encodings if by is not None else (),
            fill_merged=by is not None and by.kept_by_hand,
        )

    report = _import("devices", run, file, strict, bad_rows, is_dry_run=dry_run, write=write)
    print_report(report, in_detail=dry_run)
    if dry_run:
        say("Nothing was written: this was a dry run.")


def _mapping(named: Path) -> Mapping:
    """Return the mapping in a file, or else the one that is saved under this name."""
    path = _yaml(named)
    if path.exists() or named.suffix or len(named.parts) > 1:
        return mapping_of(path)
    with cli_read_session() as session:
        return mapping_of_saved(mapping_named(session, operator(), str(named)))


def _yaml(path: Path) -> Path:
    """Return the path of a mapping file that may be named without its ending."""
    return path if path.suffix or path.exists() else path.with_name(f"{path.name}.yaml")


def _mended_kinds(named: Sequence[str]) -> list[FindingKind]:
    if "all" in named:
        return list(MENDABLE)
    known = [kind.value for kind in MENDABLE]
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        raise InvalidInput(
            either(
                f"--fix cannot mend '{unknown}'. It can mend: {', '.join(known)}, or all.",
                f"--fix 不能修正“{unknown}”。可修正：{'、'.join(known)}，或 all（全部）。",
            ),
            field="fix",
        )
    return [FindingKind(name) for name in named]


def _fixes(
    file: Path, form: DeviceFormat | None, mapping: Mapping | None, kinds: Sequence[FindingKind]
) -> dict[int, dict[str, str]]:
    """Return the corrections of these kinds by row, and print each before and after."""
    if not kinds:
        return {}
    with lint_list(file, on=clock.now().date(), form=form, mapping=mapping) as linted:
        found = list(fixes_in(linted, kinds))
    fixes: dict[int, dict[str, str]] = {}
    for each in found:
        fixes.setdefault(each.number, {}).update(each.fields)
    if found:
        rows = [(each.where, shown(each.kind), each.before, each.after) for each in found[:SHOWN]]
        table(either("Mended", "已修正"), ["where", "what", "before", "after"], rows)
    say(
        either(
            f"{plural(len(found), 'value')} mended in {plural(len(fixes), 'row')}.",
            f"在 {len(fixes)} 行中修正了 {len(found)} 处。",
        )
    )
    return fixes


def _previewed(file: Path, mapping: Mapping | None, source: str | None, region: str | None) -> Preview:
    with cli_read_session() as session:
        return preview_devices(
            session,
            operator(),
            file,
            mapping=mapping,
            source=source,
            region=region,
            thresholds=thresholds_in(load_settings()),
        )


def _answers(
    questions: Sequence[DuplicateQuestion], same: Sequence[str], different: Sequence[str]
) -> Answers:
    """Return the answers of --same and --different."""
    answers: Answers = {}
    for given in different:
        row, _, other = given.partition("=")
        others = [_other(other)] if other else [each.other for each in questions if str(each.number) == row]
        if not others:
            raise InvalidInput(
                either(f"There is no question about row {row}.", f"第 {row} 行没有待回答的问题。"),
                field="different",
            )
        for each in others:
            answers = with_answer(answers, row, each, Decision.DIFFERENT)
    for given in same:
        row, _, other = given.partition("=")
        answers = with_answer(answers, row, _other(other), Decision.SAME)
    return answers


def _other(given: str) -> str:
    return given if given.startswith(OF_ROW) else f"{OF_DEVICE}{given}"


def _saved(found: Preview, save: Path | None) -> Mapping:
    """Return the mapping of a preview, saved as a file if a name is given."""
    if save is None:
        return found.mapping
    target = _yaml(save)
    name = re.sub(r"[^a-z0-9]+", "-", target.stem.casefold()).strip("-")[:40]
    by = found.mapping.model_copy(update={"name": name if len(name) > 1 else found.mapping.name})
    if target.exists():
        raise InvalidInput(
            either(
                f"{target} exists already. Choose another name, or delete it.",
                f"{target} 已存在。请换一个名称，或先删除它。",
            ),
            field="save-mapping",
        )
    try:
        target.write_text(mapping_text(by), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            either(
                f"{target} cannot be written: {error.strerror}.", f"{target} 无法写入：{error.strerror}。"
            ),
            field="save-mapping",
        ) from None
    say(either(f"The mapping is saved in {target}.", f"映射已保存到 {target}。"))
    return by


@imports.command("estates")
def estates(file: File, strict: Strict = False, bad_rows: BadRows = None) -> None:
    """Import regions, estates, gates and buildings from the project's own GeoJSON or CSV."""
    _import(
        "rows",
        lambda session, progress: import_estates(
            session, operator(), file, at=clock.now(), progress=progress
        ),
        file,
        strict,
        bad_rows,
    )


@imports.command("buildings")
def buildings(file: File) -> None:
    """Import the buildings of registered estates from an OpenStreetMap extract (.osm.pbf)."""
    with long_cli_transaction() as session, counting("buildings") as progress:
        report = import_buildings(session, operator(), file, progress=progress)
    say(
        f"{file.name}: {report.new} new, {report.changed} changed, {report.unchanged} "
        f"unchanged, {report.gone} gone; {report.outside} are in no estate."
    )


@imports.command("responders")
def responders(file: File, strict: Strict = False, bad_rows: BadRows = None) -> None:
    """Import responders from the project's own CSV or GeoJSON, with a row for each place of a person."""
    _import(
        "rows",
        lambda session, progress: import_responders(
            session, operator(), file, at=clock.now(), progress=progress
        ),
        file,
        strict,
        bad_rows,
    )


def _import[ReportT: ImportReport](
    what: str,
    run: Callable[[Session, Progress], ReportT],
    file: Path,
    strict: bool,
    bad_rows: Path | None,
    *,
    is_dry_run: bool = False,
    write: Callable[[ReportT, Path], None] | None = None,
) -> ReportT:
    """Run one import in one transaction and print its result.

    If the requested list of bad rows cannot be written, nothing is imported.
    """
    try:
        with (
            long_cli_dry_run() if is_dry_run else long_cli_transaction() as session,
            counting(what) as progress,
        ):
            report = run(session, progress)
            if bad_rows is not None and write is not None:
                write(report, bad_rows)
            elif bad_rows is not None:
                write_bad_rows(report.bad, bad_rows)
            refuse_bad_rows(report, file.name, is_strict=strict)
    except NothingImported as refused:
        print_bad_rows(refused.bad)
        raise
    say(
        f"{file.name}: {report.new} new, {report.changed} changed, {report.unchanged} "
        f"unchanged, {len(report.bad)} set aside."
    )
    if report.hours_not_understood:
        say(
            f"Opening hours not understood: {report.hours_not_understood}, stored as "
            "written, treated as unknown."
        )
    print_bad_rows(report.bad)
    return report


def print_bad_rows(bad: Sequence[BadRow]) -> None:
    if bad:
        table("Rows set aside", ["where", "reason"], [(row.where, row.reason) for row in bad[:SHOWN]])
        if len(bad) > SHOWN:
            say(f"… and {len(bad) - SHOWN} more. `--bad-rows FILE` writes all of them.")


def write_bad_rows(bad: Sequence[BadRow], target: Path) -> None:
    columns = list(dict.fromkeys(name for row in bad for name in row.fields))
    try:
        with target.open("w", encoding="utf-8-sig", errors="replace", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow([*SET_ASIDE_COLUMNS, *columns])
            for row in bad:
                cells = [row.where, row.reason, *(_cell(row.fields.get(name)) for name in columns)]
                writer.writerow([escape_formula(cell) for cell in cells])
    except OSError as error:
        raise InvalidInput(
            either(
                f"{target} cannot be written: {error.strerror}.", f"{target} 无法写入：{error.strerror}。"
            ),
            field="bad-rows",
        ) from None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)
