"""Commands: `aed checks`, `quarantines`, `reports`, `due` and `replacements`, the maintenance of devices."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.queries import names_by_actor
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.devices import show_readiness
from aed.cli.fields import fields_in, taking, validated
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.rows import After, Id
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.registry.devices import queries as device_queries
from aed.upkeep.checks import actions as check_actions
from aed.upkeep.checks import queries as check_queries
from aed.upkeep.checks.actions import record_check
from aed.upkeep.checks.photo import picture_without_traces
from aed.upkeep.checks.queries import policy_for, terms_of
from aed.upkeep.checks.rules import GLANCE_ASKS, QUESTION_WORDS, questions_of
from aed.upkeep.checks.schemas import CheckIn, CheckOut
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due import ics, sheets
from aed.upkeep.due import queries as due_queries
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults import queries as fault_queries
from aed.upkeep.models import CheckApproval
from aed.upkeep.rules import (
    QUARANTINE_WORDS,
    ApprovalState,
    CheckKind,
    DueKind,
    FaultReportState,
    Question,
    short_number,
)

SHOWN = 100

OfEstate = Annotated[int | None, typer.Option("--estate", min=1, help="Only of this estate, by id")]
OfRegion = Annotated[str | None, typer.Option("--region", help="Only in this region and those below it")]
OfKeeper = Annotated[int | None, typer.Option("--keeper", min=1, help="Only devices of this keeper, by id")]

# --- Checks ---------------------------------------------------------------------------------------------

checks = typer.Typer(no_args_is_help=True)


@checks.command("form")
def show_form(device_id: Id, kind: CheckKind = CheckKind.CHECK) -> None:
    """Show the questions that a check of the device asks today."""
    with cli_read_session() as session:
        device = device_queries.device(session, operator(), device_id)
        active_reasons = [each.reason for each in fault_queries.active_quarantines(session, device.id)]
        asks = questions_of(terms_of(policy_for(session, device)).asks, active_reasons)
    for question in GLANCE_ASKS if kind is CheckKind.GLANCE else asks:
        say(f"{question}: {QUESTION_WORDS[question][1]} {QUESTION_WORDS[question][0]}")
    for reason in active_reasons:
        say(f"Out of service: {QUARANTINE_WORDS[reason][0]} {QUARANTINE_WORDS[reason][1]}")


@checks.command("add", cls=taking(CheckIn))
def add_check(
    device_id: Id,
    given: Annotated[
        list[str] | None,
        typer.Argument(help="The fields, listed below", metavar="NAME=VALUE…"),
    ] = None,
    yes: Annotated[
        list[Question] | None,
        typer.Option("--yes", help="A question answered with yes (all is well); may be repeated"),
    ] = None,
    no: Annotated[
        list[Question] | None,
        typer.Option("--no", help="A question answered with no (something is wrong); may be repeated"),
    ] = None,
    all_well: Annotated[
        bool, typer.Option("--all-well", help="Answer every question of the form with yes")
    ] = False,
    replaced: Annotated[
        list[str] | None,
        typer.Option(
            "--replaced",
            help="A consumable that was replaced: KIND, KIND:DATE or KIND:DATE:LOT; may be repeated",
        ),
    ] = None,
    photo: Annotated[
        list[Path] | None,
        typer.Option(
            "--photo", exists=True, dir_okay=False, help="A photo, JPEG, PNG or WebP; may be repeated"
        ),
    ] = None,
) -> None:
    """Record a check of a device. A repeated key records nothing new."""
    with cli_transaction() as session:
        bare = given or []
        if not any(word.startswith("key=") for word in bare):
            bare = [*bare, f"key={uuid.uuid4()}"]
        new = fields_in(CheckIn, bare)
        answers = _all_well(session, device_id, new.kind) if all_well else {}
        answers |= dict.fromkeys(yes or [], True) | dict.fromkeys(no or [], False)
        fields = {**new.model_dump(exclude_unset=True), "answers": answers}
        if replaced:
            fields["replaced"] = [_replaced(word) for word in replaced]
        taken = record_check(session, operator(), device_id, validated(CheckIn, fields), at=clock.now())
        for path in photo or []:
            sent = path.read_bytes()
            check_actions.add_photo(
                session, operator(), taken.check.key, sent, picture_without_traces(sent), at=clock.now()
            )
        check = CheckOut.of(
            taken.check, check_queries.approvals_of(session, [taken.check]).get(taken.check.id)
        )
    result = "passed" if check.is_passed else "not passed"
    if check.approval is not None and check.approval.state is ApprovalState.WAITING:
        result += ", and waits for a second person's approval"
    say(f"Check {check.id}: {result if taken.is_new else 'had been recorded already'}.")
    show_readiness(device_id)


def _all_well(session: Session, device_id: int, kind: CheckKind) -> dict[Question, bool]:
    device = device_queries.device(session, operator(), device_id)
    active_reasons = [each.reason for each in fault_queries.active_quarantines(session, device.id)]
    asks = questions_of(terms_of(policy_for(session, device)).asks, active_reasons)
    return dict.fromkeys(GLANCE_ASKS if kind is CheckKind.GLANCE else asks, True)


def _replaced(word: str) -> dict[str, str]:
    kind, _, rest = word.partition(":")
    day, _, lot = rest.partition(":")
    found = {"kind": kind, "expires_on": day, "lot": lot}
    return {name: value for name, value in found.items() if value}


@checks.command("list")
def list_checks(device_id: Id) -> None:
    """List the checks of a device, the most recently recorded first."""
    with cli_read_session() as session:
        found = check_queries.checks(session, operator(), device_id, limit=SHOWN)
        approvals = check_queries.approvals_of(session, found)
        deciders = [each.decided_by for each in approvals.values() if each.decided_by]
        names = names_by_actor(session, [*(each.by_name for each in found), *deciders])
        rows = [
            (
                each.id,
                f"{each.answered_at:%Y-%m-%d %H:%MZ}",
                each.kind,
                names.get(each.by_name, each.by_name),
                "passed" if each.is_passed else "there" if each.is_there else "MISSING",
                " ".join(name for name, is_well in each.answers.items() if not is_well),
                " ".join(each.replaced),
                _approval_in_words(approvals.get(each.id), names),
                each.note,
            )
            for each in found
        ]
    if not rows:
        say("The device has no checks.")
        return
    table(
        None,
        ["id", "answered", "kind", "by", "", "wrong", "replaced", "approval", "note"],
        rows,
        right=["id"],
    )


def _approval_in_words(approval: CheckApproval | None, names: Mapping[str, str]) -> str | None:
    if approval is None:
        return None
    by = approval.decided_by
    return f"{approval.state} by {names.get(by, by)}" if by else str(approval.state)


# --- Quarantines ----------------------------------------------------------------------------------------

quarantines = typer.Typer(no_args_is_help=True)


@quarantines.command("list")
def list_quarantines(
    estate: OfEstate = None,
    region: OfRegion = None,
    device: Annotated[int | None, typer.Option("--device", min=1, help="Only of this device, by id")] = None,
    lifted: Annotated[bool, typer.Option("--all", help="Include ended quarantines")] = False,
    after: After = 0,
) -> None:
    """List the active quarantines; a check that answers the reason lifts one."""
    with cli_read_session() as session:
        device_filter = DeviceFilter(device_id=device, estate_id=estate, region=region)
        found = fault_queries.quarantines(
            session, operator(), device_filter, limit=SHOWN + 1, after_id=after, also_lifted=lifted
        )
    rows = [
        (
            each.device_id,
            f"{each.since:%Y-%m-%d %H:%MZ}",
            " ".join(reversed(QUARANTINE_WORDS[each.reason])),
            each.note,
            f"{each.lifted_at:%Y-%m-%d %H:%MZ}" if each.lifted_at else None,
        )
        for each in found[:SHOWN]
    ]
    if not rows:
        say("No device is quarantined.")
        return
    table(None, ["device", "since", "reason", "said", "ended"], rows, right=["device"])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].id}")


# --- Reports --------------------------------------------------------------------------------------------

reports = typer.Typer(no_args_is_help=True)


@reports.command("list")
def list_reports(
    estate: OfEstate = None,
    region: OfRegion = None,
    closed: Annotated[bool, typer.Option("--all", help="Include closed reports")] = False,
    after: After = 0,
) -> None:
    """List the fault reports that nobody has reviewed yet."""
    with cli_read_session() as session:
        found = fault_queries.reports(
            session,
            operator(),
            DeviceFilter(estate_id=estate, region=region),
            limit=SHOWN + 1,
            after_id=after,
            also_closed=closed,
        )
    rows = [
        (
            each.id,
            each.device_id,
            f"{each.at:%Y-%m-%d %H:%MZ}",
            each.kind,
            each.note,
            each.by_name or "a stranger",
            each.state,
        )
        for each in found[:SHOWN]
    ]
    if not rows:
        say("There are no open reports.")
        return
    columns = ["id", "device", "at", "what", "note", "by", "state"]
    table(None, columns, rows, right=["id", "device"])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].id}")


@reports.command("confirm")
def confirm_report(report_id: Id) -> None:
    """Confirm a fault report, with all its consequences."""
    _close_report(report_id, FaultReportState.CONFIRMED)


@reports.command("dismiss")
def dismiss_report(report_id: Id) -> None:
    """Dismiss a fault report as wrong."""
    _close_report(report_id, FaultReportState.DISMISSED)


def _close_report(report_id: int, state: FaultReportState) -> None:
    with cli_transaction() as session:
        device_id = fault_actions.close_report(
            session, operator(), report_id, state=state, at=clock.now()
        ).device_id
    say(f"Report {report_id} is {state}.")
    show_readiness(device_id)


# --- Due ------------------------------------------------------------------------------------------------


def due(
    estate: OfEstate = None,
    region: OfRegion = None,
    keeper: OfKeeper = None,
    days: Annotated[int, typer.Option(min=0, max=800, help="Due within this many days, or overdue")] = 30,
    due_kind: Annotated[
        list[DueKind] | None, typer.Option("--kind", help="Only this kind of work; may be repeated")
    ] = None,
    glances: Annotated[bool, typer.Option(help="Include daily glances")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write all of it to this file instead: .xlsx or .ics"),
    ] = None,
) -> None:
    """List the work that is due on devices, longest overdue first."""
    device_filter = DeviceFilter(estate_id=estate, region=region, keeper_id=keeper)
    wanted = due_kind or [each for each in DueKind if glances or each is not DueKind.GLANCE]
    now = clock.now()
    with cli_read_session() as session:
        found = due_queries.duties(
            session, operator(), device_filter, at=now, within_days=days, due_kinds=wanted
        )
    if output is not None:
        _write(
            output,
            {".xlsx": lambda: sheets.due_sheet(found), ".ics": lambda: ics.due_calendar(found, at=now)},
        )
        say(f"{len(found.dues)} due items are in {output}.")
        return
    rows = [
        (
            each.due_on,
            each.overdue_days(found.today[each.device_id]) or None,
            " ".join(reversed(DUE_WORDS[each.due_kind])),
            short_number(each.device_id),
            device.estate_zh or device.estate_en,
            device.place_zh or device.place_en,
        )
        for each in found.dues[:SHOWN]
        for device in [found.devices[each.device_id]]
    ]
    if not rows:
        say(f"Nothing is due within {days} days.")
        return
    table(None, ["due on", "days late", "what", "device", "estate", "place"], rows, right=["days late"])
    say(found.line[1])
    say(found.line[0])
    if len(found.dues) > SHOWN:
        say(
            f"{SHOWN} of {len(found.dues)} shown, {found.overdue} overdue. `--output due.xlsx` "
            "writes all of them."
        )


def replacements(
    estate: OfEstate = None,
    region: OfRegion = None,
    months: Annotated[
        int, typer.Option(min=1, max=60, help="Number of months, including the current one")
    ] = 12,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write a spreadsheet instead: .xlsx")
    ] = None,
) -> None:
    """List the pads and batteries to order, by month and model.

    Covers what expires in the coming year, unless --months is given.
    """
    today = clock.now().date()
    with cli_read_session() as session:
        found = due_queries.replacements(
            session, operator(), DeviceFilter(estate_id=estate, region=region), today=today, months=months
        )
    if output is not None:
        _write(output, {".xlsx": lambda: sheets.replacement_sheet(found, today=today, months=months)})
        say(f"{sum(each.quantity for each in found)} items to order are in {output}.")
        return
    if not found:
        say(f"Nothing expires within {months} months.")
        return
    rows: Sequence[Sequence[object]] = [
        (
            f"{each.month:%Y-%m}",
            each.maker,
            each.model,
            " ".join(reversed(sheets.CONSUMABLE_WORDS[each.kind])),
            each.quantity,
        )
        for each in found
    ]
    table(None, ["month", "maker", "model", "what", "quantity"], rows, right=["quantity"])


def _write(path: Path, ways: Mapping[str, Callable[[], bytes]]) -> None:
    """Write a file in the format of its suffix. Raises InvalidInput for an unknown one."""
    way = ways.get(path.suffix.lower())
    if way is None:
        raise InvalidInput(
            either(
                f"{path.name}: the file name must end in {' or '.join(ways)}.",
                f"{path.name}：文件扩展名须为 {' 或 '.join(ways)}。",
            ),
            field="to",
        )
    write_whole(path, way())
