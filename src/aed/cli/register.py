"""aed regions, estates, gates, devices, consumables, holidays: the register by hand.

Fields are given as NAME=VALUE, by the names that the API uses; `null` empties one, @FILE reads JSON.
A position is lat=… lon=… datum=…, a keeper keeper_name=… keeper_phone=….
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import actions as accounts_actions
from aed.accounts import queries as accounts
from aed.accounts.schemas import RegionIn
from aed.cli.context import operator, reading, writing
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.registry import queries
from aed.registry.actions import devices, estates, holidays
from aed.registry.schemas.devices import (
    ConsumableAmend,
    ConsumableIn,
    ConsumableOut,
    DeviceAmend,
    DeviceIn,
    DeviceOut,
)
from aed.registry.schemas.estates import EstateAmend, EstateIn, EstateOut, GateAmend, GateIn, GateOut
from aed.registry.schemas.holidays import HolidayYearIn, SpecialDay

Fields = Annotated[list[str], typer.Argument(help="NAME=VALUE …", metavar="NAME=VALUE…")]
LARGEST_ID = 2**63 - 1
Id = Annotated[int, typer.Argument(help="Its id", min=1, max=LARGEST_ID, show_default=False)]
Version = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=LARGEST_ID,
        help="Refuse when it is at another version by now (see show); else the present one",
    ),
]
After = Annotated[int, typer.Option(min=0, max=LARGEST_ID, help="Go on after this id")]
SHOWN = 100


def fields_in[SchemaT: BaseModel](shape: type[SchemaT], given: Iterable[str]) -> SchemaT:
    """NAME=VALUE words as the schema. Raises InvalidInput naming the field."""
    values: dict[str, object] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"'{word}' is not NAME=VALUE.", field=word)
        values[name.strip()] = _value(value)
    _gather(values, "position", {"lat": "lat", "lon": "lon", "datum": "datum"})
    _gather(values, "keeper", {"keeper_name": "name", "keeper_phone": "phone"})
    _gather(values, "trainer", {"trainer_name": "name", "trainer_phone": "phone"})
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        # A name that is not known comes first: it is why what was meant by it is missing.
        wrong = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in wrong["loc"])
        known = ", ".join(shape.model_fields)
        hint = f" Known: {known}." if wrong["type"] == "extra_forbidden" else ""
        raise InvalidInput(f"{field or 'fields'}: {wrong['msg']}.{hint}", field=field) from None


def _value(text: str) -> object:
    if text == "null":
        return None
    if text.startswith("@"):
        try:
            return json.loads(Path(text[1:]).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or no JSON
            raise InvalidInput(f"{text[1:]} cannot be read as JSON: {error}.", field=text) from None
    return text


def _gather(values: dict[str, object], into: str, parts: dict[str, str]) -> None:
    found = {inner: values.pop(outer) for outer, inner in parts.items() if outer in values}
    if found:
        values[into] = found


def show_fields(shown: BaseModel) -> None:
    """A field a line."""
    for name, value in shown.model_dump(mode="json").items():
        if isinstance(value, dict | list):
            value = json.dumps(value, ensure_ascii=False)
        say(f"{name}: {'' if value is None else value}")


def show_history(session: Session, subject: str, subject_id: int) -> None:
    """Who changed what and when, newest first."""
    for change in queries.changes(session, subject=subject, subject_id=str(subject_id)):
        say(f"{change.at:%Y-%m-%d %H:%M:%SZ}  {change.who}")
        for name, (before, after) in change.fields.items():
            say(f"    {name}: {before} → {after}")


# --- regions --------------------------------------------------------------------------------------------

regions = typer.Typer(no_args_is_help=True, help="Provinces and cities above estates.")


@regions.command("put")
def put_region(given: Fields) -> None:
    """Add a region, or amend the one with that code."""
    with writing() as session:
        region, _ = accounts_actions.put_region(session, fields_in(RegionIn, given))
        say(f"Region {region.code} is {region.name_en} {region.name_zh}.")


@regions.command("show")
def show_region(code: Annotated[str, typer.Argument(help="Its code")]) -> None:
    """All of one region."""
    with reading() as session:
        region = accounts.region_by_code(session, code)
        parent = next((each.code for each in accounts.regions(session) if each.id == region.parent_id), None)
        shown = {name: getattr(region, name) for name in RegionIn.model_fields if name != "parent"}
        show_fields(RegionIn.model_validate({**shown, "parent": parent}))


@regions.command("list")
def list_regions() -> None:
    """The regions."""
    with reading() as session:
        rows = [
            (
                each.code,
                each.name_en,
                each.name_zh,
                each.time_zone,
                each.emergency_number,
                each.holiday_calendar,
            )
            for each in accounts.regions(session)
        ]
    table(None, ["code", "name", "名称", "time zone", "emergency", "holidays"], rows)


# --- estates and gates ----------------------------------------------------------------------------------

estates_group = typer.Typer(no_args_is_help=True, help="Estates.")
gates_group = typer.Typer(no_args_is_help=True, help="Gates.")


@estates_group.command("add")
def add_estate(given: Fields) -> None:
    """Register an estate; boundary=@FILE holds GeoJSON."""
    with writing() as session:
        estate = estates.create_estate(session, operator(), fields_in(EstateIn, given), at=clock.now())
        say(f"Estate {estate.id} is registered.")


@estates_group.command("amend")
def amend_estate(estate_id: Id, given: Fields, version: Version = None) -> None:
    """Amend what is given."""
    with writing() as session:
        change = fields_in(EstateAmend, given)
        present = queries.estate(session, operator(), estate_id).version
        estate = estates.amend_estate(
            session, operator(), estate_id, change, version=version or present, at=clock.now()
        )
        say(f"Estate {estate.id} is at version {estate.version}.")


@estates_group.command("withdraw")
def withdraw_estate(estate_id: Id, version: Version = None) -> None:
    """Withdraw an estate and its gates; refused while devices stand in it."""
    with writing() as session:
        present = queries.estate(session, operator(), estate_id).version
        estates.withdraw_estate(session, operator(), estate_id, version=version or present, at=clock.now())
        say(f"Estate {estate_id} is withdrawn.")


@estates_group.command("history")
def estate_history(estate_id: Id) -> None:
    """Who changed what and when, newest first."""
    with reading() as session:
        show_history(session, "estates", queries.estate(session, operator(), estate_id).id)


@estates_group.command("show")
def show_estate(estate_id: Id) -> None:
    """All of one estate."""
    with reading() as session:
        show_fields(EstateOut.of(queries.estate(session, operator(), estate_id)))


@estates_group.command("list")
def list_estates(after: After = 0) -> None:
    """The estates, a hundred at a time."""
    with reading() as session:
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
            for each in queries.estates(session, operator(), limit=SHOWN, after_id=after)
        ]
    table(None, ["id", "name", "名称", "region", "neighbourhood", "guard", "state"], rows)


@gates_group.command("add")
def add_gate(estate_id: Id, given: Fields) -> None:
    """Register a gate of an estate."""
    with writing() as session:
        gate = estates.create_gate(session, operator(), estate_id, fields_in(GateIn, given), at=clock.now())
        say(f"Gate {gate.id} is registered.")


@gates_group.command("amend")
def amend_gate(gate_id: Id, given: Fields, version: Version = None) -> None:
    """Amend what is given."""
    with writing() as session:
        change = fields_in(GateAmend, given)
        present = queries.gate(session, operator(), gate_id).version
        gate = estates.amend_gate(
            session, operator(), gate_id, change, version=version or present, at=clock.now()
        )
        say(f"Gate {gate.id} is at version {gate.version}.")


@gates_group.command("show")
def show_gate(gate_id: Id) -> None:
    """All of one gate."""
    with reading() as session:
        show_fields(GateOut.of(queries.gate(session, operator(), gate_id)))


@gates_group.command("history")
def gate_history(gate_id: Id) -> None:
    """Who changed what and when, newest first."""
    with reading() as session:
        show_history(session, "gates", queries.gate(session, operator(), gate_id).id)


@gates_group.command("withdraw")
def withdraw_gate(gate_id: Id, version: Version = None) -> None:
    """The gate is no longer there; its history stays."""
    with writing() as session:
        present = queries.gate(session, operator(), gate_id).version
        estates.withdraw_gate(session, operator(), gate_id, version=version or present, at=clock.now())
        say(f"Gate {gate_id} is withdrawn.")


@gates_group.command("list")
def list_gates(estate_id: Id) -> None:
    """The gates of an estate."""
    with reading() as session:
        queries.estate(session, operator(), estate_id)
        rows = [
            (each.id, each.name_en, each.name_zh, each.passage, each.opening_hours, each.state)
            for each in (GateOut.of(gate) for gate in queries.gates(session, operator(), estate_id=estate_id))
        ]
    table(None, ["id", "name", "名称", "who passes", "hours", "state"], rows)


# --- devices and consumables ----------------------------------------------------------------------------

devices_group = typer.Typer(no_args_is_help=True, help="Devices.")
consumables_group = typer.Typer(no_args_is_help=True, help="Pads and batteries.")


@devices_group.command("add")
def add_device(given: Fields) -> None:
    """Register a device: lat=… lon=… and estate_id=… or region=…"""
    with writing() as session:
        device = devices.create_device(session, operator(), fields_in(DeviceIn, given), at=clock.now())
        say(f"Device {device.id} is registered.")


@devices_group.command("amend")
def amend_device(device_id: Id, given: Fields, version: Version = None) -> None:
    """Amend what is given."""
    with writing() as session:
        change = fields_in(DeviceAmend, given)
        present = queries.device(session, operator(), device_id).version
        device = devices.amend_device(
            session, operator(), device_id, change, version=version or present, at=clock.now()
        )
        say(f"Device {device.id} is at version {device.version}.")


@devices_group.command("withdraw")
def withdraw_device(device_id: Id, version: Version = None) -> None:
    """The device is no longer there; its history stays."""
    with writing() as session:
        present = queries.device(session, operator(), device_id).version
        devices.withdraw_device(session, operator(), device_id, version=version or present, at=clock.now())
        say(f"Device {device_id} is withdrawn.")


@devices_group.command("show")
def show_device(device_id: Id) -> None:
    """All of one device."""
    with reading() as session:
        show_fields(DeviceOut.of(queries.device(session, operator(), device_id), operator()))


@devices_group.command("list")
def list_devices(
    after: After = 0,
    estate: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_ID, help="Of this estate, by its id")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Of this region")] = None,
) -> None:
    """The devices, a hundred at a time."""
    with reading() as session:
        if region is not None:
            accounts.region_by_code(session, region)
        if estate is not None:
            queries.estate(session, operator(), estate)
        rows = [
            (each.id, each.place_zh or each.place_en, each.opening_hours or "?", each.audience, each.state,
             each.first_expiry, f"{each.lat:.5f}, {each.lon:.5f}")
            for each in queries.devices(
                session, operator(), limit=SHOWN, after_id=after, estate_id=estate, region=region
            )
        ]  # fmt: skip
    table(None, ["id", "where", "hours", "for", "state", "expires", "position"], rows, right=["id"])


@devices_group.command("history")
def device_history(device_id: Id) -> None:
    """Who changed what and when, newest first."""
    with reading() as session:
        show_history(session, "devices", queries.device(session, operator(), device_id).id)


@consumables_group.command("fit")
def fit_consumable(device_id: Id, given: Fields) -> None:
    """Pads or a battery are in the device: kind=pads expires_on=2028-05-31"""
    with writing() as session:
        fitted = devices.fit_consumable(
            session, operator(), device_id, fields_in(ConsumableIn, given), at=clock.now()
        )
        say(f"Consumable {fitted.id} is fitted.")


@consumables_group.command("amend")
def amend_consumable(consumable_id: Id, given: Fields, version: Version = None) -> None:
    """Correct what was written of it."""
    with writing() as session:
        change = fields_in(ConsumableAmend, given)
        present = queries.consumable(session, operator(), consumable_id)[0].version
        found = devices.amend_consumable(
            session, operator(), consumable_id, change, version=version or present, at=clock.now()
        )
        say(f"Consumable {found.id} is at version {found.version}.")


@consumables_group.command("withdraw")
def withdraw_consumable(consumable_id: Id, version: Version = None) -> None:
    """It is no longer in the device."""
    with writing() as session:
        present = queries.consumable(session, operator(), consumable_id)[0].version
        devices.withdraw_consumable(
            session, operator(), consumable_id, version=version or present, at=clock.now()
        )
        say(f"Consumable {consumable_id} is withdrawn.")


@consumables_group.command("history")
def consumable_history(consumable_id: Id) -> None:
    """Who changed what and when, newest first."""
    with reading() as session:
        found = queries.consumable(session, operator(), consumable_id)[0]
        show_history(session, "consumables", found.id)


@consumables_group.command("show")
def show_consumable(consumable_id: Id) -> None:
    """All of one consumable."""
    with reading() as session:
        show_fields(ConsumableOut.of(queries.consumable(session, operator(), consumable_id)[0]))


# --- holidays -------------------------------------------------------------------------------------------

holidays_group = typer.Typer(no_args_is_help=True, help="Holiday calendars.")
Name = Annotated[str, typer.Argument(help="The calendar, such as CN")]
Year = Annotated[int, typer.Argument(min=1990, max=2100)]


@holidays_group.command("list")
def list_holidays() -> None:
    """The calendars and the years that each holds."""
    with reading() as session:
        rows = [
            (calendar.name, " ".join(str(year) for year in years), calendar.version)
            for calendar, years in queries.holiday_calendars(session)
        ]
    table(None, ["calendar", "years", "version"], rows)


@holidays_group.command("show")
def show_holidays(name: Name, year: Year) -> None:
    """The special days of a year."""
    with reading() as session:
        _, days = queries.holiday_year(session, name, year)
        rows = [(special.day, f"{special.day:%a}", special.kind) for special in days]
    table(f"{name} {year}", ["day", "", "kind"], rows)


@holidays_group.command("put")
def put_holidays(
    name: Name,
    year: Year,
    holiday: Annotated[list[str] | None, typer.Option(help="A day off, 2027-10-01; may be repeated")] = None,
    workday: Annotated[list[str] | None, typer.Option(help="A make-up workday; may be repeated")] = None,
) -> None:
    """The calendar holds exactly these special days for that year."""
    days = [*_days(holiday, "holiday"), *_days(workday, "workday")]
    with writing() as session:
        known = {calendar.name: calendar.version for calendar, _ in queries.holiday_calendars(session)}
        holidays.put_holiday_year(
            session, operator(), name, year, HolidayYearIn(days=days), version=known.get(name), at=clock.now()
        )
        say(f"{name} holds {len(days)} special days for {year}.")


@holidays_group.command("drop")
def drop_holidays(name: Name, year: Year) -> None:
    """The calendar no longer holds that year: what depends on it becomes unknown."""
    with writing() as session:
        calendar, _ = queries.holiday_year(session, name, year)
        holidays.drop_holiday_year(session, operator(), name, year, version=calendar.version, at=clock.now())
        say(f"{name} no longer holds {year}.")


def _days(given: list[str] | None, kind: str) -> list[SpecialDay]:
    try:
        return [
            SpecialDay.model_validate({"day": date.fromisoformat(day), "kind": kind}) for day in given or []
        ]
    except ValueError:
        raise InvalidInput("A day must read like 2027-10-01.", field=kind) from None


GROUPS = {
    "regions": regions,
    "estates": estates_group,
    "gates": gates_group,
    "devices": devices_group,
    "consumables": consumables_group,
    "holidays": holidays_group,
}
