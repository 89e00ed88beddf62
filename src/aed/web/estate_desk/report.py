"""The desk's list of devices as CSV and XLSX, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from io import BytesIO
from typing import Final

from aed.files.spreadsheets import csv_lines, escape_formula, workbook
from aed.web.estate_desk.page import DeviceLine
from aed.web.words import either, noop, translator


class ListForm(StrEnum):
    """A format of the exported list."""

    CSV = "csv"
    XLSX = "xlsx"


WAITS: Final = noop("Waits for a second person")
HEADINGS: Final = (
    noop("Number"),
    noop("Place"),
    noop("Storey"),
    noop("State now"),
    noop("Due"),
    noop("Due on"),
    noop("Keeper"),
    noop("Last checked"),
    noop("Second person"),
)


def headings(language: str) -> list[str]:
    """Return the first row."""
    _ = translator(language)
    return [_(each) for each in HEADINGS]


def cells(line: DeviceLine, language: str) -> list[str]:
    """Return the row of a device, as the desk shows it."""
    _ = translator(language)
    states = (
        [either(line.access, language)]
        if line.is_ready
        else [either(each, language) for each in line.unready]
    )
    states += [_(each) for each in line.warnings]
    return [
        line.code,
        either(line.place, language),
        either(line.storey, language),
        _("; ").join(states),
        _("; ").join(f"{either(each.words, language)} {each.due_on.isoformat()}" for each in line.dues),
        line.first_due.isoformat() if line.first_due is not None else "",
        line.keeper,
        line.last_checked_on.isoformat() if line.last_checked_on is not None else "",
        _(WAITS) if line.awaits_approval else line.second_person,
    ]


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """Return the rows as CSV, in UTF-8 with the byte order mark that Excel needs; formulas are escaped."""
    return csv_lines(rows, begins="\ufeff")


def as_xlsx(rows: Sequence[Sequence[str]]) -> bytes:
    """Return the rows as a workbook of one sheet; text that looks like a formula is marked as text."""
    out = BytesIO()
    with workbook(out) as book:
        bold, as_text = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
        sheet = book.add_worksheet("AED")
        sheet.freeze_panes(1, 0)
        for at, row in enumerate(rows):
            for column, text in enumerate(row):
                kind = bold if at == 0 else as_text if escape_formula(text) != text else None
                sheet.write_string(at, column, text, kind)
        sheet.set_column(1, len(HEADINGS), 24)
    return out.getvalue()


FORMS: Final[Mapping[ListForm, Callable[[Sequence[Sequence[str]]], bytes]]] = {
    ListForm.CSV: as_csv,
    ListForm.XLSX: as_xlsx,
}
MEDIA_TYPES: Final = {
    ListForm.CSV: "text/csv; charset=utf-8",
    ListForm.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
