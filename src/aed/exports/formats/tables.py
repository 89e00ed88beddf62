"""The project's own CSV and XLSX formats."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from aed.errors import InvalidInput
from aed.exports.queries import PublishedDevice
from aed.files.spreadsheets import escape_formula, workbook
from aed.imports.schemas import DeviceRow, columns
from aed.registry.storeys import storey_sign

MAX_ROWS_OF_A_SHEET = 1_048_575
"""Maximum number of rows in an XLSX sheet, below the header."""

type Pages = Iterable[Sequence[PublishedDevice]]
type RowOf = Callable[[PublishedDevice], Sequence[Cell]]


def own_csv(pages: Pages) -> Iterator[bytes]:
    """Yield a CSV of all fields, as UTF-8 with the byte order mark that Excel needs."""
    return csv_of(COLUMNS, pages, lambda device: list(own_row(device).values()))


def csv_of(
    header: Sequence[str], pages: Pages, row: RowOf, *, separator: str = ",", begins: str = "\ufeff"
) -> Iterator[bytes]:
    """Yield a CSV with one row per device; formulas are escaped."""
    yield _lines([header], separator, begins)
    for page in pages:
        yield _lines((row(device) for device in page), separator)


def _lines(rows: Iterable[Sequence[Cell]], separator: str, begins: str = "") -> bytes:
    written = io.StringIO(begins)
    written.seek(0, io.SEEK_END)
    writer = csv.writer(written, delimiter=separator)
    for row in rows:
        writer.writerow([escape_formula(cell) if isinstance(cell, str) else _number(cell) for cell in row])
    return written.getvalue().encode()


def _number(cell: int | float | None) -> str:
    return "" if cell is None else repr(cell)


def own_xlsx(pages: Pages, to: Path) -> None:
    """Write a workbook with one sheet, `devices`, row by row to disk.

    Text that looks like a formula is marked as text with Excel's hidden apostrophe, which is not part of the
    value.
    """
    with workbook(to, is_row_by_row=True) as book:
        bold, as_text = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
        sheet = book.add_worksheet("devices")
        sheet.freeze_panes(1, 0)
        for number, name in enumerate(COLUMNS):
            sheet.write_string(0, number, name, bold)
        at = 0
        for page in pages:
            for device in page:
                at += 1
                if at > MAX_ROWS_OF_A_SHEET:
                    raise InvalidInput(
                        "An XLSX file has at most {max_rows_of_a_sheet} rows. Export as CSV, or a part "
                        "with bbox or region.",
                        field="format",
                        max_rows_of_a_sheet=MAX_ROWS_OF_A_SHEET,
                    )
                for number, cell in enumerate(own_row(device).values()):
                    if cell is None:
                        continue
                    if isinstance(cell, int | float) and float(f"{cell:.16G}") == cell:
                        sheet.write_number(at, number, cell)
                    else:  # write as text: a sheet keeps 16 digits of a number, a coordinate may have 17
                        text = str(cell)
                        sheet.write_string(
                            at, number, text, as_text if escape_formula(text) != text else None
                        )


COLUMNS = columns(DeviceRow)

type Cell = str | int | float | None


def own_row(device: PublishedDevice) -> dict[str, Cell]:
    """Return the row of a device by column.

    The position is the one originally given, in its original datum, so that importing it restores the same
    device to the last digit. An empty text counts as missing.
    """
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
        "opening_hours_raw": row.opening_hours_raw,
        "entry": row.entry.value,
        "access_instructions_en": row.access_instructions_en,
        "access_instructions_zh": row.access_instructions_zh,
        "cabinet": row.cabinet.value,
        "maker": row.maker,
        "model": row.model,
        "serial": device.serial,
        "registration_number": row.registration_number,
        "udi_di": row.udi_di,
        "manufactured_on": _day(row.manufactured_on),
        "end_of_life_on": _day(row.end_of_life_on),
        "keeper_name": device.keeper_name,
        "keeper_phone": device.keeper_phone,
        "audience": row.audience.value,
        "state": row.state.value,
        "out_of_service_reason": row.out_of_service_reason,
        "pads_expire_on": _day(device.pads_expire_on),
        "child_pads_expire_on": _day(device.child_pads_expire_on),
        "battery_expires_on": _day(device.battery_expires_on),
        "cartridge_expires_on": _day(device.cartridge_expires_on),
        "last_checked_on": _day(row.last_checked_on),
    }
    return {column: None if fields[column] == "" else fields[column] for column in COLUMNS}


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
