"""Write a batch in the issuer's columns, and read the issuer's answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from aed.errors import InvalidInput
from aed.files.spreadsheets import escape_formula, unescape_formula, workbook
from aed.imports.formats.files import UTF_8, FileLine, csv_rows, encoding_of, head_of
from aed.imports.formats.records import Record, Unit
from aed.imports.formats.workbook import is_workbook, sheets
from aed.issuers.rules import ANSWER_FIELDS, BatchField, plain_name
from aed.issuers.schemas import BatchColumnIn, BatchFormatIn

ENCODINGS: Final = (UTF_8, "gb18030")
HEADER_WITHIN: Final = 15
"""Maximum number of rows searched for the header, which may follow a title."""

type BatchLine = Mapping[BatchField, str]


def csv_of(form: BatchFormatIn, lines: Iterable[BatchLine]) -> bytes:
    """Return the batch as CSV, with a byte order mark, since spreadsheets need it."""
    into = io.StringIO(newline="")
    writer = csv.writer(into)
    writer.writerow([escape_formula(each.heading) for each in form.columns])
    for line in lines:
        writer.writerow([escape_formula(line.get(each.field, "")) for each in form.columns])
    return into.getvalue().encode("utf-8-sig")


def xlsx_of(form: BatchFormatIn, lines: Iterable[BatchLine]) -> bytes:
    """Return the batch as a workbook; all cells are text, so that identity numbers keep their digits."""
    into = io.BytesIO()
    with workbook(into) as book:
        bold, text = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "@"})
        sheet = book.add_worksheet("batch")
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(form.columns):
            sheet.write_string(0, place, column.heading, bold)
            sheet.set_column(place, place, 20, text)
        for row, line in enumerate(lines, start=1):
            for place, column in enumerate(form.columns):
                sheet.write_string(row, place, line.get(column.field, ""), text)
    return into.getvalue()


def read_answer(path: Path, form: BatchFormatIn) -> Iterator[Record]:
    """Yield the rows of the issuer's answer, with cells by field. Raises InvalidInput if it is not one."""
    if is_workbook(head_of(path)):
        for _, rows in sheets(path):
            yield from _records(rows, path.name, "row", form)
            return
    rows = csv_rows(path, encoding=encoding_of(path, ENCODINGS))
    yield from _records(rows, path.name, "line", form)


def _records(rows: Iterator[FileLine], name: str, unit: Unit, form: BatchFormatIn) -> Iterator[Record]:
    fields = {plain_name(each.heading): each.field for each in form.columns}
    columns: dict[int, BatchField] = {}
    for number, row in enumerate(rows, start=1):
        if not columns:
            found = {place: fields.get(plain_name(cell)) for place, cell in enumerate(row.cells)}
            named = {place: field for place, field in found.items() if field is not None}
            if ANSWER_FIELDS.issubset(named.values()):
                columns = named
            elif number >= HEADER_WITHIN:
                break
            continue
        cells = {
            field.value: _cell(row.cells[place], unit)
            for place, field in columns.items()
            if place < len(row.cells)
        }
        if any(cells.values()):
            yield Record(unit, row.number, cells)
    if not columns:
        raise InvalidInput(
            "{name} is not an answer of this issuer. One of its first rows must name the columns {columns}.",
            field="file",
            name=name,
            columns=", ".join(each.heading for each in _answer_columns(form)),
        )


def _answer_columns(form: BatchFormatIn) -> Sequence[BatchColumnIn]:
    return [each for each in form.columns if each.field in ANSWER_FIELDS]


def _cell(cell: str, unit: Unit) -> str:
    return (unescape_formula(cell) if unit == "line" else cell).strip()
