"""The roster of a training session as a table to print, to fill in by hand, and to read again."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from aed.accounts.fields import FreeText, Id, Name
from aed.errors import InvalidInput
from aed.files.spreadsheets import escape_formula, workbook
from aed.imports.formats.files import UTF_8
from aed.imports.schemas import FileRow
from aed.training.rules import AttendanceState

SHEET: Final = "roster"


class RosterLine(NamedTuple):
    """A person on the roster, as text per column; empty if unknown or not applicable."""

    enrolment: int
    name: str
    phone: str
    state: str
    waiting_place: str
    attendance: str
    result: str
    note: str
    certificate: str


EXPLANATIONS: Final[dict[str, tuple[str, str]]] = {
    "enrolment": ("Number of the enrolment; do not change it", "报名编号，请勿改动"),
    "name": ("Name of the person; do not change it", "姓名，请勿改动"),
    "phone": ("Telephone", "电话"),
    "state": (
        "enrolled: has a place; waiting: on the waiting list; offered: a place is reserved",
        "enrolled 已录取、waiting 候补、offered 待确认",
    ),
    "waiting_place": ("Place on the waiting list", "候补序号"),
    "attendance": ("present (attended) or absent (no_show)", "到或缺，也可填 present、absent"),
    "result": ("passed or failed, for people who attended", "合格或不合格，仅限到场者"),
    "note": ("Remarks on the assessment", "考核备注"),
    "certificate": ("Number of the awarded certificate", "已颁发证书编号"),
}
HEADINGS_ZH: Final[dict[str, str]] = {
    "enrolment": "# 报名编号",
    "name": "姓名",
    "phone": "电话",
    "state": "状态",
    "waiting_place": "候补序号",
    "attendance": "出勤",
    "result": "成绩",
    "note": "备注",
    "certificate": "证书编号",
}
"""The second row of a workbook; a row that begins with # is skipped when the sheet is read."""
CHOICES: Final = {
    "attendance": {"attended": "到 present", "no_show": "缺 absent"},
    "result": {"passed": "合格 passed", "failed": "不合格 failed"},
}
"""What the drop-downs of a workbook offer, by value."""
WIDTHS: Final = {"name": 22, "phone": 20, "note": 40, "certificate": 28}


def write_roster(path: Path, lines: Sequence[RosterLine]) -> None:
    """Write the roster to `path` as .csv or .xlsx, atomically.

    Raises InvalidInput for another suffix, or if the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".xlsx"):
        raise InvalidInput(
            "A roster is written as .csv or .xlsx. Name such a file instead of {name}.",
            field="out",
            name=path.name,
        )
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        if suffix == ".xlsx":
            _write_workbook(unfinished, lines)
        else:
            _write_csv(unfinished, lines)
        unfinished.replace(path)
    except OSError as error:
        raise InvalidInput(
            "{path} cannot be written: {strerror}.", field="out", path=path, strerror=error.strerror
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _write_csv(path: Path, lines: Sequence[RosterLine]) -> None:
    with path.open("w", encoding=UTF_8, newline="") as target:
        writer = csv.writer(target)
        writer.writerow(RosterLine._fields)
        for line in lines:
            writer.writerow([escape_formula(str(cell)) for cell in line])
        target.flush()
        os.fsync(target.fileno())


def _write_workbook(path: Path, lines: Sequence[RosterLine]) -> None:
    """Write all cells as text, so that no formula is executed and phone numbers keep their plus and zeros."""
    with workbook(path) as book:
        bold, text = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "@"})
        sheet = book.add_worksheet(SHEET)
        sheet.freeze_panes(2, 2)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0, 1)
        for number, name in enumerate(RosterLine._fields):
            sheet.write_string(0, number, name, bold)
            sheet.write_string(1, number, HEADINGS_ZH[name], bold)
            sheet.write_comment(0, number, "\n".join(EXPLANATIONS[name]), {"x_scale": 2})
            sheet.set_column(number, number, WIDTHS.get(name, 13), text)
            if name in CHOICES:
                choice = {"validate": "list", "source": list(CHOICES[name].values()), "error_title": name}
                choice |= {"error_type": "warning", "error_message": "\n".join(EXPLANATIONS[name])}
                sheet.data_validation(2, number, max(len(lines), 1) + 1, number, choice)
        for row, line in enumerate(lines, start=2):
            for number, (name, cell) in enumerate(zip(RosterLine._fields, line, strict=True)):
                sheet.write_string(row, number, CHOICES.get(name, {}).get(str(cell), str(cell)), text)


def _attendance_in_words(given: object) -> object:
    return _value_of(given, _ATTENDANCE)


def _result_in_words(given: object) -> object:
    return _value_of(given, _RESULTS)


def _value_of(given: object, values: dict[str, str]) -> object:
    """Return the value that all words of a cell stand for, as in `到 present`; otherwise the cell."""
    if not isinstance(given, str):
        return given
    found = {values.get(word) for word in given.casefold().split()}
    value = found.pop() if len(found) == 1 else None
    return given if value is None else value


_ATTENDANCE: Final = {
    **dict.fromkeys(("attended", "present", "到", "已到", "出席"), "attended"),
    **dict.fromkeys(("no_show", "absent", "缺", "缺席", "未到"), "no_show"),
}
_RESULTS: Final = {
    **dict.fromkeys(("passed", "通过", "合格"), "passed"),
    **dict.fromkeys(("failed", "未通过", "不合格"), "failed"),
}


class RosterFileRow(FileRow):
    """A person on a filled-in roster of a session. `name` is only compared; other columns are ignored."""

    enrolment: Id
    name: Name | None = None
    phone: str | None = None
    state: str | None = None
    waiting_place: str | None = None
    attendance: Annotated[AttendanceState | None, BeforeValidator(_attendance_in_words)] = None
    result: Annotated[Literal["passed", "failed"] | None, BeforeValidator(_result_in_words)] = None
    note: Annotated[FreeText, Field(max_length=500)] | None = None
    certificate: str | None = None
