"""Read an estate for another cell, count what stays, and find where a device went."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from geoalchemy2 import Geometry
from sqlalchemy import JSON, Column, func, select
from sqlalchemy.orm import Session, class_mapper

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, require_administrator
from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.database.geometry import shape_of
from aed.database.types import Table
from aed.errors import Conflict
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState, short_number
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.rules import EstateState, GateState
from aed.transfers.models import MovedDevice
from aed.transfers.rules import (
    CARRIED,
    NOT_CARRIED,
    STAYS,
    CarriedTable,
    EstateRows,
    Row,
    actor_elsewhere,
    as_json,
)
from aed.upkeep.models import Recall
from aed.upkeep.rules import PolicyState

_ALIVE: Final[Mapping[str, tuple[str, ...]]] = {
    "gates": (GateState.ACTIVE.value,),
    "devices": tuple(each.value for each in DeviceState if each is not DeviceState.WITHDRAWN),
    "policies": (PolicyState.IN_FORCE.value,),
}
"""The states of rows that travel; of other tables all rows do."""


@cache
def model_of(name: str) -> type[Table]:
    """Return the model of a table."""
    return next(mapper.class_ for mapper in Table.registry.mappers if mapper.class_.__tablename__ == name)


def carried_columns(carried: CarriedTable) -> list[Column[Any]]:
    """Return the columns whose values travel, the references to rows that travel among them."""
    left_out = carried.left_out | NOT_CARRIED
    return [each for each in Table.metadata.tables[carried.name].columns if each.name not in left_out]


def row_number(row: Any) -> int:  # Any: a row of any carried table
    """Return the number of a row: its id, or that of the row to which it belongs."""
    key: tuple[int] = class_mapper(type(row)).primary_key_from_instance(row)
    return key[0]


def estate_rows(
    session: Session, who: Viewer, estate_id: int, *, cell: str, with_keepers: bool
) -> EstateRows:
    """Return the rows of an estate for another cell.

    Raises NotFound, NotAllowed; Conflict for a withdrawn estate, and while a device of it is lent.
    visibility: for an administrator.
    """
    require_administrator(who)
    estate = estate_queries.estate(session, who, estate_id)
    if estate.state is not EstateState.ACTIVE:
        raise Conflict("Estate {estate_id} has been withdrawn.", field="estate_id", estate_id=estate_id)
    ids: dict[str, list[int]] = {}
    rows: dict[str, list[Row]] = {}
    for carried in CARRIED:
        found = _rows_of(session, carried, estate.id, ids)
        ids[carried.name] = [row_number(row) for row in found]
        rows[carried.name] = [_written(carried, row, ids, cell=cell) for row in found]
        if carried.name == "devices":
            _require_not_lent(found)
            keepers = _keepers(session, [row.keeper_id for row in found]) if with_keepers else {}
            for written, row in zip(rows["devices"], found, strict=True):
                written["keeper"] = keepers.get(row.keeper_id)
        if carried.name == "quarantines":
            references = _recalls(session, [row.recall_id for row in found])
            for written, row in zip(rows["quarantines"], found, strict=True):
                written["recall"] = references.get(row.recall_id)
    return EstateRows(rows=rows)


def _rows_of(
    session: Session, carried: CarriedTable, estate_id: int, ids: Mapping[str, list[int]]
) -> list[Any]:  # Any: rows of any carried table
    model = model_of(carried.name)
    columns = model.__table__.columns
    if carried.name == "estates":
        chosen = columns["id"] == estate_id
    else:
        column, parent = next(iter(carried.parents.items()))
        chosen = columns[column].in_(ids[parent])
    if carried.name in _ALIVE:
        chosen &= columns["state"].in_(_ALIVE[carried.name])
    return list(session.scalars(select(model).where(chosen).order_by(*model.__table__.primary_key)))


def _written(carried: CarriedTable, row: Any, ids: Mapping[str, list[int]], *, cell: str) -> Row:
    """Return a row for the file: {column: value} and its number as `id`."""
    written: Row = {"id": row_number(row)}
    for column in carried_columns(carried):
        value = getattr(row, column.name)
        if column.name in carried.actors:
            value = actor_elsewhere(cell, value)
        if column.name in carried.parents and value not in ids[carried.parents[column.name]]:
            value = None  # such as the policy of all estates by which a device was checked
        if isinstance(column.type, Geometry):
            value = shape_of(value).wkb_hex
        written[column.name] = value if isinstance(column.type, JSON) else as_json(value)
    if carried.name == "checks" and written["policy_id"] is None:
        written["policy_version"] = None
    if carried.name == "devices" and row.agreement_id is not None:
        written["audience"] = "estate"  # what is shared beyond it, the agreement said
    return written


def _require_not_lent(devices: Collection[Device]) -> None:
    for device in devices:
        if device.loaner_id is not None or device.stands_in_for_id is not None:
            raise Conflict(
                "AED {number} is lent, or another one stands in for it: end the loan first.",
                field="estate_id",
                number=short_number(device.id),
            )


def _keepers(session: Session, ids: Collection[int | None]) -> dict[int | None, Row]:
    """Return name, phone number and language of keepers. visibility: for an administrator."""
    found = session.scalars(
        select(Person).where(
            Person.id.in_([each for each in ids if each is not None]), Person.erased_at.is_(None)
        )
    )
    return {
        person.id: {"name": person.name, "phone": person.phone, "language": person.language}
        for person in found
    }


def _recalls(session: Session, ids: Collection[int | None]) -> dict[int | None, str]:
    known = [each for each in ids if each is not None]
    return {
        row.id: row.reference
        for row in session.execute(select(Recall.id, Recall.reference).where(Recall.id.in_(known)))
    }


def rows_that_stay(session: Session, who: Viewer, rows: EstateRows) -> list[tuple[str, int, str]]:
    """Return the tables with rows of the estate that do not travel, how many, and what to do about them.

    visibility: for an administrator.
    """
    require_administrator(who)
    ids = {name: [row["id"] for row in rows.rows[name]] for name in ("estates", "devices")}
    found = []
    for name, reason in STAYS.items():
        table = Table.metadata.tables[name]
        counts = [
            session.scalar(select(func.count()).select_from(table).where(table.c[column].in_(ids[parent])))
            for column, parent in references(name)
        ]
        if count := max(each or 0 for each in counts):
            found.append((name, count, reason))
    return found


def references(name: str) -> list[tuple[str, str]]:
    """Return the columns of a table that refer to estates or devices, each with the table it refers to."""
    return [
        (column.name, key.column.table.name)
        for column in Table.metadata.tables[name].columns
        for key in column.foreign_keys
        if key.column.table.name in ("estates", "devices")
    ]


def address_after_move(session: Session, table: CellTable, device_id: int) -> str | None:
    """Return the address of a device's page in the cell that has taken it over; None if none has.

    visibility: that a number has moved is on the label; the other cell decides who sees the device.
    """
    moved = session.get(MovedDevice, device_id)
    cell: Cell | None = table.other(moved.cell) if moved is not None else None
    if moved is None or cell is None:
        return None
    return f"{cell.address}/d/{short_number(moved.number_there)}"
