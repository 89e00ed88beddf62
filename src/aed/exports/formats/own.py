"""A device as a row of the project's own formats: what `aed import devices` reads."""

from __future__ import annotations

from datetime import date

from aed.exports.queries.devices import PublishedDevice
from aed.imports.schemas import DeviceRow, columns
from aed.registry.rules.storeys import storey_sign

COLUMNS = columns(DeviceRow)

type Cell = str | int | float | None


def own_row(device: PublishedDevice) -> dict[str, Cell]:
    """The row of a device by column. The position is the one that was given, in the datum it was given in,
    so that reading it back gives the same device to the last digit. No words are as good as none."""
    row = device.row
    fields: dict[str, Cell] = {
        "lat": row.origin_lat,
        "lon": row.origin_lon,
        "datum": row.datum.value,
        "source": row.source,
        "source_id": row.source_id,
        "estate": row.estate,
        "estate_source": row.estate_source if row.estate_source != row.source else None,
        "region": row.region,
        "place_en": row.place_en,
        "place_zh": row.place_zh,
        "floor": row.floor,
        "storey": storey_sign(row.floor, counts_ground_as_one=bool(row.counts_ground_as_one)),
        "opening_hours": row.opening_hours,
        "hours_as_written": row.hours_as_written,
        "entry": row.entry.value,
        "how_to_get_in_en": row.how_to_get_in_en,
        "how_to_get_in_zh": row.how_to_get_in_zh,
        "cabinet": row.cabinet.value,
        "maker": row.maker,
        "model": row.model,
        "serial": device.serial,
        "keeper_name": device.keeper_name,
        "keeper_phone": device.keeper_phone,
        "audience": row.audience.value,
        "state": row.state.value,
        "out_of_service_reason": row.out_of_service_reason,
        "pads_expire_on": _day(device.pads_expire_on),
        "child_pads_expire_on": _day(device.child_pads_expire_on),
        "battery_expires_on": _day(device.battery_expires_on),
        "last_checked_on": _day(row.last_checked_on),
    }
    return {column: None if fields[column] == "" else fields[column] for column in COLUMNS}


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
