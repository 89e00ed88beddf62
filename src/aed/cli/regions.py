"""Commands: `aed regions`."""

from __future__ import annotations

from typing import Annotated

import typer

from aed.accounts.regions import actions as region_actions
from aed.accounts.regions import queries as region_queries
from aed.accounts.regions.queries import region_by_code
from aed.accounts.regions.schemas import RegionIn
from aed.cli.context import cli_read_session, cli_transaction
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import show_all
from aed.cli.screen import say, table

regions = typer.Typer(no_args_is_help=True)


@regions.command("put", cls=taking(RegionIn))
def put_region(given: Fields) -> None:
    """Add a region, or change the one with that code."""
    with cli_transaction() as session:
        region, _ = region_actions.put_region(session, fields_in(RegionIn, given))
        say(f"Region {region.code} is {region.name_en} {region.name_zh}.")


@regions.command("show")
def show_region(code: Annotated[str, typer.Argument(help="The region's code")]) -> None:
    """Show a region."""
    with cli_read_session() as session:
        region = region_by_code(session, code)
        parent = next(
            (each.code for each in region_queries.regions(session) if each.id == region.parent_id), None
        )
        shown = {name: getattr(region, name) for name in RegionIn.model_fields if name != "parent"}
        show_all(RegionIn.model_validate({**shown, "parent": parent}))


@regions.command("list")
def list_regions() -> None:
    """List the regions."""
    with cli_read_session() as session:
        rows = [
            (
                each.code,
                each.name_en,
                each.name_zh,
                each.time_zone,
                each.emergency_number,
                each.holiday_calendar,
            )
            for each in region_queries.regions(session)
        ]
    table(None, ["code", "name", "名称", "time zone", "emergency", "holidays"], rows)
