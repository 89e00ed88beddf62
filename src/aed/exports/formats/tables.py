"""The project's own CSV and XLSX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from aed.errors import InvalidInput
from aed.exports.formats.own import COLUMNS, Cell, own_row
from aed.exports.queries.devices import PublishedDevice
from aed.files.formula_escaping import neutral
from aed.files.workbooks import workbook

MOST_ROWS_OF_A_SHEET = 1_048_575
"""Below the header: what XLSX can hold."""

type Pages = Iterable[Sequence[PublishedDevice]]
type RowOf = Callable[[PublishedDevice], Sequence[Cell]]


def own_csv(pages: Pages) -> Iterator[bytes]:
    """UTF-8 with a byte order mark, which Excel needs, and a header with the names of the fields."""
    return csv_of(COLUMNS, pages, lambda device: list(own_row(device).values()))


def csv_of(
    header: Sequence[str], pages: Pages, row: RowOf, *, separator: str = ",", begins: str = "\ufeff"
) -> Iterator[bytes]:
    """A CSV with one row a device; text that a spreadsheet would execute is neutralised."""
    yield _lines([header], separator, begins)
    for page in pages:
        yield _lines((row(device) for device in page), separator)


def _lines(rows: Iterable[Sequence[Cell]], separator: str, begins: str = "") -> bytes:
    written = io.StringIO(begins)
    written.seek(0, io.SEEK_END)
    writer = csv.writer(written, delimiter=separator)
    for row in rows:
        writer.writerow([neutral(cell) if isinstance(cell, str) else _number(cell) for cell in row])
    return written.getvalue().encode()


def _number(cell: int | float | None) -> str:
    return "" if cell is None else repr(cell)


def own_xlsx(pages: Pages, to: Path) -> None:
    """One sheet named `devices`. Text is written as text, and marked as such where a formula would begin
    the same (Excel's own hidden apostrophe, no part of the value). A row at a time goes to the disk."""
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
                if at > MOST_ROWS_OF_A_SHEET:
                    raise InvalidInput(
                        f"XLSX holds at most {MOST_ROWS_OF_A_SHEET} rows: take CSV, or a part with bbox or "
                        "region.",
                        field="format",
                    )
                for number, cell in enumerate(own_row(device).values()):
                    if cell is None:
                        continue
                    if isinstance(cell, int | float) and float(f"{cell:.16G}") == cell:
                        sheet.write_number(at, number, cell)
                    else:  # a sheet keeps 16 digits of a number, and a coordinate may have 17
                        text = str(cell)
                        sheet.write_string(at, number, text, as_text if neutral(text) != text else None)
