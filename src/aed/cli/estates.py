"""Commands: `aed estates` and `aed gates`."""

from __future__ import annotations

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import SHOWN, After, Id, RowKind, add_commands
from aed.cli.screen import say, table
from aed.registry.estates import actions as estate_actions
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.gate_codes import GateCodeIn, set_gate_code
from aed.registry.estates.schemas import EstateAmend, EstateIn, EstateOut, GateAmend, GateIn, GateOut

estates_group = typer.Typer(no_args_is_help=True)
gates_group = typer.Typer(no_args_is_help=True)
add_commands(
    estates_group,
    RowKind(
        name="estate",
        amending="Change the fields that are given.",
        withdrawing="Withdraw an estate and its gates. Refused while devices are in it.",
        read=estate_queries.estate,
        shown=EstateOut.of,
        shape=EstateAmend,
        amend=estate_actions.amend_estate,
        withdraw=estate_actions.withdraw_estate,
    ),
)
add_commands(
    gates_group,
    RowKind(
        name="gate",
        amending="Change the fields that are given.",
        withdrawing="Withdraw a gate. Its history stays.",
        read=estate_queries.gate,
        shown=GateOut.of,
        shape=GateAmend,
        amend=estate_actions.amend_gate,
        withdraw=estate_actions.withdraw_gate,
    ),
)


@estates_group.command("add", cls=taking(EstateIn))
def add_estate(given: Fields) -> None:
    """Register an estate; boundary=@FILE reads GeoJSON."""
    with cli_transaction() as session:
        estate = estate_actions.create_estate(session, operator(), fields_in(EstateIn, given), at=clock.now())
        say(f"Estate {estate.id} is registered.")


@estates_group.command("list")
def list_estates(after: After = 0) -> None:
    """List the estates, a hundred at a time."""
    with cli_read_session() as session:
        rows = [
            (
                each.id,
                each.name_en,
                each.name_zh,
                each.region.code,
                each.neighbourhood,
                each.guard_phone,
                each.state,
            )
            for each in estate_queries.estates(session, operator(), limit=SHOWN, after_id=after)
        ]
    table(None, ["id", "name", "名称", "region", "neighbourhood", "guard", "state"], rows)


@gates_group.command("add", cls=taking(GateIn))
def add_gate(estate_id: Id, given: Fields) -> None:
    """Register a gate of an estate."""
    with cli_transaction() as session:
        gate = estate_actions.create_gate(
            session, operator(), estate_id, fields_in(GateIn, given), at=clock.now()
        )
        say(f"Gate {gate.id} is registered.")


@gates_group.command("code", cls=taking(GateCodeIn))
def gate_code(gate_id: Id, given: Fields) -> None:
    """Set or remove the code that opens a gate: code=2580# or code=null"""
    new = fields_in(GateCodeIn, given)
    with cli_transaction() as session:
        set_gate_code(session, operator(), gate_id, new.code, at=clock.now())
        say("The code is stored, encrypted." if new.code is not None else "The code is removed.")


@gates_group.command("list")
def list_gates(estate_id: Id) -> None:
    """List the gates of an estate."""
    with cli_read_session() as session:
        estate_queries.estate(session, operator(), estate_id)
        rows = [
            (each.id, each.name_en, each.name_zh, each.passage, each.opening_hours, each.state)
            for each in (
                GateOut.of(gate) for gate in estate_queries.gates(session, operator(), estate_id=estate_id)
            )
        ]
    table(None, ["id", "name", "名称", "open to", "hours", "state"], rows)
