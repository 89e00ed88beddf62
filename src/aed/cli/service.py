"""Commands: `aed service`, records of service and the report of a region; `aed points`, accounts."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.accounts.regions.queries import region_by_code
from aed.accounts.viewers import viewer_of_person
from aed.cli.context import cli_database, cli_read_session, cli_transaction, operator
from aed.cli.files import write_whole
from aed.cli.screen import say, table
from aed.timebank.goods import queries as goods_queries
from aed.timebank.ledger import queries as ledger
from aed.timebank.rules import Currency, to_points
from aed.volunteering.records import actions, queries
from aed.volunteering.report.formats import csv_of, lines_of, xlsx_of
from aed.volunteering.report.queries import service_report
from aed.volunteering.rules import ServiceState, hours_and_minutes

service = typer.Typer(no_args_is_help=True)
points = typer.Typer(no_args_is_help=True)

RecordId = Annotated[int, typer.Argument(help="The record's id: see aed service list", metavar="ID")]
PersonId = Annotated[int, typer.Argument(help="The person's id: see aed people list", metavar="PERSON")]
RegionCode = Annotated[str, typer.Argument(help="The region's code: see aed regions list", metavar="REGION")]
By = Annotated[
    int,
    typer.Option(
        help="The id of the person who decides; they must be allowed to, and are named in the record"
    ),
]


@service.command("list")
def list_records(
    estate: Annotated[int | None, typer.Option(help="Only of the estate with this id")] = None,
    person: Annotated[int | None, typer.Option(help="Only of the person with this id")] = None,
    state: Annotated[ServiceState | None, typer.Option(help="Only in this state")] = None,
    held: Annotated[bool, typer.Option("--held", help="Only records whose points are held")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most")] = 100,
) -> None:
    """List service records, the oldest first."""
    with cli_read_session() as session:
        found = queries.records(
            session,
            operator(),
            limit=limit,
            person_id=person,
            estate_id=estate,
            state=state,
            is_held=True if held else None,
        )
        rows = [
            (
                each.id,
                each.started_at.date(),
                each.person.name,
                each.source,
                hours_and_minutes(each.minutes),
                each.state,
                "held" if each.is_held else "",
            )
            for each in found
        ]
    table(None, ["id", "day", "volunteer", "service", "time", "state", ""], rows, right=["id", "time"])


@service.command("confirm")
def confirm(record_id: RecordId, by: By) -> None:
    """Confirm a pending record in the name of the person who confirmed it."""
    with cli_transaction() as session:
        found = actions.confirm_record(
            session, viewer_of_person(session, by), record_id, rating=None, at=clock.now()
        )
        say(f"{found.number} is {found.state}.")


@service.command("void")
def void(
    record_id: RecordId,
    by: By,
    reason: Annotated[str, typer.Option(help="The reason, which the volunteer reads")],
) -> None:
    """Void a record in the name of the person who decided: its minutes and points are taken back."""
    with cli_transaction() as session:
        found = actions.void_record(
            session, viewer_of_person(session, by), record_id, reason=reason, at=clock.now()
        )
        say(f"{found.number} is {found.state}.")


@service.command("report")
def report(
    region: RegionCode,
    first: Annotated[str, typer.Option("--from", help="The first day, such as 2026-01-01")],
    last: Annotated[str, typer.Option("--until", help="The last day, such as 2026-12-31")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv or .xlsx file to write; default: the screen")
    ] = None,
) -> None:
    """Show what the volunteers of a region did: minutes by kind, ages, points outstanding."""
    try:
        days = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError as error:
        raise typer.BadParameter("--from and --until must be dates such as 2026-01-01.") from error
    with cli_read_session() as session:
        found = service_report(
            session, operator(), region_by_code(session, region), first=days[0], last=days[1]
        )
    if output is None:
        table(None, ["section", "name", "value"], lines_of(found), right=["value"])
        return
    write_whole(output, xlsx_of(found) if output.suffix == ".xlsx" else csv_of(found))
    say(f"{output} contains the report of {region}.")


@service.command("write-batches")
def write_prepared_batches(
    folder: Annotated[Path, typer.Argument(help="The folder, from which they are uploaded", file_okay=False)],
) -> None:
    """Write the batches for volunteer platforms that have no webhook to CSV files."""
    from aed.volunteering.platforms.jobs import write_batches  # here: `list` notifies nobody

    with cli_database() as database:
        references = write_batches(database, folder, clock.now())
    say(
        f"{folder} contains {len(references)} batches: {', '.join(references)}."
        if references
        else "None waits."
    )


@points.command("balance")
def balance(person_id: PersonId) -> None:
    """Show the accounts of a person and of their family, in minutes and points."""
    with cli_read_session() as session:
        rows = [
            (each.id, each.kind, each.currency, _amount(each.currency, each.balance))
            for each in ledger.accounts_of(session, operator(), person_id)
        ]
    table(None, ["account", "kind", "currency", "balance"], rows, right=["account", "balance"])


@points.command("statement")
def statement(
    account_id: Annotated[
        int, typer.Argument(help="The account's id: see aed points balance", metavar="ACCOUNT")
    ],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many entries at most")] = 20,
) -> None:
    """List the entries of an account, the newest first."""
    with cli_read_session() as session:
        account = ledger.account(session, operator(), account_id)
        rows = [
            (
                each.number,
                f"{each.at:%Y-%m-%d %H:%M}",
                each.kind,
                _amount(account.currency, each.amount),
                each.record,
            )
            for each in ledger.statement(session, account.id, limit=limit)
        ]
    table(None, ["entry", "at (UTC)", "kind", "amount", "for"], rows, right=["entry", "amount"])


@points.command("goods")
def goods(region: RegionCode) -> None:
    """List the goods of a region that points can be exchanged for."""
    with cli_read_session() as session:
        found = goods_queries.catalogue(session, region_by_code(session, region).id, limit=1000, after_id=0)
        rows = [(each.id, each.name_zh, each.name_en, to_points(each.price), each.stock) for each in found]
    table(None, ["id", "name", "", "points", "stock"], rows, right=["id", "points", "stock"])


def _amount(currency: Currency, amount: int) -> str:
    return f"{to_points(amount)}" if currency is Currency.POINTS else str(amount)
