"""Commands: `aed devices` and `aed consumables`."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.accounts.regions.queries import region_by_code
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import MAX_ID, SHOWN, After, Id, RowKind, add_commands
from aed.cli.screen import say, table
from aed.registry.devices import actions as device_actions
from aed.registry.devices import loans
from aed.registry.devices import queries as device_queries
from aed.registry.devices.cabinet_codes import CabinetCodeIn, set_cabinet_code
from aed.registry.devices.loans import LoanIn
from aed.registry.devices.schemas import (
    ConsumableAmend,
    ConsumableIn,
    ConsumableOut,
    DeviceAmend,
    DeviceIn,
    DeviceOut,
)
from aed.registry.estates import queries as estate_queries
from aed.registry.product_numbers import normalise_registration_number, normalise_udi_di
from aed.registry.storeys import storey_label

devices_group = typer.Typer(no_args_is_help=True)
consumables_group = typer.Typer(no_args_is_help=True)
add_commands(
    devices_group,
    RowKind(
        name="device",
        amending="Change the fields that are given.",
        withdrawing="Withdraw a device. Its history stays.",
        read=device_queries.device,
        shown=lambda device: DeviceOut.of(device, operator()),
        shape=DeviceAmend,
        amend=device_actions.amend_device,
        withdraw=device_actions.withdraw_device,
    ),
)
add_commands(
    consumables_group,
    RowKind(
        name="consumable",
        amending="Change the fields that are given.",
        withdrawing="Remove a consumable that is no longer in the device.",
        read=lambda session, who, consumable_id: device_queries.consumable(session, who, consumable_id)[0],
        shown=ConsumableOut.of,
        shape=ConsumableAmend,
        amend=device_actions.amend_consumable,
        withdraw=device_actions.withdraw_consumable,
    ),
)


@devices_group.command("add", cls=taking(DeviceIn))
def add_device(given: Fields) -> None:
    """Register a device: lat=… lon=… and estate_id=… or region=…"""
    with cli_transaction() as session:
        device = device_actions.create_device(session, operator(), fields_in(DeviceIn, given), at=clock.now())
        say(f"Device {device.id} is registered.")


@devices_group.command("merge")
def merge_devices(
    kept_id: Annotated[int, typer.Argument(help="The device to keep", min=1, max=MAX_ID)],
    other_id: Annotated[int, typer.Argument(help="The duplicate, which is withdrawn", min=1, max=MAX_ID)],
) -> None:
    """Merge two devices: withdraw the other one, and apply its lists to the kept one from now on."""
    from aed.imports.devices import decisions  # only this command needs it

    with cli_transaction() as session:
        decisions.merge_two_devices(session, operator(), kept_id, other_id, at=clock.now())
        say(f"Device {other_id} is withdrawn and merged into device {kept_id}.")


@devices_group.command("cabinet-code", cls=taking(CabinetCodeIn))
def cabinet_code(device_id: Id, given: Fields) -> None:
    """Set the code that opens the cabinet, code=4711#; remove it with code=null.

    The code is shown to the device's keeper, and to a person who has accepted to fetch the device.
    """
    new = fields_in(CabinetCodeIn, given)
    with cli_transaction() as session:
        set_cabinet_code(session, operator(), device_id, new.code, at=clock.now())
        say("The code is stored, encrypted." if new.code is not None else "The code is removed.")


@devices_group.command("lend", cls=taking(LoanIn))
def lend_device(device_id: Id, given: Fields) -> None:
    """Let a spare device stand in for one that is away: loaner_id=7 due_back_on=2026-11-30 reason=repair"""
    new = fields_in(LoanIn, given)
    with cli_transaction() as session:
        loan = loans.lend_device(session, operator(), device_id, new, at=clock.now())
        say(f"Device {loan.loaner_id} stands in for device {device_id} until {loan.due_back_on}.")


@devices_group.command("return-loaner")
def return_loaner(device_id: Id) -> None:
    """End the loan of a device: it and its loaner are as before."""
    with cli_transaction() as session:
        found = loans.loan_of(session, operator(), device_id)
        version = found.version if found is not None else 0
        loan = loans.return_loaner(session, operator(), device_id, version=version, at=clock.now())
        say(f"Device {loan.loaner_id} is returned, and device {loan.device_id} has its place again.")


@devices_group.command("list")
def list_devices(
    after: After = 0,
    estate: Annotated[int | None, typer.Option(min=1, max=MAX_ID, help="Only in this estate, by id")] = None,
    region: Annotated[str | None, typer.Option(help="Only in this region, by code")] = None,
    registration_number: Annotated[
        str | None, typer.Option(help="Only of this registration number (医疗器械注册证号)")
    ] = None,
    udi_di: Annotated[str | None, typer.Option(help="Only of this UDI-DI; the whole code will do")] = None,
) -> None:
    """List the devices, a hundred at a time."""
    number = normalise_registration_number(registration_number) if registration_number is not None else None
    identifier = normalise_udi_di(udi_di) if udi_di is not None else None
    with cli_read_session() as session:
        if region is not None:
            region_by_code(session, region)
        if estate is not None:
            estate_queries.estate(session, operator(), estate)
        rows = [
            (each.id, each.place_zh or each.place_en,
             storey_label(each.floor, counts_ground_as_one=bool(each.counts_ground_as_one)),
             each.opening_hours or "?", each.audience, each.state,
             each.first_expiry, f"{each.lat:.5f}, {each.lon:.5f}")
            for each in device_queries.devices(
                session, operator(), limit=SHOWN, after_id=after, estate_id=estate, region=region,
                registration_number=number, udi_di=identifier,
            )
        ]  # fmt: skip
    table(None, ["id", "where", "storey", "hours", "for", "state", "expires", "position"], rows, right=["id"])


@consumables_group.command("fit", cls=taking(ConsumableIn))
def fit_consumable(device_id: Id, given: Fields) -> None:
    """Record pads or a battery fitted in a device: kind=pads expires_on=2028-05-31"""
    with cli_transaction() as session:
        fitted = device_actions.fit_consumable(
            session, operator(), device_id, fields_in(ConsumableIn, given), at=clock.now()
        )
        say(f"Consumable {fitted.id} is fitted.")


@devices_group.command("readiness")
def show_readiness(device_id: Id) -> None:
    """Show whether a device would be offered now, and if not, why."""
    from aed.settings import load_settings
    from aed.upkeep.faults.queries import readiness_of
    from aed.upkeep.faults.schemas import ReadinessOut

    within = load_settings().arrival.checked_within_days
    with cli_read_session() as session:
        device = device_queries.device(session, operator(), device_id)
        found = readiness_of(session, device, at=clock.now(), checked_within_days=within)
        ready = ReadinessOut.of(found)
    say(f"Device {ready.number} is {'usable' if ready.is_usable else 'NOT usable'} ({ready.readiness}).")
    for reason in ready.unusable_reasons:
        say(f"    {reason.en}{'' if reason.zh == reason.en else f' {reason.zh}'}")
