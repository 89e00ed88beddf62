"""Workbooks: text cells stay text, and a large workbook takes little memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from aed.files.spreadsheets import workbook

LOOKS_LIKE_MORE = [
    "=1+1",
    "https://example.org/",
    "0012",
    "+8613800000000",
    "mailto:a@example.org",
    "@SUM(A1)",
]


@pytest.mark.parametrize("row_by_row", [False, True])
def test_text_that_looks_like_a_formula_a_link_or_a_number_stays_text(
    tmp_path: Path, row_by_row: bool
) -> None:
    path = tmp_path / "book.xlsx"
    with workbook(path, is_row_by_row=row_by_row) as book:
        book.add_worksheet("words").write_row(0, 0, LOOKS_LIKE_MORE)

    assert CalamineWorkbook.from_path(path).get_sheet_by_name("words").to_python() == [LOOKS_LIKE_MORE]
    with zipfile.ZipFile(path) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"<hyperlink" not in sheet
    assert [each.name for each in tmp_path.iterdir()] == ["book.xlsx"]


def test_a_workbook_written_to_memory_is_complete_when_the_block_ends() -> None:
    into = io.BytesIO()
    with workbook(into) as book:
        book.add_worksheet("numbers").write_row(0, 0, [1, 2.5, "3"])
    assert CalamineWorkbook.from_filelike(io.BytesIO(into.getvalue())).get_sheet_by_index(0).to_python() == [
        [1, 2.5, "3"]
    ]
