"""Commands: `aed people duplicates`, entries that may be the same person."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, long_cli_transaction, operator
from aed.cli.rows import SHOWN, After
from aed.cli.screen import say, table

duplicates = typer.Typer(
    help="Find people who were entered twice; merge them, or record that they are different people."
)

Pair = Annotated[int, typer.Argument(help="The pair's number, from `aed people duplicates list`", min=1)]


@duplicates.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_duplicates()


@duplicates.command("list")
def list_duplicates(
    search: Annotated[bool, typer.Option("--search/--no-search", help="Search for new pairs first")] = True,
    decided: Annotated[bool, typer.Option("--decided", help="Also list decided pairs")] = False,
    after: After = 0,
) -> None:
    """List pairs of people who may be the same person, and why."""
    from aed.certificates.duplicates import queries
    from aed.certificates.duplicates.actions import find_pairs

    if search:
        with long_cli_transaction() as session:
            find_pairs(session, at=clock.now())
    with cli_read_session() as session:
        found = queries.pairs(session, operator(), limit=SHOWN, after_id=after, also_decided=decided)
        rows = [
            (
                each.id,
                f"{each.first_id} {each.first.name} {each.first.phone or ''}",
                f"{each.second_id} {each.second.name} {each.second.phone or ''}",
                f"{each.score:.2f}",
                "; ".join(each.reasons),
                each.decision,
            )
            for each in found
        ]
    if not rows:
        say("No possible duplicates.")
        return
    table(None, ["pair", "one", "other", "score", "reasons", "decided"], rows, right=["pair", "score"])
    say("Next: aed people duplicates merge PAIR, or aed people duplicates reject PAIR.")
    if len(rows) == SHOWN:
        say(f"There may be more: aed people duplicates list --after {rows[-1][0]}")


@duplicates.command("merge")
def merge(
    pair_id: Pair,
    keep: Annotated[
        int | None, typer.Option(help="The person to keep, by id; default: the older entry", min=1)
    ] = None,
) -> None:
    """Merge the two into one person, with the certificates, enrolments, roles and history of both."""
    from aed.certificates.duplicates.actions import decide_pair
    from aed.certificates.rules import PairDecision

    with cli_transaction() as session:
        pair = decide_pair(session, operator(), pair_id, PairDecision.SAME, keep_id=keep, at=clock.now())
        message = f"Both entries are now person {pair.kept_id}."
    say(message)


@duplicates.command("reject")
def reject(pair_id: Pair) -> None:
    """Record that the two are different people, so that the pair is not listed again."""
    from aed.certificates.duplicates.actions import decide_pair
    from aed.certificates.rules import PairDecision

    with cli_transaction() as session:
        decide_pair(session, operator(), pair_id, PairDecision.DIFFERENT, at=clock.now())
    say("The two are recorded as different people.")
