"""Importing devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.errors import AedError, InvalidInput
from aed.interchange.actions.taking import (
    Estates,
    ImportReport,
    Progress,
    begin_import,
    finished,
    take,
    valid_rows,
    without_duplicates,
)
from aed.interchange.formats.recognise import DeviceFormat, read_devices
from aed.interchange.formats.records import Record
from aed.interchange.schemas import DeviceRow, columns
from aed.registry.actions.devices import DeviceGiven, put_devices
from aed.registry.rules.device import ConsumableKind, DeviceState
from aed.registry.schemas.devices import DeviceIn, KeeperIn
from aed.registry.schemas.fields import PositionIn


def import_devices(
    session: Session,
    who: Viewer,
    path: Path,
    *,
    at: datetime,
    form: DeviceFormat | None = None,
    region: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Devices from a file. `region` is for new ones whose row names neither an estate nor a region.

    All good rows or, when this raises, none: the caller's transaction is the border.
    """
    report = begin_import(session, who)
    rows = valid_rows(
        read_devices(path, form),
        TypeAdapter(DeviceRow),
        known=columns(DeviceRow),
        report=report,
        progress=progress,
    )
    rows = without_duplicates(rows, lambda row: (row.source, row.source_id), report)
    given = _given(session, rows, report)
    take(session, given, lambda batch: put_devices(session, who, batch, region=region, at=at), report)
    return finished(report)


def _given(
    session: Session, rows: Iterable[tuple[Record, DeviceRow]], report: ImportReport
) -> Iterator[tuple[Sequence[Record], DeviceGiven]]:
    estates = Estates(session)
    for record, row in rows:
        try:
            given = _device_given(row, estates)
        except AedError as error:
            report.set_aside(record, f"{error.field}: {error.detail}")
            continue
        report.hours_not_understood += row.opening_hours is None and row.hours_as_written is not None
        yield (record,), given


def _device_given(row: DeviceRow, estates: Estates) -> DeviceGiven:
    given = row.model_dump(include=_LIKE_THE_REGISTER, exclude_unset=True)
    given["position"] = PositionIn(lat=row.lat, lon=row.lon, datum=row.datum)
    if row.estate is not None:
        given["estate_id"] = estates.id_of(row.estate_source or row.source, row.estate)
    elif row.region is not None:
        given["region"] = row.region
    given |= _hours(row)
    if row.keeper_name is not None:
        given["keeper"] = KeeperIn(name=row.keeper_name, phone=row.keeper_phone)
    elif row.keeper_phone is not None:
        raise InvalidInput("Whose phone is this? keeper_name is empty.", field="keeper_phone")
    if row.state is DeviceState.WITHDRAWN:
        given.pop("state")
        given.pop("out_of_service_reason", None)
    expiry = {
        ConsumableKind.PADS: row.pads_expire_on,
        ConsumableKind.CHILD_PADS: row.child_pads_expire_on,
        ConsumableKind.BATTERY: row.battery_expires_on,
    }
    return DeviceGiven(
        device=DeviceIn.model_validate(given),
        expiry={kind: day for kind, day in expiry.items() if day is not None},
        is_withdrawn=row.state is DeviceState.WITHDRAWN,
    )


def _hours(row: DeviceRow) -> dict[str, Any]:
    """What is understood and what was written are one thing: given, both are replaced."""
    if row.opening_hours is None and row.hours_as_written is None:
        return {}
    return {"opening_hours": row.opening_hours, "hours_as_written": row.hours_as_written}


_LIKE_THE_REGISTER = set(DeviceRow.model_fields) & set(DeviceIn.model_fields) - {
    "region",
    "opening_hours",
    "hours_as_written",
}
"""Columns that the register has by the same name."""
