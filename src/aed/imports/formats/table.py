"""The project's own tables, CSV and XLSX: a header with the names of the fields, one row a line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

import shapely
from shapely.geometry import mapping

from aed.errors import InvalidInput
from aed.files.formula_escaping import as_meant
from aed.imports.formats.delimited import Row, csv_rows
from aed.imports.formats.files import encoding_of, encoding_or_chinese
from aed.imports.formats.records import Record

SET_ASIDE_COLUMNS = ("set_aside_at", "set_aside_why")
"""In a list of rows that were set aside. Passed over, so that such a list can be put right and read."""

LINT_COLUMN = "lint_findings"
"""In a list that `aed lint --marked` wrote. Passed over too."""
PASSED_OVER = (*SET_ASIDE_COLUMNS, LINT_COLUMN)

COMMENT = "#"
"""A row that begins with it explains the columns and is passed over."""


def read_table(
    path: Path, *, known: Collection[str], needed: Collection[str], may_be_chinese: bool = False
) -> Iterator[Record]:
    """The rows of a CSV. A header that lacks a needed column, or has one that is not known, is refused:
    a misspelt column would otherwise be lost in silence. So is a quotation mark that is not closed: the rest
    of the file would be lost in one cell.
    """
    encoding = encoding_or_chinese(path) if may_be_chinese else encoding_of(path)
    rows = csv_rows(path, encoding=encoding)
    yield from read_own_rows(rows, path.name, known=known, needed=needed, unit="line")


def read_own_rows(
    rows: Iterator[Row],
    name: str,
    *,
    known: Collection[str],
    needed: Collection[str],
    unit: Literal["line", "row"],
) -> Iterator[Record]:
    """The rows below a header with the names of the fields. In a CSV, what was neutralised is as it was."""
    header: list[str] | None = None
    for row in rows:
        if header is None:
            header = [cell.strip().removeprefix("\ufeff") for cell in row.cells]
            if unit == "row":
                header = header[: max(place + 1 for place, column in enumerate(header) if column)]
            _check(header, known, needed, name)
            continue
        if row.cells[0].lstrip().startswith(COMMENT):
            continue
        cells = row.cells if unit == "line" else row.cells[: len(header)]
        wrong = row.wrong
        if wrong is None and len(cells) != len(header):
            wrong = f"has {len(cells)} cells where the header has {len(header)}"
        raw = dict(zip(header, cells, strict=False))
        fields = {
            column: as_meant(cell) if unit == "line" else cell
            for column, cell in raw.items()
            if column not in PASSED_OVER
        }
        yield Record(unit, row.number, fields, wrong, raw=raw)


def _check(header: list[str], known: Collection[str], needed: Collection[str], name: str) -> None:
    if len(header) == 1:
        for separator, called in ((";", "semicolons"), ("\t", "tabs")):
            if separator in header[0]:
                raise InvalidInput(
                    f"{name} has {called} between its cells: save it with commas.", field="file"
                )
    known = [*known, *PASSED_OVER]
    for number, column in enumerate(header, start=1):
        if not column:
            raise InvalidInput(f"{name}: column {number} has no name in the first line.", field="file")
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = (
                f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known[: -len(PASSED_OVER)])}."
            )
            raise InvalidInput(
                f"{name} has a column '{column[:60]}' that is not known; its first line must name the "
                f"columns.{hint}",
                field=column[:60],
            )
        if column in header[: number - 1]:
            raise InvalidInput(f"{name} has the column {column} twice.", field=column)
    missing = [column for column in needed if column not in header]
    if missing:
        raise InvalidInput(
            f"{name} lacks the column {', '.join(missing)}; its first line must name the columns.",
            field=missing[0],
        )


def with_boundary(record: Record) -> Record:
    """The boundary of a table's row, WKT or GeoJSON, as GeoJSON."""
    text = record.fields.get("boundary")
    if not isinstance(text, str) or not text.strip():
        return record
    try:
        if text.lstrip().startswith("{"):
            boundary = json.loads(text)
        else:
            boundary = json.loads(json.dumps(mapping(shapely.from_wkt(text))))
    except (shapely.errors.ShapelyError, ValueError, RecursionError) as error:
        why = f"boundary: must be WKT, such as POLYGON ((120.1 30.2, …)): {error}"
        return Record(record.unit, record.number, record.fields, why)
    return Record(record.unit, record.number, {**record.fields, "boundary": boundary}, record.wrong)
