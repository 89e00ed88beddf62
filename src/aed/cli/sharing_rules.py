"""Commands: `aed sharing-rules`, the rules of regions for agreements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Final

import typer

from aed import clock
from aed.accounts.regions.queries import region_by_code
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, taking, validated
from aed.cli.screen import say, table
from aed.sharing.regional_rules import actions, queries
from aed.sharing.regional_rules.schemas import SharingRulesIn

_LISTS: Final = ("parties", "notice_days", "cost_reminder_days")
sharing_rules = typer.Typer(no_args_is_help=True)


@sharing_rules.command("set", cls=taking(SharingRulesIn))
def set_sharing_rules(given: Fields) -> None:
    """Set the rules of region=… for agreements drafted from now on; the other values are the defaults.

    Earlier agreements keep their rules. Lists are separated by commas: notice_days=60,30,7.
    """
    with cli_transaction() as session:
        made = actions.set_rules(
            session, operator(), validated(SharingRulesIn, _values(given)), at=clock.now()
        )
        say(f"Agreements drafted from now on follow the rules {made.version}.")


@sharing_rules.command("show")
def show_sharing_rules(code: Annotated[str, typer.Argument(help="The region's code")]) -> None:
    """Show the rules for new agreements of a region: its own, or those of a region above it."""
    with cli_read_session() as session:
        found = queries.rules_of_region(session, region_by_code(session, code).id)
        region, _ = queries.origin_of(session, found)
    rows = [("region", region or "all (defaults)")]
    for name, value in asdict(found).items():
        rows.append((name, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)))
    table(None, ["rule", "value"], rows)


def _values(given: Iterable[str]) -> dict[str, object]:
    pairs = [word.partition("=") for word in given]
    return {name: value.split(",") if name in _LISTS else value for name, _, value in pairs}
