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
    "attendance": ("attended or no_show", "attended 出席（到）或 no_show 缺席"),
    "result": ("passed or failed, for people who attended", "passed 通过或 failed 未通过，仅限出席者"),
    "note": ("Remarks on the assessment", "考核备注"),
    "certificate": ("Number of the awarded certificate", "已颁发证书编号"),
}
CHOICES: Final = {"attendance": [each.value for each in AttendanceState], "result": ["passed", "failed"]}
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
        sheet.freeze_panes(1, 2)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        for number, name in enumerate(RosterLine._fields):
            sheet.write_string(0, number, name, bold)
            sheet.write_comment(0, number, "\n".join(EXPLANATIONS[name]), {"x_scale": 2})
            sheet.set_column(number, number, WIDTHS.get(name, 13), text)
            if name in CHOICES:
                choice = {"validate": "list", "source": CHOICES[name], "error_title": name}
                choice["error_message"] = "\n".join(EXPLANATIONS[name])
                sheet.data_validation(1, number, max(len(lines), 1), number, choice)
        for row, line in enumerate(lines, start=1):
            for number, cell in enumerate(line):
                sheet.write_string(row, number, str(cell), text)


def _attendance_in_words(given: object) -> object:
    return _ATTENDANCE.get(given.strip(), given) if isinstance(given, str) else given


def _result_in_words(given: object) -> object:
    return _RESULTS.get(given.strip(), given) if isinstance(given, str) else given


_ATTENDANCE = {"到": "attended", "出席": "attended", "缺席": "no_show", "未到": "no_show"}
_RESULTS = {"通过": "passed", "合格": "passed", "未通过": "failed", "不合格": "failed"}


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
