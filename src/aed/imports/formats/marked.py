"""Write a copy of a list with an added column of findings.

The rows keep their order and none is lost, including rows that the reader skips: a preamble, comments, other
kinds of rows and unreadable rows. A table keeps its delimiter and is written in UTF-8. Formulas are escaped;
numbers are unchanged.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from aed.errors import InvalidInput
from aed.files.spreadsheets import escape_formula, workbook
from aed.imports.formats.feature_table import feature_rows
from aed.imports.formats.files import UTF_8, FileLine, csv_rows, head_of
from aed.imports.formats.geojson import features, may_be_features
from aed.imports.formats.headers import header_of
from aed.imports.formats.json_stream import is_json, json_object, objects, shape_of
from aed.imports.formats.kml import is_kml, kml_rows
from aed.imports.formats.layers import is_layer_file, layer_rows
from aed.imports.formats.osm import is_pbf, read_pbf
from aed.imports.formats.records import Record
from aed.imports.formats.table import LINT_COLUMN, SET_ASIDE_COLUMNS
from aed.imports.formats.workbook import is_workbook, sheets

type Mark = tuple[int, str]
"""A row's number in its file, and the findings about it."""

DELIMITERS: Final = (",", ";", "\t", "|")
ENCODINGS: Final = (UTF_8, "cp932", "cp949", "big5hkscs", "gb18030", "cp1252")
TABLES: Final = (".csv", ".xlsx")
JSONS: Final = (".geojson", ".json")
MAX_SHEET_ROWS: Final = 1_048_576
MAX_SHEET_CELL_LENGTH: Final = 32_767

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def write_marked(
    path: Path, out: Path, marks: Iterable[Mark], *, first: Record, encodings: Sequence[str] = ()
) -> None:
    """Write a copy of the list in `path` with its findings to `out`, atomically.

    `first` is the first row that was read, which identifies the header and the encoding; `encodings` are
    those of the list's format. Raises InvalidInput if `out` is of a type that the list cannot be written as,
    is the list itself, or cannot be written.
    """
    suffix = out.suffix.lower()
    head = head_of(path)
    is_table = is_workbook(head) or not (is_pbf(head) or is_json(head, path))
    fitting = TABLES if is_table else JSONS
    if suffix not in fitting:
        raise InvalidInput(
            "{name} can be written as {names}. Name such a file.",
            field="marked",
            name=path.name,
            names=" or ".join(fitting),
        )
    if out.exists() and out.samefile(path):
        raise InvalidInput("The output must be another file than the list itself.", field="marked")
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        if suffix == ".xlsx":
            _write_workbook(unfinished, path, head, first, marks, encodings)
        else:
            with unfinished.open("w", encoding=UTF_8 if is_table else "utf-8", newline="") as target:
                if is_table:
                    _write_csv(target, path, head, first, marks, encodings)
                else:
                    _write_features(target, path, head, marks)
                target.flush()
                os.fsync(target.fileno())
        unfinished.replace(out)
    except OSError as error:
        raise InvalidInput(
            "{out} cannot be written: {strerror}.", field="marked", out=out, strerror=error.strerror
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def write_set_aside(
    path: Path,
    out: Path,
    reasons: Mapping[int, str],
    *,
    first: Record,
    encodings: Sequence[str] = (),
    fill_merged: bool = False,
) -> None:
    """Write a workbook with the rows of a table that were set aside: its sheet, its columns, and the reason.

    The titles and the header stay; corrected, the workbook can be imported as the list was. `reasons`: by the
    row's number. Raises InvalidInput if it cannot be written.
    """
    head = head_of(path)
    if is_kml(path, head):
        name, rows = "list", kml_rows(path)
    elif is_layer_file(path, head):
        name, rows = "list", layer_rows(path)
    elif is_json(head, path):
        name, rows = "list", feature_rows(path)
    elif is_workbook(head):
        found = _sheets(path, first, fill_merged=fill_merged)
        name, rows = next(((name, rows) for name, rows, is_list in found if is_list), ("list", iter(())))
    else:
        encoding, delimiter = _written_in(path, first, encodings)
        name, rows = "list", csv_rows(path, encoding=encoding, delimiter=delimiter)
    kept = (row for row in rows if row.number < first.number or row.number in reasons)
    width = len(first.raw)
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        with workbook(unfinished, is_row_by_row=True) as book:
            sheet = book.add_worksheet(name)
            wrong = book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006"})
            for number, row in enumerate(kept):
                for place, cell in enumerate(row.cells[:width]):
                    if cell:
                        sheet.write_string(number, place, cell[:MAX_SHEET_CELL_LENGTH])
                if row.number in reasons:
                    sheet.write_string(number, width, reasons[row.number], wrong)
                elif _is_header(row.cells, tuple(first.raw)):
                    sheet.write_string(number, width, SET_ASIDE_COLUMNS[1])
        unfinished.replace(out)
    except OSError as error:
        raise InvalidInput(
            "{out} cannot be written: {strerror}.", field="bad-rows", out=out, strerror=error.strerror
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


# --- Tables ---


def _write_csv(
    target: TextIO, path: Path, head: bytes, first: Record, marks: Iterable[Mark], encodings: Sequence[str]
) -> None:
    delimiter = ","
    if is_workbook(head):
        rows = next((rows for _, rows, is_list in _sheets(path, first) if is_list), iter(()))
    else:
        encoding, delimiter = _written_in(path, first, encodings)
        rows = csv_rows(path, encoding=encoding, delimiter=delimiter)
    writer = csv.writer(target, delimiter=delimiter)
    for cells in _marked(rows, first, marks):
        writer.writerow([_safe(cell) for cell in cells])


def _write_workbook(
    target: Path, path: Path, head: bytes, first: Record, marks: Iterable[Mark], encodings: Sequence[str]
) -> None:
    """Write all cells as text, because apparent numbers may be phone numbers or have leading zeros."""
    found: Iterator[tuple[str, Iterator[FileLine], bool]]
    if is_workbook(head):
        found = _sheets(path, first)
    else:
        encoding, delimiter = _written_in(path, first, encodings)
        found = iter([("list", csv_rows(path, encoding=encoding, delimiter=delimiter), True)])
    names = list(first.raw)
    with workbook(target, is_row_by_row=True) as book:
        wrong = book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006"})
        for name, rows, is_list in found:
            sheet = book.add_worksheet(name)
            lines = _marked(rows, first, marks) if is_list else (row.cells for row in rows)
            for number, cells in enumerate(lines):
                if number >= MAX_SHEET_ROWS or max(map(len, cells), default=0) > MAX_SHEET_CELL_LENGTH:
                    raise InvalidInput(
                        "{name} has more rows or longer cells than a workbook can hold. Name a .csv file.",
                        field="marked",
                        name=path.name,
                    )
                message = cells[len(names)] if is_list and len(cells) > len(names) else ""
                at_fault = _column_of(message, names)
                for place, cell in enumerate(cells):
                    if place == at_fault or (message and place == len(names) and message != LINT_COLUMN):
                        sheet.write_string(number, place, cell, wrong)
                    elif cell:
                        sheet.write_string(number, place, cell)
                if at_fault is not None:
                    sheet.write_comment(number, at_fault, message, {"x_scale": 3})


def _column_of(wanted: str, names: Sequence[str]) -> int | None:
    """Return the position of the column that a finding begins with, or None."""
    column, colon, _ = wanted.partition(":")
    return names.index(column) if colon and column in names else None


def _marked(rows: Iterable[FileLine], first: Record, marks: Iterable[Mark]) -> Iterator[list[str]]:
    """Yield the rows, each with its finding in an extra column after the last one of the header."""
    names = tuple(first.raw)
    width = len(names)
    pending = iter(marks)
    number, mark = next(pending, (0, ""))
    has_header = False
    for row in rows:
        added = ""
        if not has_header and row.number < first.number and _is_header(row.cells, names):
            has_header, added = True, LINT_COLUMN
        while 0 < number < row.number:
            number, mark = next(pending, (0, ""))
        if number == row.number:
            added = mark
        yield [*row.cells, *[""] * (width - len(row.cells)), added]


def _is_header(cells: Sequence[str], names: tuple[str, ...]) -> bool:
    return header_of(cells[: len(names)]).names == header_of(names).names


def _sheets(
    path: Path, first: Record, *, fill_merged: bool = False
) -> Iterator[tuple[str, Iterator[FileLine], bool]]:
    """Yield the sheets of a workbook: name, rows, and whether it holds the list."""
    found = sheets(path, fill_merged=fill_merged)
    chosen = next((name for name, rows in found if _holds(rows, first)), None)
    for name, rows in sheets(path, fill_merged=fill_merged):
        yield name, rows, name == chosen


def _written_in(path: Path, first: Record, encodings: Sequence[str]) -> tuple[str, str]:
    """Return the encoding and the delimiter with which the first row is found at its original place."""
    for encoding in dict.fromkeys([UTF_8, *encodings, *ENCODINGS]):
        for delimiter in DELIMITERS:
            rows = csv_rows(path, encoding=encoding, delimiter=delimiter, strict=False)
            try:
                if _holds(rows, first):
                    return encoding, delimiter
            except InvalidInput:
                continue
            finally:
                rows.close()
    raise InvalidInput(
        "{name} cannot be written, because its first row was not found again.", field="marked", name=path.name
    )


def _holds(rows: Iterable[FileLine], first: Record) -> bool:
    wanted = list(first.raw.values())
    for row in rows:
        if row.number >= first.number:
            return row.number == first.number and [*row.cells[: len(wanted)]] == wanted
    return False


def _safe(cell: str) -> str:
    return cell if _NUMBER.fullmatch(cell) else escape_formula(cell)


# --- JSON ---


def _write_features(target: TextIO, path: Path, head: bytes, marks: Iterable[Mark]) -> None:
    """Write GeoJSON: the features of the list, or its objects converted to features."""
    pending = iter(marks)
    number, mark = next(pending, (0, ""))
    members, found = _features(path, head)
    target.write(json.dumps({"type": "FeatureCollection", **members}, ensure_ascii=False)[:-1])
    target.write(', "features": [')
    for count, (place, feature) in enumerate(found):
        while 0 < number < place:
            number, mark = next(pending, (0, ""))
        text = mark if number == place else ""
        if isinstance(feature, dict):
            properties = json_object(feature.get("properties")) | {LINT_COLUMN: text or None}
            feature = feature | {"properties": properties}
        target.write(",\n" if count else "\n")
        target.write(json.dumps(feature, ensure_ascii=False))
    target.write("\n]}\n")


def _features(path: Path, head: bytes) -> tuple[Mapping[str, Any], Iterator[tuple[int, Any]]]:
    if is_pbf(head):
        records = read_pbf(path)
        return {}, (
            (each.number, _feature(dict(each.raw), each.fields.get("lat"), each.fields.get("lon")))
            for each in records
        )
    shape = shape_of(path)
    if may_be_features(shape):
        members = (
            {}
            if not shape.prefix
            else {name: value for name, value in shape.members.items() if name != "type" and "." not in name}
        )
        return members, enumerate(features(path, shape), start=1)
    found = enumerate(objects(path, shape.prefix), start=1)
    return {}, ((number, _feature_of(each)) for number, each in found)


def _feature_of(each: object) -> object:
    if not isinstance(each, dict):
        return each
    centre = json_object(each.get("center"))
    return _feature(each, each.get("lat", centre.get("lat")), each.get("lon", centre.get("lon")))


def _feature(properties: Mapping[str, Any], lat: object, lon: object) -> dict[str, Any]:
    geometry = None
    if isinstance(lat, int | float) and isinstance(lon, int | float):
        geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}
