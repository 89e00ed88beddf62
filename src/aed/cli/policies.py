"""Commands: `aed policies`, how often devices are checked, and `aed recalls`, recalls by makers.

Fields are given as NAME=VALUE, with the names of the API; the questions of a policy are --ask QUESTION.
"""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, long_cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import After, Id, Version, show_all, show_history
from aed.cli.screen import plural, say, table
from aed.upkeep.checks import actions as check_actions
from aed.upkeep.checks import queries as check_queries
from aed.upkeep.checks.queries import terms_of
from aed.upkeep.checks.rules import DEFAULT, Terms
from aed.upkeep.checks.schemas import PolicyAmend, PolicyIn, PolicyOut
from aed.upkeep.models import Recall
from aed.upkeep.recalls import actions as recall_actions
from aed.upkeep.recalls import queries as recall_queries
from aed.upkeep.recalls.schemas import RecallIn, RecallOut
from aed.upkeep.rules import PolicyState, Question

SHOWN = 100
UNKNOWN_NUMBERS = "Check on site the devices of that model whose numbers are not known"

# --- Policies -------------------------------------------------------------------------------------------

policies = typer.Typer(no_args_is_help=True)
Asks = Annotated[
    list[Question] | None,
    typer.Option("--ask", help="A question of the check, in this order; may be repeated"),
]


@policies.command("add", cls=taking(PolicyIn))
def add_policy(given: Fields, asks: Asks = None) -> None:
    """Add a policy for estate_id=…, for maker=… or for maker=… model=…; without them, for all devices."""
    with cli_transaction() as session:
        new = fields_in(PolicyIn, given)
        if asks:
            new = PolicyIn.model_validate({**new.model_dump(), "asks": asks})
        policy = check_actions.create_policy(session, operator(), new, at=clock.now())
        say(f"Policy {policy.id} is in force.")


@policies.command("amend", cls=taking(PolicyAmend))
def amend_policy(
    policy_id: Id,
    given: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE …", metavar="NAME=VALUE…")] = None,
    asks: Asks = None,
    version: Version = None,
) -> None:
    """Change the given fields of a policy; null means never. --ask replaces all questions."""
    with cli_transaction() as session:
        change = fields_in(PolicyAmend, given or [])
        if asks:
            change = PolicyAmend.model_validate({**change.model_dump(exclude_unset=True), "asks": asks})
        present = check_queries.policy(session, operator(), policy_id).version
        policy = check_actions.amend_policy(
            session, operator(), policy_id, change, version=version or present, at=clock.now()
        )
        say(f"Policy {policy.id} is at version {policy.version}.")


@policies.command("withdraw")
def withdraw_policy(policy_id: Id, version: Version = None) -> None:
    """Withdraw a policy; the next more general policy applies, or the default."""
    with cli_transaction() as session:
        present = check_queries.policy(session, operator(), policy_id).version
        check_actions.withdraw_policy(
            session, operator(), policy_id, version=version or present, at=clock.now()
        )
    say(f"Policy {policy_id} is withdrawn.")


@policies.command("show")
def show_policy(policy_id: Id) -> None:
    """Show a policy."""
    with cli_read_session() as session:
        show_all(PolicyOut.of(check_queries.policy(session, operator(), policy_id)))


@policies.command("history")
def policy_history(policy_id: Id) -> None:
    """List every version of a policy, newest first."""
    with cli_read_session() as session:
        show_history(session, "policies", check_queries.policy(session, operator(), policy_id).id)


@policies.command("list")
def list_policies(
    withdrawn: Annotated[bool, typer.Option("--all", help="Include withdrawn policies")] = False,
    after: After = 0,
) -> None:
    """List the policies in force; without one, the default applies."""
    with cli_read_session() as session:
        found = check_queries.policies(session, operator(), limit=SHOWN + 1, after_id=after)
        rows: list[tuple[object, ...]] = [
            (each.id, each.estate_id, each.maker, each.model, *_summary(terms_of(each)), each.name_zh)
            for each in found[:SHOWN]
            if withdrawn or each.state is PolicyState.IN_FORCE
        ]
    rows.append((None, None, None, None, *_summary(DEFAULT), "默认 default"))
    columns = [
        "id",
        "estate",
        "maker",
        "model",
        "glance",
        "check",
        "service",
        "pads",
        "battery",
        "life",
        "name",
    ]
    table(None, columns, rows, right=columns[:2])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].id}")


def _summary(terms: Terms) -> tuple[str, ...]:
    """Return the intervals of checks and the lives of consumables as table cells."""
    days = [f"{each} d" if each else "never" for each in (terms.glance_days, terms.check_days)]
    lives = [f"{each} m" if each else "as dated" for each in (terms.pads_months, terms.battery_months)]
    life = f"{terms.life_years} y" if terms.life_years else "as dated"
    return (*days, f"{terms.service_months} m" if terms.service_months else "never", *lives, life)


# --- Recalls --------------------------------------------------------------------------------------------

recalls = typer.Typer(no_args_is_help=True)


@recalls.command("add", cls=taking(RecallIn))
def announce_recall(
    given: Fields,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which devices it would quarantine; change nothing")
    ] = False,
) -> None:
    """Announce a recall: quarantine every device concerned, and notify its keepers.

    Lots of pads or batteries are read from a file with a JSON list, such as ["P2401", "P2402"]: lots=@FILE.
    """
    if dry_run:
        _preview_recall(fields_in(RecallIn, given))
        return
    with long_cli_transaction() as session:
        recall = recall_actions.announce_recall(
            session, operator(), fields_in(RecallIn, given), at=clock.now()
        )
        progress = recall_queries.progress(session, operator(), recall)
        say(f"Recall {recall.id} quarantined {plural(progress.found, 'device')}.")
        if progress.without_serial:
            say(f"{UNKNOWN_NUMBERS}: {progress.without_serial}.")


def _preview_recall(new: RecallIn) -> None:
    with cli_read_session() as session:
        found = recall_queries.preview(session, operator(), Recall(**new.model_dump()))
    say(f"It would quarantine {plural(found.found, 'device')}.")
    rows = [
        (
            each.device_id,
            each.estate_zh or each.estate_en,
            each.place_zh or each.place_en,
            each.model,
            each.serial,
        )
        for each in found.devices
    ]
    if rows:
        table(None, ["device", "estate", "where", "model", "serial"], rows, right=["device"])
    if found.without_serial:
        say(f"{UNKNOWN_NUMBERS}: {found.without_serial}.")


@recalls.command("close")
def close_recall(recall_id: Id, version: Version = None) -> None:
    """Close a recall; it applies to no further devices."""
    with cli_transaction() as session:
        present = recall_queries.recall(session, recall_id).version
        recall_actions.close_recall(
            session, operator(), recall_id, version=version or present, at=clock.now()
        )
    say(f"Recall {recall_id} is closed.")


@recalls.command("show")
def show_recall(recall_id: Id) -> None:
    """Show a recall and its progress."""
    with cli_read_session() as session:
        recall = recall_queries.recall(session, recall_id)
        show_all(RecallOut.of(recall, recall_queries.progress(session, operator(), recall)))


@recalls.command("devices")
def list_recalled(recall_id: Id, after: After = 0) -> None:
    """List the devices of a recall, and what was done with each."""
    with cli_read_session() as session:
        recall = recall_queries.recall(session, recall_id)
        found = recall_queries.recalled_devices(session, operator(), recall, limit=SHOWN + 1, after_id=after)
    rows = [
        (
            each.device_id,
            each.estate_zh or each.estate_en,
            each.place_zh or each.place_en,
            each.serial,
            f"{each.lifted_at:%Y-%m-%d}" if each.lifted_at else "waits",
        )
        for each in found[:SHOWN]
    ]
    if not rows:
        say("The recall concerns no device.")
        return
    table(None, ["device", "estate", "place", "serial", "resolved"], rows, right=["device"])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].quarantine_id}")


@recalls.command("list")
def list_recalls(after: After = 0) -> None:
    """List the recalls and their progress."""
    with cli_read_session() as session:
        found = recall_queries.recalls(session, limit=SHOWN + 1, after_id=after)
        rows = []
        for each in found[:SHOWN]:
            progress = recall_queries.progress(session, operator(), each)
            serials = f"{each.serial_from} … {each.serial_to}" if each.serial_from else "all"
            done = f"{progress.dealt_with} of {progress.found}"
            rows.append((each.id, each.reference, each.maker, each.model, serials, done, each.state))
    if not rows:
        say("There are no recalls.")
        return
    columns = ["id", "reference", "maker", "model", "serials", "resolved", "state"]
    table(None, columns, rows, right=["id"])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].id}")
