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
from aed.training.assessments.rules import AssessmentPart, AssessmentPlan, PartMark
from aed.training.courses.schemas import MAX_STATIONS
from aed.training.rules import FULL_SCORE, THEORY, AttendanceState

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
    parts_present: str = ""
    marks: tuple[str, ...] = ()
    """A mark for each column of `part_columns`."""


def part_columns(plan: AssessmentPlan | None) -> list[tuple[str, AssessmentPart]]:
    """Return the columns of the parts of an assessment: theory, station_1, station_2 …"""
    if plan is None:
        return []
    stations = [(f"station_{number}", each) for number, each in enumerate(plan.stations, start=1)]
    return [(THEORY, each) for each in plan.parts if each.code == THEORY] + stations


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
    "parts_present": ("For how many parts of the course the person was present", "实际参加的课时段数"),
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
    "parts_present": "出勤段数",
}
"""The second row of a workbook; a row that begins with # is skipped when the sheet is read."""
COLUMNS: Final = tuple(name for name in RosterLine._fields if name not in ("parts_present", "marks"))
"""The columns of every roster."""
CHOICES: Final = {
    "attendance": {"attended": "到 present", "no_show": "缺 absent"},
    "result": {"passed": "合格 passed", "failed": "不合格 failed"},
}
"""What the drop-downs of a workbook offer, by value."""
WIDTHS: Final = {"name": 22, "phone": 20, "note": 40, "certificate": 28}


def write_roster(
    path: Path, lines: Sequence[RosterLine], *, plan: AssessmentPlan | None = None, parts: int = 1
) -> None:
    """Write the roster to `path` as .csv or .xlsx, atomically.

    A course in several parts has a column for presence, and one with an assessment plan has a column for each
    part of the assessment.

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
            _write_workbook(unfinished, lines, _columns(plan, parts))
        else:
            _write_csv(unfinished, lines, _columns(plan, parts))
        unfinished.replace(path)
    except OSError as error:
        raise InvalidInput(
            "{path} cannot be written: {strerror}.", field="out", path=path, strerror=error.strerror
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


class _Column(NamedTuple):
    """A column of the sheet: its name, heading in Chinese, explanations, and the words of its values."""

    name: str
    heading_zh: str
    explanation: tuple[str, str]
    choices: dict[str, str]


def _columns(plan: AssessmentPlan | None, parts: int) -> list[_Column]:
    columns = [
        _Column(name, HEADINGS_ZH[name], EXPLANATIONS[name], CHOICES.get(name, {})) for name in COLUMNS
    ]
    if parts > 1:
        name = "parts_present"
        columns.append(_Column(name, HEADINGS_ZH[name], EXPLANATIONS[name], {}))
    for name, part in part_columns(plan):
        words = (f"{part.name_en}: passed or failed", f"{part.name_zh}：合格或不合格")
        if part.pass_mark is not None:
            words = (
                f"{part.name_en}: score out of {FULL_SCORE}, passed from {part.pass_mark}",
                f"{part.name_zh}：满分{FULL_SCORE}，{part.pass_mark}分合格",
            )
        choices = CHOICES["result"] if part.pass_mark is None else {}
        columns.append(_Column(name, f"{part.name_zh} {part.name_en}", words, choices))
    return columns


def _cells(line: RosterLine, columns: Sequence[_Column]) -> list[str]:
    """Return the cells of a person, in the order of the columns."""
    values = dict(zip(COLUMNS, line, strict=False)) | {"parts_present": line.parts_present}
    marks = iter(line.marks)
    return [str(values[each.name]) if each.name in values else next(marks) for each in columns]


def _write_csv(path: Path, lines: Sequence[RosterLine], columns: Sequence[_Column]) -> None:
    with path.open("w", encoding=UTF_8, newline="") as target:
        writer = csv.writer(target)
        writer.writerow([each.name for each in columns])
        for line in lines:
            writer.writerow([escape_formula(cell) for cell in _cells(line, columns)])
        target.flush()
        os.fsync(target.fileno())


def _write_workbook(path: Path, lines: Sequence[RosterLine], columns: Sequence[_Column]) -> None:
    """Write all cells as text, so that no formula is executed and phone numbers keep their plus and zeros."""
    with workbook(path) as book:
        bold, text = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "@"})
        sheet = book.add_worksheet(SHEET)
        sheet.freeze_panes(2, 2)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0, 1)
        for number, column in enumerate(columns):
            sheet.write_string(0, number, column.name, bold)
            sheet.write_string(1, number, column.heading_zh, bold)
            sheet.write_comment(0, number, "\n".join(column.explanation), {"x_scale": 2})
            sheet.set_column(number, number, WIDTHS.get(column.name, 13), text)
            if column.choices:
                choice = {
                    "validate": "list",
                    "source": list(column.choices.values()),
                    "error_title": column.name,
                    "error_type": "warning",
                    "error_message": "\n".join(column.explanation)[:255],
                }
                sheet.data_validation(2, number, max(len(lines), 1) + 1, number, choice)
        for row, line in enumerate(lines, start=2):
            for number, (column, cell) in enumerate(zip(columns, _cells(line, columns), strict=True)):
                sheet.write_string(row, number, column.choices.get(cell, cell), text)


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


StationMark = Annotated[
    Annotated[int, Field(ge=0, le=FULL_SCORE)] | Literal["passed", "failed"] | None,
    BeforeValidator(_result_in_words),
]
"""A score, or passed or failed."""


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
    parts_present: Annotated[int, Field(ge=0, le=20)] | None = None
    theory: Annotated[int, Field(ge=0, le=FULL_SCORE)] | None = None
    station_1: StationMark = None
    station_2: StationMark = None
    station_3: StationMark = None
    station_4: StationMark = None
    station_5: StationMark = None
    station_6: StationMark = None
    station_7: StationMark = None
    station_8: StationMark = None
    station_9: StationMark = None
    station_10: StationMark = None

    def marks(self, plan: AssessmentPlan | None) -> dict[str, PartMark]:
        """Return the marks by code of the part. Raises InvalidInput for a column that the course has not."""
        codes = {name: part.code for name, part in part_columns(plan)}
        found: dict[str, PartMark] = {}
        for name in PART_COLUMNS:
            mark = getattr(self, name)
            if mark is None:
                continue
            if name not in codes:
                raise InvalidInput(
                    "{name}: the assessment of this course has no such part.", field=name, name=name
                )
            found[codes[name]] = mark if isinstance(mark, int) else mark == "passed"
        return found


PART_COLUMNS: Final = (THEORY, *(f"station_{number}" for number in range(1, MAX_STATIONS + 1)))
