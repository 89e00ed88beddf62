"""Rows of CSV files, one at a time, in bounded memory whatever the file holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

from aed.errors import InvalidInput
from aed.imports.formats.files import opened

LONGEST_ROW: Final = 1_000_000
"""Characters of one row, with all its lines."""
LONGEST_CELL: Final = 100_000
MOST_COLUMNS: Final = 1_000


class Row(NamedTuple):
    number: int
    """The line on which it begins, or its row in a sheet."""
    cells: list[str]
    wrong: str | None = None
    """What keeps it from being read as it looks."""


def csv_rows(path: Path, *, encoding: str, delimiter: str = ",", strict: bool = True) -> Generator[Row]:
    """The rows that are not blank. Raises InvalidInput for a quotation mark that is not closed (the rest of
    the file would be lost in one cell), and for rows, cells and numbers of columns that no list has.
    """
    with opened(path) as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        lines = _Lines(text, path.name)
        reader = csv.reader(lines, delimiter=delimiter, strict=strict)
        begins = 1
        try:
            for cells in reader:
                number, begins = begins, reader.line_num + 1
                lines.row_ends()
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > MOST_COLUMNS:
                    raise InvalidInput(
                        f"{path.name}: line {number} has {len(cells):,} cells; at most {MOST_COLUMNS:,} are "
                        "read. Is this the list that is meant?",
                        field="file",
                    )
                if max(map(len, cells)) > LONGEST_CELL:
                    raise _cell_too_long(path.name, number)
                yield Row(number, cells)
        except csv.Error as error:
            if "field larger" in str(error):
                raise _cell_too_long(path.name, begins) from None
            raise InvalidInput(
                f"{path.name}: the row that begins in line {begins} is not CSV ({error}). "
                "Is a quotation mark not closed? One inside a cell is written twice.",
                field="file",
            ) from None
        except UnicodeError:
            named = encoding.removesuffix("-sig").upper()
            raise InvalidInput(
                f"{path.name} is not text in {named} after line {begins}.", field="file"
            ) from None


class _Lines:
    """The lines of a text, none longer than a row may be: what has no line ends is not read to its end."""

    def __init__(self, text: io.TextIOWrapper, name: str) -> None:
        self._text = text
        self._name = name
        self._line = 0
        self._row_begins = 1
        self._characters = 0

    def row_ends(self) -> None:
        """The lines given so far were whole rows."""
        self._row_begins = self._line + 1
        self._characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW + 1)
        if not line:
            raise StopIteration
        self._line += 1
        self._characters += len(line)
        if self._characters > LONGEST_ROW:
            raise InvalidInput(
                f"{self._name}: the row that begins in line {self._row_begins} has more than {LONGEST_ROW:,} "
                "characters. Is it a table? Is a quotation mark not closed?",
                field="file",
            )
        return line


def _cell_too_long(name: str, number: int) -> InvalidInput:
    return InvalidInput(
        f"{name}: the row that begins in line {number} has a cell of more than {LONGEST_CELL:,} characters. "
        "Is a quotation mark not closed? One inside a cell is written twice.",
        field="file",
    )
