"""Commands: `aed issuers`, issuers of certificates, their rosters and the pending verifications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aed import clock
from aed.accounts.people.queries import names_by_actor
from aed.accounts.regions.queries import region_by_code
from aed.certificates.rules import CheckState
from aed.certificates.verification import queries as verification_queries
from aed.cli.context import (
    cli_database,
    cli_read_session,
    cli_transaction,
    long_cli_dry_run,
    long_cli_transaction,
    operator,
)
from aed.cli.fields import Fields, fields_in, taking, validated
from aed.cli.files import write_whole
from aed.cli.import_options import BadRows, File, Strict
from aed.cli.rows import SHOWN, After, Version, show_all, show_history
from aed.cli.screen import counting, plural, say, table
from aed.errors import InvalidInput, NotFound
from aed.imports.batches import NothingImported, refuse_bad_rows
from aed.issuers import actions, queries
from aed.issuers.schemas import IssuerAmend, IssuerIn, IssuerOut
from aed.settings import load_settings

if TYPE_CHECKING:
    from aed.certificates.issuer_rosters.sheet_actions import IssuerRosterReport

issuers = typer.Typer(no_args_is_help=True)
Code = Annotated[str, typer.Argument(help="The issuer's code")]


@issuers.command("add", cls=taking(IssuerIn))
def add(given: Fields) -> None:
    """Add an issuer. JSON lists are read from files: courses=@FILE, also_called=@FILE."""
    with cli_transaction() as session:
        issuer = actions.create_issuer(session, operator(), fields_in(IssuerIn, given), at=clock.now())
        message = f"Issuer {issuer.id} is {issuer.code}: {issuer.name_en} {issuer.name_zh}."
    say(message)


@issuers.command("amend", cls=taking(IssuerAmend))
def amend(code: Code, given: Fields, version: Version = None) -> None:
    """Change the given fields of an issuer; courses=@FILE and also_called=@FILE replace the whole list."""
    with cli_transaction() as session:
        present = queries.issuer_by_code(session, code)
        issuer = actions.amend_issuer(
            session,
            operator(),
            present.id,
            fields_in(IssuerAmend, given),
            version=version or present.version,
            at=clock.now(),
        )
        message = f"Issuer {issuer.code} is at version {issuer.version}."
    say(message)


@issuers.command("withdraw")
def withdraw(code: Code, version: Version = None) -> None:
    """Withdraw an issuer: no new certificates are linked to it; issued ones stay as they are."""
    with cli_transaction() as session:
        present = queries.issuer_by_code(session, code)
        actions.withdraw_issuer(
            session, operator(), present.id, version=version or present.version, at=clock.now()
        )
    say(f"Issuer {code} is withdrawn.")


@issuers.command("show")
def show(code: Code) -> None:
    """Show an issuer."""
    with cli_read_session() as session:
        issuer = queries.issuer_by_code(session, code)
        show_all(
            IssuerOut.of(
                issuer,
                queries.further_names_of(session, [issuer]).get(issuer.id, []),
                queries.courses_of(session, [issuer.id]).get(issuer.id, []),
                is_url_shown=True,
            )
        )


@issuers.command("history")
def history(code: Code) -> None:
    """List the changes of an issuer, newest first: who, what and when."""
    with cli_read_session() as session:
        show_history(session, "issuers", queries.issuer_by_code(session, code).id)


@issuers.command("list")
def show_list(
    region: Annotated[str | None, typer.Option(help="Only in this region, by code")] = None, after: After = 0
) -> None:
    """List the issuers in order of id."""
    with cli_read_session() as session:
        region_id = region_by_code(session, region).id if region is not None else None
        found = queries.issuers(session, limit=SHOWN, after_id=after, region_id=region_id)
        courses = queries.courses_of(session, [each.id for each in found])
        rows = [
            (
                each.id,
                each.code,
                each.name_en,
                each.name_zh,
                each.kind,
                each.region.code if each.region is not None else "",
                each.verified_by,
                len(courses.get(each.id, [])),
                each.state,
            )
            for each in found
        ]
    table(
        None,
        ["id", "code", "name", "名称", "kind", "region", "verified by", "courses", "state"],
        rows,
        right=["id", "courses"],
    )
    if len(rows) == SHOWN:
        say(f"There may be more: --after {rows[-1][0]}")


@issuers.command("batch")
def write_batch(
    code: Code,
    reference: Annotated[str, typer.Argument(help="Chosen by you: the same again is the same batch")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write: .xlsx or .csv")],
    session_ids: Annotated[
        list[int] | None,
        typer.Option("--session", min=1, help="Only results of this session; may be given several times"),
    ] = None,
) -> None:
    """Write a batch of the passed results that an issuer does not have yet, in the issuer's columns."""
    from aed.training.issuer_batches import queries as batch_queries  # here: `list` reads no files
    from aed.training.issuer_batches.actions import lacks, lines_of, prepare_batch
    from aed.training.issuer_batches.schemas import IssuerBatchIn
    from aed.training.issuer_batches.sheet import csv_of, xlsx_of

    if output.suffix.lower() not in (".csv", ".xlsx"):
        raise InvalidInput("A batch is written as .csv or .xlsx. Name such a file.", field="output")
    given = validated(IssuerBatchIn, {"reference": reference, "session_ids": session_ids or []})
    with cli_transaction() as session:
        issuer = queries.issuer_by_code(session, code)
        form = batch_queries.format_of(issuer)
        prepared = prepare_batch(
            session,
            operator(),
            issuer.id,
            reference=given.reference,
            session_ids=given.chosen_sessions,
            at=clock.now(),
        )
        rows = batch_queries.rows_of(session, prepared.batch.id)
        lines = lines_of(session, prepared.batch, form, rows)
        write = csv_of if output.suffix.lower() == ".csv" else xlsx_of
        write_whole(output, write(form, lines))
        left_out = [f"{each.name}: {', '.join(lacks(each, form))}" for each in prepared.left_out]
    say(f"{output}: {plural(len(lines), 'result')} in batch {reference}.")
    for each in left_out:
        say(f"Left out, because something is missing: {each}.")


@issuers.command("batches")
def list_batches(code: Code, after: After = 0) -> None:
    """List the batches of an issuer."""
    from aed.training.issuer_batches import queries as batch_queries

    with cli_read_session() as session:
        issuer = queries.issuer_by_code(session, code)
        found = batch_queries.batches(session, operator(), issuer.id, limit=SHOWN, after_id=after)
        names = names_by_actor(session, [each.made_by for each in found])
        rows = [
            (each.id, each.reference, each.made_at, names.get(each.made_by, each.made_by), each.answered_at)
            for each in found
        ]
    table(None, ["id", "reference", "made", "by", "answered"], rows, right=["id"])


@issuers.command("answer")
def read_batch_answer(
    code: Code,
    reference: Annotated[str, typer.Argument(help="The reference of the batch")],
    file: Annotated[Path, typer.Argument(help="The issuer's answer: .xlsx or .csv")],
) -> None:
    """Read an issuer's answer to a batch: certificate numbers, and reasons for rejected rows."""
    from aed.training.issuer_batches import queries as batch_queries
    from aed.training.issuer_batches.actions import take_answer

    with long_cli_transaction() as session:
        issuer = queries.issuer_by_code(session, code)
        batch = batch_queries.batch_by_reference(session, issuer.id, reference)
        if batch is None:
            raise NotFound("This issuer has no batch {batch_id}.", field="reference", batch_id=reference)
        report = take_answer(session, operator(), issuer.id, batch.id, file, at=clock.now())
    say(
        f"{file.name}: {report.accepted} accepted, {report.rejected} rejected, "
        f"{len(report.bad)} not taken; {report.unchanged} of them were known."
    )
    for name, reason in report.rejections:
        say(f"Rejected: {name}: {reason}")
    for bad in report.bad:
        say(f"{bad.where}: {bad.reason}")


@issuers.command("import-roster")
def read(
    code: Code,
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing")] = False,
    strict: Strict = False,
    bad_rows: BadRows = None,
) -> None:
    """Import a roster of certificates: confirm, correct and revoke those registered here."""
    from aed.cli.imports import print_bad_rows  # here: `list` reads no files

    report = _read(code, file, strict, bad_rows, is_dry_run=dry_run)
    counts = report.effects.counts
    say(
        f"{file.name}: {report.new} new rows, {report.changed} changed, "
        f"{report.unchanged} unchanged, {len(report.bad)} set aside."
    )
    say(
        f"Certificates registered here: {counts[CheckState.CONFIRMED]} confirmed, "
        f"{counts[CheckState.CORRECTED]} corrected, {counts[CheckState.REVOKED]} revoked, "
        f"{counts[CheckState.DISPUTED]} disputed. Added to people known here: {report.effects.added}. "
        "Rows without a certificate here: "
        f"{report.effects.not_held}."
    )
    if report.missing:
        say(f"{plural(report.missing, 'verified certificate')} missing from this roster: not changed.")
    if notices := report.effects.unconfirmed:
        rows = [(each.number, each.state, each.said) for each in notices[:SHOWN]]
        table("Certificates that were not confirmed as they are", ["number", "state", "why"], rows)
        if len(notices) > SHOWN:
            say(f"… and {len(notices) - SHOWN} more: aed issuers checks {code}")
    print_bad_rows(report.bad)
    if dry_run:
        say("Nothing was written: this was a dry run.")


def _read(
    code: str, file: Path, strict: bool, bad_rows: Path | None, *, is_dry_run: bool
) -> IssuerRosterReport:
    from aed.certificates.issuer_rosters.sheet_actions import import_issuer_roster
    from aed.cli.imports import print_bad_rows, write_bad_rows

    try:
        with (
            long_cli_dry_run() if is_dry_run else long_cli_transaction() as session,
            counting("rows") as progress,
        ):
            issuer = queries.issuer_by_code(session, code)
            report = import_issuer_roster(
                session, operator(), issuer.id, file, at=clock.now(), progress=progress
            )
            if bad_rows is not None:
                write_bad_rows(report.bad, bad_rows)
            refuse_bad_rows(report, file.name, is_strict=strict)
    except NothingImported as refused:
        print_bad_rows(refused.bad)
        raise
    return report


@issuers.command("verify")
def ask() -> None:
    """Ask the issuers about every due certificate now, as is done every five minutes on schedule."""
    from aed.certificates.verification.issuer_checks import issuer_access_in, verify_certificates

    settings = load_settings()
    with cli_database(settings) as database:
        runs = verify_certificates(database, clock.now, by=issuer_access_in(settings))
    for run in runs:
        left_alone = " It is not asked again for a while." if run.is_left_alone else ""
        say(f"{run.code}: {run.answered} answered, {run.unanswered} unanswered.{left_alone}")
    if not runs:
        say("Nothing is due.")


@issuers.command("checks")
def checks(
    code: Annotated[str | None, typer.Argument(help="Only of this issuer")] = None,
    state: Annotated[CheckState | None, typer.Option(help="Only those in this state")] = None,
    after: After = 0,
) -> None:
    """List the verifications of certificates: the state of each, and why."""
    with cli_read_session() as session:
        issuer_id = queries.issuer_by_code(session, code).id if code is not None else None
        found = verification_queries.checks(
            session, operator(), limit=SHOWN, after_id=after, issuer_id=issuer_id, state=state
        )
    for each in found:
        say(
            f"{each.certificate_id}  {each.issuer}  {each.number or 'no number'}  {each.name}  "
            f"until {each.valid_until}  {each.trust}  {each.state}"
        )
        say(f"    {each.said}")
    if not found:
        say("There are no verifications.")
    if len(found) == SHOWN:
        say(f"There may be more: --after {found[-1].certificate_id}")
