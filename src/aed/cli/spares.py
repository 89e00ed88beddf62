"""Commands: `aed spares`, the spare pads, batteries and cartridges of an estate."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from aed import clock
from aed.accounts.people.queries import names_by_actor
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking, validated
from aed.cli.rows import SHOWN, Id, Version
from aed.cli.screen import say, table
from aed.upkeep.spares import actions, queries
from aed.upkeep.spares.rules import SpareReason
from aed.upkeep.spares.schemas import SpareMovementIn, SpareStockAmend, SpareStockIn

spares = typer.Typer(no_args_is_help=True)


@spares.command("list")
def list_spares(estate_id: Id) -> None:
    """List what is left and has not expired, and each lot, the first to expire first."""
    with cli_read_session() as session:
        found = queries.stocks(session, operator(), estate_id)
        rows = [
            (
                each.stock.id,
                each.stock.kind,
                each.stock.maker,
                each.stock.model,
                each.usable(at=clock.now()),
                each.stock.reorder_point,
                "; ".join(f"{lot.quantity} of {lot.lot or '?'} until {lot.expires_on}" for lot in each.lots),
            )
            for each in found
        ]
    if not rows:
        say("The estate keeps no spares.")
        return
    table(None, ["id", "kind", "maker", "model", "left", "order at", "lots"], rows, right=["id", "left"])


@spares.command("add", cls=taking(SpareStockIn))
def add_spares(estate_id: Id, given: Fields) -> None:
    """Keep spares: kind=pads maker=… model=… reorder_point=2"""
    with cli_transaction() as session:
        made = actions.create_stock(
            session, operator(), estate_id, fields_in(SpareStockIn, given), at=clock.now()
        )
        say(f"Spare stock {made.id} is kept.")


@spares.command("amend", cls=taking(SpareStockAmend))
def amend_spares(stock_id: Id, given: Fields, version: Version = None) -> None:
    """Set the reorder point: reorder_point=3"""
    with cli_transaction() as session:
        present = queries.stock(session, operator(), stock_id).version
        found = actions.amend_stock(
            session,
            operator(),
            stock_id,
            fields_in(SpareStockAmend, given),
            version=version or present,
            at=clock.now(),
        )
        say(f"Spare stock {found.id} is at version {found.version}.")


@spares.command("withdraw")
def withdraw_spares(stock_id: Id, version: Version = None) -> None:
    """Keep these spares no longer."""
    with cli_transaction() as session:
        present = queries.stock(session, operator(), stock_id).version
        actions.withdraw_stock(session, operator(), stock_id, version=version or present, at=clock.now())
    say(f"Spare stock {stock_id} is no longer kept.")


@spares.command("move")
def move_spares(
    stock_id: Id,
    reason: SpareReason,
    quantity: Annotated[int, typer.Argument(min=0, help="How many; for `counted`, how many are there")],
    lot: Annotated[str | None, typer.Option(help="Lot number")] = None,
    expires_on: Annotated[str | None, typer.Option(help="Expiry date, such as 2028-06-30")] = None,
    note: Annotated[str | None, typer.Option(help="Why, in words")] = None,
) -> None:
    """Record spares that came in, went out or were counted."""
    new = validated(
        SpareMovementIn,
        {
            "key": uuid.uuid4(),
            "reason": reason,
            "quantity": quantity,
            "lot": lot,
            "expires_on": expires_on,
            "note": note,
        },
    )
    with cli_transaction() as session:
        actions.record_movement(session, operator(), stock_id, new, at=clock.now())
        left = queries.count_of(session, queries.stock(session, operator(), stock_id)).usable(at=clock.now())
        say(f"{left} left.")


@spares.command("movements")
def list_movements(stock_id: Id) -> None:
    """List what came in and went out, the last first."""
    with cli_read_session() as session:
        found = queries.movements(session, operator(), stock_id, limit=SHOWN)
        names = names_by_actor(session, [each.by_name for each in found])
        rows = [
            (
                f"{each.at:%Y-%m-%d %H:%MZ}",
                f"{each.quantity:+d}",
                each.reason,
                each.lot,
                each.expires_on,
                each.device_id,
                names.get(each.by_name, each.by_name),
                each.note,
            )
            for each in found
        ]
    columns = ["at", "number", "reason", "lot", "expires", "device", "by", "note"]
    table(None, columns, rows, right=["number", "device"])
