"""Write workbooks (XLSX), and keep formulas out of spreadsheet cells.

A program that opens a CSV executes a cell that begins with = + - @, a tab or a line end (and their
full-width forms). An apostrophe before it makes it text. Nothing is lost: text of any number of apostrophes
(none, too) and then one of these characters gets one apostrophe more when it is written, and one less when
it is read. Other text is left alone: 's-Hertogenbosch stays what it is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import SEEK_END, BytesIO, StringIO
from pathlib import Path
from typing import Any, Final

_EXECUTED = "=+\\-@\t\r\n＝＋－＠"
_WOULD_BE_EXECUTED = re.compile(f"'*[{_EXECUTED}]")
_WAS_NEUTRALISED = re.compile(f"'+[{_EXECUTED}]")


def escape_formula(text: str) -> str:
    """Text for a cell that no spreadsheet executes; `as_meant` gives it back."""
    return f"'{text}" if _WOULD_BE_EXECUTED.match(text) else text


def unescape_formula(cell: str) -> str:
    """What was written with `neutral`."""
    return cell[1:] if _WAS_NEUTRALISED.match(cell) else cell


def csv_lines(rows: Iterable[Sequence[str | int | float | None]], *, begins: str = "") -> bytes:
    """Return rows as CSV in UTF-8, with text escaped against formulas."""
    written = StringIO(begins)
    written.seek(0, SEEK_END)
    csv.writer(written).writerows(
        [escape_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return written.getvalue().encode()


_NO_TEXT_CONVERSION: Final = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


@contextmanager
def workbook(into: BytesIO | Path, *, is_row_by_row: bool = False) -> Iterator[Any]:
    """A book of xlsxwriter (which ships no types); it is written when the block ends.

    `is_row_by_row`: rows are written in their order, and one goes to the disk, beside the file, when the next
    begins. A million of them then take no memory.
    """
    import xlsxwriter  # late: 1 MB

    kept: dict[str, Any] = {"in_memory": isinstance(into, BytesIO)}
    if is_row_by_row:
        kept = {"constant_memory": True}
    if isinstance(into, Path):
        kept["tmpdir"] = str(into.parent)
    with xlsxwriter.Workbook(into, {**_NO_TEXT_CONVERSION, **kept}) as book:
        yield book
