"""What keeps a row of a workbook from being read as it looks: merged cells, and formulas that have no value.

A program shows the value of a formula and keeps it in the file; a script that writes one keeps none, and the
cell would be read as empty. What stands in a merged cell stands, in the file, in its first cell alone.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Final

from python_calamine import CalamineSheet

from aed.errors import InvalidInput
from aed.imports.formats.files import opened

MOST_MERGED: Final = 10_000
MOST_ROWS_TOLD: Final = 200_000
_BYTES_AT_ONCE: Final = 1 << 20
_LONGEST_CELL_BYTES: Final = 1 << 16

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
    "the cell {} holds a formula that was never calculated: open the file in a spreadsheet program and save "
    "it, or write the value in its place"
)
_WENT_WRONG: Final = "the formula in the cell {} went wrong (#N/A and the like): write the value in its place"


def merged_rows(sheet: CalamineSheet) -> dict[int, str]:
    """By the number of the row, which cells are merged there."""
    ranges = sheet.merged_cell_ranges or []
    found: dict[int, str] = {}
    for (first_row, first_column), (last_row, last_column) in ranges[:MOST_MERGED]:
        name = f"{_letters(first_column)}{first_row + 1}:{_letters(last_column)}{last_row + 1}"
        for row in range(first_row, min(last_row, first_row + MOST_ROWS_TOLD) + 1):
            found.setdefault(row + 1, name)
    if len(ranges) > MOST_MERGED:
        raise InvalidInput(
            f"The sheet has more than {MOST_MERGED:,} merged cells: take the merging away.", field="file"
        )
    return found


def formulas_without_value(path: Path, sheet_name: str) -> dict[int, str]:
    """By the number of the row, what is wrong with a formula in it, whose cell would be read as empty. The
    file was looked over before."""
    found: dict[int, str] = {}
    with opened(path) as stream, zipfile.ZipFile(stream) as archive:
        part = _part_of(archive, sheet_name)
        if part is None:
            return found
        kept = b""
        with archive.open(part) as opened_part:
            while chunk := opened_part.read(_BYTES_AT_ONCE):
                text = kept + chunk
                for cell in _UNCALCULATED.finditer(text):
                    found.setdefault(int(cell[2]), _NEVER.format((cell[1] + cell[2]).decode()))
                for cell in _ERROR.finditer(text):
                    found.setdefault(int(cell[2]), _WENT_WRONG.format((cell[1] + cell[2]).decode()))
                kept = text[max(text.rfind(b"<c ", -_LONGEST_CELL_BYTES), len(text) - _LONGEST_CELL_BYTES) :]
    return found


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
