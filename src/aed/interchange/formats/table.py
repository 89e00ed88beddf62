"""The project's own CSV: a header with the names of the fields, one row a line."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path

import shapely
from shapely.geometry import mapping

from aed.errors import InvalidInput
from aed.interchange.formats.records import Record, file_text


def read_table(path: Path, *, known: Collection[str], needed: Collection[str]) -> Iterator[Record]:
    """The rows of the file. A header that lacks a needed column, or has one that is not known, is refused:
    a misspelt column would otherwise be lost in silence."""
    reader = csv.reader(io.StringIO(file_text(path), newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        _check(header, known, needed, path.name)
        for cells in reader:
            where = f"line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                fields = {"": f"{len(cells)} cells where the header has {len(header)}"}
                yield Record(where, fields)
                continue
            yield Record(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise InvalidInput(f"{path.name}, line {reader.line_num}: {error}.", field="file") from None


def _check(header: list[str], known: Collection[str], needed: Collection[str], name: str) -> None:
    missing = [column for column in needed if column not in header]
    if missing:
        raise InvalidInput(
            f"{name} lacks the column {missing[0]}; its first line must name the columns.", field=missing[0]
        )
    for column in header:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise InvalidInput(f"{name} has a column '{column}' that is not known.{hint}", field=column)
    if len(set(header)) != len(header):
        raise InvalidInput(f"{name} has a column twice.", field="file")


def with_boundary(record: Record) -> Record:
    """The boundary, WKT in a table, as GeoJSON."""
    text = record.fields.get("boundary")
    if not isinstance(text, str) or not text.strip():
        return record
    try:
        shape = shapely.from_wkt(text)
    except shapely.errors.ShapelyError as error:
        raise InvalidInput(f"boundary is not WKT: {error}.", field="boundary") from None
    boundary = json.loads(json.dumps(mapping(shape)))
    return Record(record.where, {**record.fields, "boundary": boundary})
