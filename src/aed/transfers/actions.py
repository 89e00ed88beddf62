"""Export an estate for another cell, import one, and release one that the other cell has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import shapely
from geoalchemy2 import Geometry
from shapely.geometry.base import BaseGeometry
from sqlalchemy import JSON, select
from sqlalchemy.orm import Session

from aed.accounts.people.actions import find_or_add_person
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.database.geometry import area, point
from aed.database.types import UtcDateTime, Versioned
from aed.errors import Conflict, InvalidInput
from aed.geo import Position
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation, record_note
from aed.registry.devices.actions import withdraw_device
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.queries import device as device_by_id
from aed.registry.estates.actions import withdraw_estate
from aed.registry.estates.models import Estate, Gate
from aed.registry.estates.queries import estate as estate_by_id
from aed.registry.estates.rules import EstateState
from aed.sharing.shares.actions import record_by_register
from aed.transfers.models import ImportedEstate, ImportedRow, MovedDevice
from aed.transfers.queries import carried_columns, estate_rows, model_of, row_number, rows_that_stay
from aed.transfers.rules import CARRIED, CarriedTable, EstateRows, Row, from_json, row_digest
from aed.transfers.schemas import (
    EstateFile,
    ReceiptFile,
    estate_file,
    read_estate_file,
    read_receipt_file,
    receipt_file,
)
from aed.upkeep.checks.actions import scope_key
from aed.upkeep.models import Policy, Recall

_RECORDED: Final = (Estate, Gate, Device, Consumable, Policy)
"""Tables whose changes are in the history of the register."""


@dataclass(frozen=True, slots=True)
class Export:
    """The file for another cell, how many rows of each table it has, and what stays."""

    content: bytes
    counts: Mapping[str, int]
    stays: list[tuple[str, int, str]]


def export_estate(
    session: Session,
    who: Viewer,
    estate_id: int,
    *,
    table: CellTable,
    to: str,
    with_keepers: bool,
    at: datetime,
) -> Export:
    """Return the file of an estate for another cell. Nothing changes here.

    Raises NotFound, NotAllowed, InvalidInput; Conflict while a device is lent.
    """
    require_administrator(who)
    rows = estate_rows(session, who, estate_id, cell=table.own.code, with_keepers=with_keepers)
    content = estate_file(
        table,
        _other_cell(table, to),
        rows,
        estate=estate_id,
        region=estate_by_id(session, who, estate_id).region.code,
        with_keepers=with_keepers,
        at=at,
    )
    return Export(
        content, {name: len(some) for name, some in rows.rows.items()}, rows_that_stay(session, who, rows)
    )


def _other_cell(table: CellTable, code: str) -> Cell:
    found = table.other(code)
    if found is None:
        raise InvalidInput(
            "'{code}' is no other cell of the table: `aed cells list` shows them.", field="to", code=code
        )
    return found


# --- import -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Import:
    """What an import has done, and the receipt for the cell that exported."""

    estate_id: int
    created: int
    changed: int
    deleted: int
    receipt: bytes


def import_estate(
    session: Session,
    who: Viewer,
    content: bytes,
    *,
    table: CellTable,
    region: str | None = None,
    at: datetime,
) -> Import:
    """Import the file of an estate under new numbers, which are kept beside the old ones.

    1. Verify the file: whole, for this cell, signed by another cell of the table, and not older than the one
       that was imported before.
    2. Create the rows that are new, change those that differ from the earlier file, and leave the others: the
       same file twice changes nothing.
    3. Record all of it in the history, with the number of each row in the other cell.

    `region` is the estate's region here; None: that of the estate there, which must be one of this cell.
    Raises NotAllowed, InvalidInput, Conflict. visibility: for an administrator.
    """
    require_administrator(who)
    file, rows = read_estate_file(table, content)
    _require_columns(rows)
    _require_positions(table.own, rows)
    before = session.get(ImportedEstate, (file.from_cell, file.estate))
    if before is not None and before.digest != rows.digest() and before.exported_at >= file.exported_at:
        raise Conflict(
            "The file is older than the one that was imported before: import the latest export.", field="file"
        )
    job = _Importing(session, who, file, region_id=_region_id(session, before, region, file), at=at)
    if before is None or before.digest != rows.digest():
        job.put_all(rows)
        estate_id = job.numbers["estates"][file.estate]
        if before is None:
            before = ImportedEstate(cell=file.from_cell, number_there=file.estate, estate_id=estate_id)
            session.add(before)
        before.exported_at, before.imported_at, before.digest = file.exported_at, at, rows.digest()
        session.flush()
    receipt = receipt_file(
        table,
        file,
        estate_here=before.estate_id,
        rows_digest=rows.digest(),
        devices=_numbers(session, file, "devices"),
    )
    return Import(before.estate_id, job.created, job.changed, job.deleted, receipt)


def _region_id(session: Session, before: ImportedEstate | None, region: str | None, file: EstateFile) -> int:
    """Return the estate's region here. visibility: for an administrator."""
    if before is not None:
        return session.get_one(Estate, before.estate_id).region_id
    return region_by_code(session, region or file.region).id


def _require_columns(rows: EstateRows) -> None:
    """Raise InvalidInput unless the file has the tables and columns of this release."""
    for carried in CARRIED:
        wanted = {"id", *carried.extra, *(each.name for each in carried_columns(carried))}
        for row in rows.rows.get(carried.name, [{}]):
            if row.keys() != wanted or not isinstance(row["id"], int):
                raise InvalidInput(
                    "The file does not have the fields of this release ({place}): bring both cells to the "
                    "same release, and have it made again.",
                    field=carried.name,
                    place=carried.name,
                )


def _require_positions(own: Cell, rows: EstateRows) -> None:
    """Raise InvalidInput if a device is outside the outline of this cell: its neighbours would not see it."""
    for row in rows.rows["devices"]:
        try:
            is_here = own.has(_position(shapely.from_wkb(bytes.fromhex(row["position"]))))
        except (ValueError, TypeError, shapely.errors.ShapelyError):
            is_here = False
        if not is_here:
            raise InvalidInput(
                "Device {number} is outside the outline of cell {cell}: change the table of cells first.",
                field="position",
                number=row["id"],
                cell=own.code,
            )


def _numbers(session: Session, file: EstateFile, table_name: str) -> dict[int, int]:
    """Return the numbers of an estate's imported rows, there and here."""
    found = session.execute(
        select(ImportedRow.number_there, ImportedRow.number_here).where(
            ImportedRow.cell == file.from_cell,
            ImportedRow.table_name == table_name,
            ImportedRow.estate_there == file.estate,
        )
    )
    return {row.number_there: row.number_here for row in found}


class _Importing:
    """One import: the numbers of rows so far, and counts."""

    def __init__(
        self, session: Session, who: Viewer, file: EstateFile, *, region_id: int, at: datetime
    ) -> None:
        self.session, self.who, self.file, self.region_id, self.at = session, who, file, region_id, at
        self.numbers: dict[str, dict[int, int]] = {}
        self.created = self.changed = self.deleted = 0

    def put_all(self, rows: EstateRows) -> None:
        """Create or change the rows of each table, and delete those that the other cell has deleted."""
        known = {
            (each.table_name, each.number_there): each
            for each in self.session.scalars(
                select(ImportedRow).where(
                    ImportedRow.cell == self.file.from_cell, ImportedRow.estate_there == self.file.estate
                )
            )
        }
        for carried in CARRIED:
            self.numbers[carried.name] = {}
            for row in rows.rows[carried.name]:
                self._put(carried, row, known.pop((carried.name, row["id"]), None))
        for carried in reversed(CARRIED):
            for (name, number), imported in list(known.items()):
                if name == carried.name:
                    self._remove(carried, number, imported)
        for number in self.numbers["devices"].values():
            record_by_register(self.session, self.who, device_id=number, at=self.at)

    def _put(self, carried: CarriedTable, row: Row, imported: ImportedRow | None) -> None:
        digest = row_digest(row)
        if imported is None:
            self._require_source_free(carried, row)
            found = model_of(carried.name)()
            self._set(carried, found, row)
            self.session.add(found)
            self._flush(carried)
            if isinstance(found, _RECORDED):
                record_creation(self.session, self.who, found, at=self.at)
                moved = {"moved_from": [None, f"{self.file.from_cell}:{row['id']}"]}
                record_note(self.session, self.who, found, moved, at=self.at)
            imported = ImportedRow(
                cell=self.file.from_cell,
                table_name=carried.name,
                number_there=row["id"],
                number_here=row_number(found),
                estate_there=self.file.estate,
            )
            self.session.add(imported)
            self.created += 1
        elif imported.digest != digest:
            found = self._unchanged_row(carried, imported)
            self._set(carried, found, row)
            if isinstance(found, _RECORDED):
                record_amendment(self.session, self.who, found, at=self.at)
            self._flush(carried)
            self.changed += 1
        else:
            self.numbers[carried.name][row["id"]] = imported.number_here
            return
        self.numbers[carried.name][row["id"]] = imported.number_here
        imported.digest = digest
        imported.version = found.version if isinstance(found, Versioned) else None

    def _unchanged_row(self, carried: CarriedTable, imported: ImportedRow) -> Any:
        """Return a row that nobody has changed here since the import. Raises Conflict."""
        found = self.session.get(model_of(carried.name), imported.number_here)
        if found is None or (isinstance(found, Versioned) and found.version != imported.version):
            raise Conflict(
                "Row {number} of {table} was changed in both cells since the last import: undo one of the "
                "changes.",
                field=carried.name,
                table=carried.name,
                number=imported.number_here,
            )
        return found

    def _remove(self, carried: CarriedTable, number: int, imported: ImportedRow) -> None:
        if not carried.may_vanish:
            raise Conflict(
                "The earlier file had row {number} of {table}, which is not in this one: bring it back "
                "there, and export again.",
                field=carried.name,
                number=number,
                table=carried.name,
            )
        found = self.session.get(model_of(carried.name), imported.number_here)
        if found is not None:
            self.session.delete(found)
        self.session.delete(imported)
        self.session.flush()
        self.deleted += 1

    def _set(self, carried: CarriedTable, found: Any, row: Row) -> None:
        """Set the columns of a row as in the file. Raises InvalidInput."""
        for column in carried_columns(carried):
            try:
                value = self._value(carried, column, row[column.name])
            except (ValueError, TypeError, KeyError, shapely.errors.ShapelyError):
                raise InvalidInput(
                    "The value of {column} in row {number} of {table} cannot be used.",
                    field=column.name,
                    column=column.name,
                    number=row["id"],
                    table=carried.name,
                ) from None
            setattr(found, column.name, value)
        if carried.name in ("estates", "devices"):
            found.region_id = self.region_id
        if carried.name == "devices":
            found.keeper_id = self._keeper_id(row["keeper"])
        if carried.name == "policies":
            found.scope = scope_key(found.estate_id, found.maker, found.model)
        if carried.name == "quarantines":
            found.recall_id = self._recall_id(row["recall"])

    def _value(self, carried: CarriedTable, column: Any, value: Any) -> Any:
        if column.name in carried.parents:
            return None if value is None else self.numbers[carried.parents[column.name]][value]
        if isinstance(column.type, Geometry):
            return _geometry(shapely.from_wkb(bytes.fromhex(value)))
        if isinstance(column.type, JSON):
            return value
        is_moment = isinstance(column.type, UtcDateTime)  # whose own Python type is any object
        return from_json(value, datetime if is_moment else column.type.python_type)

    def _keeper_id(self, keeper: Row | None) -> int | None:
        if keeper is None:
            return None
        return find_or_add_person(
            self.session, name=keeper["name"], phone=keeper["phone"], language=keeper["language"]
        ).id

    def _recall_id(self, reference: str | None) -> int | None:
        if reference is None:
            return None
        found = self.session.scalar(select(Recall.id).where(Recall.reference == reference))
        if found is None:
            raise InvalidInput(
                "A device is quarantined by recall {reference}, which this cell does not have: add the "
                "recall first (`aed recalls add`).",
                field="recall",
                reference=reference,
            )
        return found

    def _require_source_free(self, carried: CarriedTable, row: Row) -> None:
        """Raise Conflict if a list has already brought this row here. visibility: for an administrator."""
        if "source_id" not in row:
            return
        columns = model_of(carried.name).__table__.columns
        taken = self.session.scalar(
            select(columns["id"]).where(
                columns["source"] == row["source"], columns["source_id"] == row["source_id"]
            )
        )
        if taken is not None:
            raise Conflict(
                "The source '{source}' has brought '{source_id}' into this cell too, as row {number} of "
                "{table}: only one cell can have it.",
                field="source_id",
                source=row["source"],
                source_id=row["source_id"],
                number=taken,
                table=carried.name,
            )

    def _flush(self, carried: CarriedTable) -> None:
        flush_or_conflict(
            self.session, f"A row of {carried.name} contradicts one that this cell already has.", carried.name
        )


def _geometry(shape: BaseGeometry) -> Any:
    return point(_position(shape)) if shape.geom_type == "Point" else area(shape)


def _position(shape: BaseGeometry) -> Position:
    centre = shape.centroid  # of a point, the point
    return Position(centre.y, centre.x)


# --- release ----------------------------------------------------------------------------------------------


def release_estate(
    session: Session, who: Viewer, content: bytes, *, table: CellTable, at: datetime
) -> tuple[ReceiptFile, int]:
    """Withdraw an estate that another cell has imported; its labels lead there. Return how many devices.

    Raises Conflict if the estate has changed since the export, so that nothing gets lost: it is exported and
    imported again first. The same receipt twice changes nothing. visibility: for an administrator.
    """
    require_administrator(who)
    receipt = read_receipt_file(table, content)
    estate = estate_by_id(session, who, receipt.estate)
    moved = set(session.scalars(select(MovedDevice.device_id).where(MovedDevice.cell == receipt.from_cell)))
    if estate.state is EstateState.WITHDRAWN and moved.issuperset(receipt.devices):
        return receipt, 0
    session.execute(  # a check that is sent now waits until the devices are withdrawn
        select(Device.id).where(Device.estate_id == estate.id).order_by(Device.id).with_for_update()
    )
    rows = estate_rows(session, who, estate.id, cell=table.own.code, with_keepers=receipt.with_keepers)
    if rows.digest() != receipt.rows_digest:
        raise Conflict(
            "The estate has changed since it was exported: export it again, and import that file in cell "
            "{cell}.",
            field="file",
            cell=receipt.from_cell,
        )
    for number, number_there in receipt.devices.items():
        device = device_by_id(session, who, number)
        withdraw_device(session, who, device.id, version=device.version, at=at)
        there = {"moved_to": [None, f"{receipt.from_cell}:{number_there}"]}
        record_note(session, who, device, there, at=at)
        session.add(
            MovedDevice(device_id=device.id, cell=receipt.from_cell, number_there=number_there, moved_at=at)
        )
    session.flush()
    record_note(
        session, who, estate, {"moved_to": [None, f"{receipt.from_cell}:{receipt.estate_here}"]}, at=at
    )
    withdraw_estate(session, who, estate.id, version=estate.version, at=at)
    session.flush()
    return receipt, len(receipt.devices)
