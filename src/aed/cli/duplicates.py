"""aed people duplicates, same, different: entries that may be one person."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.certificates.duplicates import queries
from aed.certificates.duplicates.actions import decide_pair, find_pairs
from aed.certificates.rules import PairDecision
from aed.cli.context import operator, reading, writing, writing_much
from aed.cli.register.rows import SHOWN, After
from aed.cli.screen import say, table

Pair = Annotated[int, typer.Argument(help="The pair's id, from aed people duplicates", min=1)]


def add_commands(people: typer.Typer) -> None:
    """The group has these commands too."""
    people.command("duplicates")(duplicates)
    people.command("same")(same)
    people.command("different")(different)


def duplicates(
    look: Annotated[bool, typer.Option("--look/--no-look", help="Look for new ones first")] = True,
    decided: Annotated[bool, typer.Option("--decided", help="Those that were decided, too")] = False,
    after: After = 0,
) -> None:
    """People who may be one, and why. Nothing is done about them until somebody says so."""
    if look:
        with writing_much() as session:
            find_pairs(session, at=clock.now())
    with reading() as session:
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
        say("Nobody seems to be entered twice.")
        return
    table(None, ["pair", "one", "other", "score", "because", "decided"], rows, right=["pair", "score"])
    say("aed people same PAIR joins the two; aed people different PAIR keeps them apart for good.")
    if len(rows) == SHOWN:
        say(f"There may be more: --after {rows[-1][0]}")


def same(
    pair_id: Pair,
    keep: Annotated[
        int | None, typer.Option(help="Who stands for both, by the person's id; else the older entry", min=1)
    ] = None,
) -> None:
    """The two are one person. Certificates, enrolments, roles and history of both are one's from then on."""
    with writing() as session:
        pair = decide_pair(session, operator(), pair_id, PairDecision.SAME, keep_id=keep, at=clock.now())
        said = f"Person {pair.kept_id} stands for both."
    say(said)


def different(pair_id: Pair) -> None:
    """The two are two people; nobody is asked about them again."""
    with writing() as session:
        decide_pair(session, operator(), pair_id, PairDecision.DIFFERENT, at=clock.now())
    say("They are kept apart.")
