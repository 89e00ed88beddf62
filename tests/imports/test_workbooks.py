"""Large workbooks are read in a separate process, with the same results."""

from __future__ import annotations

from pathlib import Path

import pytest
import xlsxwriter

from aed.errors import InvalidInput
from aed.imports.formats import workbook
from aed.imports.formats.workbook import table_rows


def test_a_large_workbook_is_read_like_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate((["name", "days"], ["王小明 – \u2028 \U0001f600", 3.0], [], ["b", 2.5])):
            sheet.write_row(number, 0, row)
        sheet.merge_range(4, 0, 5, 0, "of two")
    small = list(table_rows(path))
    assert [row.number for row in small] == [1, 2, 4, 5]
    assert small[1].cells == ["王小明 – \u2028 \U0001f600", "3"]
    assert small[3].wrong is not None

    monkeypatch.setattr(workbook, "LARGE_WORKBOOK_BYTES", 0)  # use the real process for a small file

    assert list(table_rows(path)) == small


def test_a_large_damaged_workbook_is_refused_like_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.xlsx"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InvalidInput) as small:
        list(table_rows(path))

    monkeypatch.setattr(workbook, "LARGE_WORKBOOK_BYTES", 0)  # use the real process for a small file

    with pytest.raises(InvalidInput) as large:
        list(table_rows(path))
    assert (str(large.value), large.value.field) == (str(small.value), small.value.field)
