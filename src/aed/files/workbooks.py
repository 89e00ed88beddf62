"""Workbooks (XLSX) as this program writes them: text stays text, whatever it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

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
