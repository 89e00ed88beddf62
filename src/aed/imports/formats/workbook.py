"""Read the rows of Excel workbooks (.xlsx), which are checked before they are opened."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from html import unescape
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from aed.errors import InvalidInput
from aed.imports.formats.files import MAX_CELL_LENGTH, MAX_COLUMNS, FileLine, head_of, opened

MAX_MERGED: Final = 10_000
MAX_ROWS_REPORTED: Final = 200_000
_SHEET_BYTES_AT_ONCE: Final = 1 << 20
_MAX_CELL_BYTES: Final = 1 << 16

_SHEET: Final = re.compile(rb"<(?:\w+:)?sheet\s[^>]*>")
_RELATION: Final = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*>")
_UNCALCULATED: Final = re.compile(
    rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["'][^>]*>\s*"""
    rb"""<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"""
    rb"""(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v\s*>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"""
)
_ERROR: Final = re.compile(
    rb"""<(?:\w+:)?c\s(?=[^>]*?\bt\s*=\s*["']e["'])[^>]*?\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']"""
)

_NEVER: Final = (
    "the cell {} contains a formula that was never calculated. Open the file in a "
    "spreadsheet program and save it, or replace the formula by its value"
)
_WENT_WRONG: Final = "the formula in the cell {} has an error (such as #N/A). Replace it by its value"


def merged_rows(sheet: CalamineSheet) -> dict[int, str]:
    """Return the range of merged cells for each affected row, by row number."""
    ranges = sheet.merged_cell_ranges or []
    found: dict[int, str] = {}
    for (first_row, first_column), (last_row, last_column) in ranges[:MAX_MERGED]:
        name = f"{_letters(first_column)}{first_row + 1}:{_letters(last_column)}{last_row + 1}"
        for row in range(first_row, min(last_row, first_row + MAX_ROWS_REPORTED) + 1):
            found.setdefault(row + 1, name)
    if len(ranges) > MAX_MERGED:
        raise InvalidInput(
            "The sheet has more than {max_merged:,} merged cells. Split them.",
            field="file",
            max_merged=MAX_MERGED,
        )
    return found


def formulas_without_value(path: Path, sheet_name: str) -> dict[int, str]:
    """Return an error for each row with an uncalculated or failed formula, by row number.

    Such cells would otherwise be read as empty. The workbook must already have been checked.
    """
    found: dict[int, str] = {}
    with opened(path) as stream, zipfile.ZipFile(stream) as archive:
        part = _part_of(archive, sheet_name)
        if part is None:
            return found
        kept = b""
        with archive.open(part) as opened_part:
            while chunk := opened_part.read(_SHEET_BYTES_AT_ONCE):
                text = kept + chunk
                for cell in _UNCALCULATED.finditer(text):
                    found.setdefault(int(cell[2]), _NEVER.format((cell[1] + cell[2]).decode()))
                for cell in _ERROR.finditer(text):
                    found.setdefault(int(cell[2]), _WENT_WRONG.format((cell[1] + cell[2]).decode()))
                kept = text[max(text.rfind(b"<c ", -_MAX_CELL_BYTES), len(text) - _MAX_CELL_BYTES) :]
    return found


_COLUMNS: Final = re.compile(rb"<(?:\w+:)?col\s[^>]*>")


def hidden_columns(path: Path, sheet_name: str) -> frozenset[int]:
    """Return the places of the hidden columns of a sheet. The workbook must already have been checked."""
    hidden: set[int] = set()
    with opened(path) as stream, zipfile.ZipFile(stream) as archive:
        part = _part_of(archive, sheet_name)
        if part is None:
            return frozenset()
        with archive.open(part) as sheet:
            for tag in _tags(_COLUMNS, sheet.read(_SHEET_BYTES_AT_ONCE)):
                first, last = _attribute(tag, "min"), _attribute(tag, "max")
                if _attribute(tag, "hidden") in ("1", "true") and first and last and last.isdecimal():
                    hidden |= set(range(int(first) - 1, min(int(last), MAX_COLUMNS)))
    return frozenset(hidden)


_FORMAT: Final = re.compile(rb"<(?:\w+:)?numFmt\s[^>]*>")
_CELL_STYLES: Final = re.compile(rb"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", re.DOTALL)
_STYLE: Final = re.compile(rb"<(?:\w+:)?xf\b[^>]*>")
_STYLED_CELL: Final = re.compile(rb"<(?:\w+:)?c\s([^>]*)>")
_REFERENCE: Final = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_STYLE_NUMBER: Final = re.compile(rb"""\bs\s*=\s*["']([0-9]{1,6})["']""")
_BUILT_IN_MONTHS: Final = frozenset(("17", "27", "36", "50", "52", "57"))
"""Built-in number formats that show a month: mmm-yy, and yyyy年m月 of Chinese Excel."""


def months_shown(path: Path, sheet_name: str) -> frozenset[tuple[int, int]]:
    """Return the rows and columns of the cells whose number format shows a month without a day.

    The workbook must already have been checked.
    """
    found: set[tuple[int, int]] = set()
    with opened(path) as stream, zipfile.ZipFile(stream) as archive:
        part = _part_of(archive, sheet_name)
        styles = next((name for name in archive.namelist() if name.lower() == "xl/styles.xml"), None)
        months = _styles_of_months(archive.read(styles)) if styles is not None else frozenset[bytes]()
        if part is None or not months:
            return frozenset()
        kept = b""
        with archive.open(part) as sheet:
            while chunk := sheet.read(_SHEET_BYTES_AT_ONCE):
                text = kept + chunk
                for cell in _STYLED_CELL.finditer(text):
                    style, reference = _STYLE_NUMBER.search(cell[1]), _REFERENCE.search(cell[1])
                    if style is not None and reference is not None and style[1] in months:
                        found.add((int(reference[2]) - 1, _column_number(reference[1]) - 1))
                kept = text[max(text.rfind(b"<"), 0) :]
    return frozenset(found)


def _styles_of_months(styles: bytes) -> frozenset[bytes]:
    formats = {
        _attribute(tag, "numFmtId"): _shows_month(_attribute(tag, "formatCode") or "")
        for tag in _tags(_FORMAT, styles)
    }
    cells = _CELL_STYLES.search(styles)
    numbers = [_attribute(tag, "numFmtId") for tag in _tags(_STYLE, cells[0])] if cells else []
    return frozenset(
        str(place).encode()
        for place, number in enumerate(numbers)
        if formats.get(number, number in _BUILT_IN_MONTHS)
    )


def _shows_month(code: str) -> bool:
    """Return whether a number format has a year and a month, and neither a day nor a time."""
    letters = re.sub(r'"[^"]*"|\[[^\]]*\]|\\.', "", code.casefold()).split(";")[0]
    return "y" in letters and "m" in letters and not set("dhs") & set(letters)


def _part_of(archive: zipfile.ZipFile, sheet_name: str) -> str | None:
    names = {name.lower(): name for name in archive.namelist()}
    book, relations = names.get("xl/workbook.xml"), names.get("xl/_rels/workbook.xml.rels")
    if book is None or relations is None:
        return None
    wanted = next(
        (
            _attribute(tag, "id")
            for tag in _tags(_SHEET, archive.read(book))
            if _attribute(tag, "name") == sheet_name
        ),
        None,
    )
    for tag in _tags(_RELATION, archive.read(relations)):
        if wanted and _attribute(tag, "Id") == wanted:
            target = _attribute(tag, "Target") or ""
            whole = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return names.get(whole.lower())
    return None


def _tags(pattern: re.Pattern[bytes], text: bytes) -> Iterator[str]:
    return (tag.decode("utf-8", "replace") for tag in pattern.findall(text))


def _attribute(tag: str, name: str) -> str | None:
    found = re.search(rf"""[\s:]{name}\s*=\s*(?:"([^"]*)"|'([^']*)')""", tag)
    return unescape(found[1] if found[1] is not None else found[2]) if found else None


def _letters(column: int) -> str:
    letters = ""
    while column >= 0:
        column, rest = divmod(column, 26)
        letters = chr(65 + rest) + letters
        column -= 1
    return letters


MAX_WORKBOOK_BYTES: Final = 50_000_000
LARGE_WORKBOOK_BYTES: Final = 1_000_000
MAX_PARTS: Final = 2_000
MAX_UNCOMPRESSED_BYTES: Final = 150_000_000
MAX_CELLS: Final = 3_000_000
"""Maximum number of cells from A1 to a sheet's last cell, which determines the memory needed."""
MAX_SHEETS: Final = 50

_BYTES_AT_ONCE: Final = 1 << 16
_PLACE: Final = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})([0-9]{1,7})["']""")
"""Matches the reference of a row or cell; any part of a workbook may be a sheet, whatever its name."""
_CELL: Final = re.compile(rb"<(?:[A-Za-z0-9]+:)?c[\s>/]")
_ENTITIES: Final = (b"<!DOCTYPE", b"<!ENTITY")


def is_workbook(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04")


def sheets(path: Path, *, fill_merged: bool = False) -> Iterator[tuple[str, Iterator[FileLine]]]:
    """Yield the sheets that are not empty, each with its rows that are not blank.

    `fill_merged`: repeat the value of merged cells in each of them, and state why a row with a formula cannot
    be read reliably.
    Raises InvalidInput if the file is not a workbook or would not fit into memory.
    """
    _refuse_bombs(path)
    try:
        with opened(path) as stream, CalamineWorkbook.from_filelike(stream) as workbook:
            for name in workbook.sheet_names[:MAX_SHEETS]:
                sheet = workbook.get_sheet_by_name(name)
                if sheet.start is not None:
                    yield name, _filled_rows(path, name, sheet) if fill_merged else _rows(sheet)
    except (CalamineError, ValueError, OverflowError) as error:
        raise _damaged(path, str(error)) from None


def table_rows(path: Path) -> Iterator[FileLine]:
    """Yield the rows of the first sheet that is not empty.

    Each row states why it cannot be read reliably: merged cells, or a formula without a value or with an
    error. Raises InvalidInput as `sheets` does.

    An open workbook needs thirty times the memory of its file. A large one is therefore opened in a separate
    process that writes the rows to a temporary file.
    """
    if path.stat().st_size <= LARGE_WORKBOOK_BYTES:
        yield from _table_rows(path)
        return
    with TemporaryFile("w+", encoding="utf-8") as waiting:
        reading = subprocess.run([sys.executable, "-m", __name__, str(path)], stdout=waiting, check=False)
        if reading.returncode:
            raise _damaged(path, f"the reading process ended with status {reading.returncode}")
        waiting.seek(0)
        for line in waiting:
            row = json.loads(line)
            if isinstance(row, dict):
                raise InvalidInput(row["wrong"], field="file")
            yield FileLine(*row)


def _print_rows(path: Path) -> None:
    """Print the rows as JSON lines, or a line with the error; the main function of the separate process."""
    try:
        for row in _table_rows(path):
            sys.stdout.write(json.dumps(row) + "\n")
    except InvalidInput as error:
        sys.stdout.write(json.dumps({"wrong": str(error)}) + "\n")


def _table_rows(path: Path) -> Iterator[FileLine]:
    _refuse_bombs(path)
    try:
        with opened(path) as stream, CalamineWorkbook.from_filelike(stream) as workbook:
            for name in workbook.sheet_names[:MAX_SHEETS]:
                sheet = workbook.get_sheet_by_name(name)
                if sheet.start is None:
                    continue
                merged, formulas = merged_rows(sheet), formulas_without_value(path, name)
                for row in _rows(sheet):
                    yield row._replace(wrong=_wrong_with(row, merged, formulas))
                return
    except (CalamineError, ValueError, OverflowError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, str(error)) from None


def _wrong_with(row: FileLine, merged: Mapping[int, str], formulas: Mapping[int, str]) -> str | None:
    if row.number in merged:
        return (
            f"the cells {merged[row.number]} are merged, so it is unclear whether the value "
            "applies to one row or all. Split them and fill in each cell"
        )
    return formulas.get(row.number)


def _filled_rows(path: Path, name: str, sheet: CalamineSheet) -> Iterator[FileLine]:
    ranges = sorted((sheet.merged_cell_ranges or [])[:MAX_MERGED])
    formulas, months = formulas_without_value(path, name), months_shown(path, name)
    current: list[tuple[int, int, int, str]] = []  # last row, columns, value
    starts = dict(ranges)
    by_row: dict[int, list[int]] = {}
    for row, column in starts:
        by_row.setdefault(row, []).append(column)
    for number, values in enumerate(sheet.iter_rows()):
        cells = [_text(cell)[:MAX_CELL_LENGTH] for cell in values]
        for column, value in enumerate(values if months else ()):
            if isinstance(value, date) and value.day == 1 and (number, column) in months:
                cells[column] = f"{value:%Y-%m}"
        current = [each for each in current if each[0] >= number]
        for column in by_row.get(number, []):
            last_row, last_column = starts[number, column]
            text = cells[column] if column < len(cells) else ""
            current.append((last_row, column, last_column, text))
        is_blank = not any(cells)
        for _, first_column, last_column, filling in current:
            for column in range(first_column, min(last_column + 1, len(cells))):
                cells[column] = cells[column] or filling
        if not is_blank:
            yield FileLine(number + 1, cells, formulas.get(number + 1))


def _rows(sheet: CalamineSheet) -> Iterator[FileLine]:
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [_text(cell)[:MAX_CELL_LENGTH] for cell in row]
        if any(cells):
            yield FileLine(number, cells)


def _text(cell: object) -> str:
    """Return a cell as text, as it would be written in a CSV."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float() | int():
            return repr(cell)
        case datetime():
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
        case date():
            return cell.isoformat()
        case time():
            return cell.isoformat(timespec="minutes" if cell.second == 0 else "seconds")
        case timedelta():
            minutes = round(cell.total_seconds() / 60)
            return f"{minutes // 60:02}:{minutes % 60:02}"
        case _:
            return str(cell).strip()


def _refuse_bombs(path: Path) -> None:
    head_of(path)
    if path.stat().st_size > MAX_WORKBOOK_BYTES:
        raise InvalidInput(
            "{name} is larger than {max_workbook_bytes} MB, which is too large for a "
            "workbook. Save the sheet as 'CSV UTF-8'.",
            field="file",
            name=path.name,
            max_workbook_bytes=MAX_WORKBOOK_BYTES // 1000000,
        )
    try:
        with opened(path) as stream, zipfile.ZipFile(stream) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS:
                raise _too_large(path, f"it has {len(parts):,} parts")
            if not any(part.filename.lower() == "xl/workbook.xml" for part in parts):
                raise InvalidInput(
                    "{name} is a zip archive, but not an Excel workbook. Unpack it and name the list inside.",
                    field="file",
                    name=path.name,
                )
            if sum(part.file_size for part in parts) > MAX_UNCOMPRESSED_BYTES:
                raise _too_large(path, "unpacked it is larger than " + _megabytes(MAX_UNCOMPRESSED_BYTES))
            inflated = 0
            for part in parts:
                inflated += _count(path, stream, part, MAX_UNCOMPRESSED_BYTES - inflated)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as error:
        raise _damaged(path, str(error)) from None


def _count(path: Path, stream: BinaryIO, part: zipfile.ZipInfo, at_most: int) -> int:
    """Return the actual decompressed size of a part, whatever the archive declares.

    Raises InvalidInput if it exceeds `at_most`, or if a sheet extends too far.
    """
    if part.flag_bits & 1:
        raise InvalidInput("{name} has a password. Save it without one.", field="file", name=path.name)
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InvalidInput(
            "{name} is compressed in a way that Excel does not use.", field="file", name=path.name
        )
    size = rows = columns = cells = 0
    kept = b""
    for chunk in _inflated(stream, part):
        size += len(chunk)
        if size > at_most:
            raise _too_large(path, "unpacked it is larger than " + _megabytes(MAX_UNCOMPRESSED_BYTES))
        chunk = kept + chunk
        if any(word in chunk for word in _ENTITIES):
            raise InvalidInput(
                "{name} contains XML entities, which no Excel workbook has.", field="file", name=path.name
            )
        places = set(_PLACE.findall(chunk))
        cells += len(_CELL.findall(chunk))
        columns = max([columns, *(_column_number(letters) for letters in {place[0] for place in places})])
        rows = max([rows, *(int(place[1]) for place in places)])
        if columns > MAX_COLUMNS:
            raise _too_large(path, f"a sheet has more than {MAX_COLUMNS:,} columns")
        if rows * max(columns, 1) > MAX_CELLS or cells > MAX_CELLS:
            raise _too_large(path, f"a sheet reaches to row {rows:,} and column {columns:,}")
        kept = chunk[-40:]
    return size


def _inflated(stream: BinaryIO, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Decompress a part, trusting its actual data and not the archive's directory."""
    stream.seek(part.header_offset)
    header = stream.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("a part is missing")
    stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    left = part.compress_size
    if part.compress_type == zipfile.ZIP_STORED:
        while left > 0 and (chunk := stream.read(min(left, _BYTES_AT_ONCE))):
            left -= len(chunk)
            yield chunk
        return
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    while left > 0 and (packed := stream.read(min(left, _BYTES_AT_ONCE))):
        left -= len(packed)
        while packed:
            yield unpacking.decompress(packed, _BYTES_AT_ONCE)
            packed = unpacking.unconsumed_tail
    yield unpacking.flush()


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _megabytes(size: int) -> str:
    return f"{size // 1_000_000} MB"


def _too_large(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        "{name} is too large for a workbook ({reason}). Save the sheet as 'CSV UTF-8'.",
        field="file",
        name=path.name,
        reason=reason,
    )


def _damaged(path: Path, reason: str) -> InvalidInput:
    shown = " ".join(reason.split())[:200]
    return InvalidInput(
        "{name} cannot be opened as an Excel workbook. It is damaged or truncated ({shown}).",
        field="file",
        name=path.name,
        shown=shown,
    )


if __name__ == "__main__":
    _print_rows(Path(sys.argv[1]))
