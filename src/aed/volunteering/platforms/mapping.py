"""The columns of the files of volunteer platforms, and reading and writing these files.

The platforms publish no interface: these are the columns of the files that their desks take. A platform that
wants others gets them here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aed.errors import InvalidInput
from aed.files.spreadsheets import escape_formula, unescape_formula, workbook
from aed.volunteering.rules import VolunteerPlatform


@dataclass(frozen=True, slots=True)
class SubmittedRow:
    """A service record as a platform gets it: never where a call was, nor at which hour."""

    number: str
    volunteer_number: str
    name: str
    activity: str
    day: str
    hours: str
    organisation: str
    reference: str


COLUMNS: Final[Mapping[VolunteerPlatform, Mapping[str, str]]] = {
    VolunteerPlatform.ZHIYUANHUI: {
        "number": "记录编号",
        "volunteer_number": "志愿者编号",
        "name": "姓名",
        "activity": "活动名称",
        "day": "服务日期",
        "hours": "服务时长（小时）",
        "organisation": "组织名称",
        "reference": "批次号",
    },
    VolunteerPlatform.CHINA_VOLUNTEER: {
        "number": "记录编号",
        "volunteer_number": "志愿者编号",
        "name": "志愿者姓名",
        "organisation": "志愿队伍",
        "activity": "项目名称",
        "day": "服务日期",
        "hours": "服务时间（小时）",
        "reference": "批次号",
    },
}
"""Field to heading, in the order of the file."""
IMPORTED: Final = {
    "number": "记录编号",
    "volunteer_number": "志愿者编号",
    "activity": "活动名称",
    "started_at": "开始时间",
    "ended_at": "结束时间",
}
"""Columns of a file of hours that a platform recorded; times in ISO 8601, local ones without an offset."""
MAX_ROWS: Final = 5_000


def csv_of(platform: VolunteerPlatform, rows: Iterable[SubmittedRow]) -> bytes:
    """Return the rows as the platform's CSV, with a byte order mark, since spreadsheets need it."""
    columns = COLUMNS[platform]
    into = io.StringIO(newline="")
    writer = csv.writer(into)
    writer.writerow(columns.values())
    for row in rows:
        writer.writerow([escape_formula(str(getattr(row, name))) for name in columns])
    return into.getvalue().encode("utf-8-sig")


def xlsx_of(platform: VolunteerPlatform, rows: Iterable[SubmittedRow]) -> bytes:
    """Return the rows as the platform's workbook; all cells are text."""
    columns, into = COLUMNS[platform], io.BytesIO()
    with workbook(into) as book:
        sheet, bold = book.add_worksheet("服务记录"), book.add_format({"bold": True})
        for number, heading in enumerate(columns.values()):
            sheet.write_string(0, number, heading, bold)
        for line, row in enumerate(rows, start=1):
            for number, name in enumerate(columns):
                sheet.write_string(line, number, str(getattr(row, name)))
    return into.getvalue()


def imported_rows(content: str) -> Sequence[dict[str, str]]:
    """Return the rows of a CSV of hours by field. Raises InvalidInput for missing columns, too many rows."""
    reader = csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline=""))
    missing = [heading for heading in IMPORTED.values() if heading not in (reader.fieldnames or [])]
    if missing:
        raise InvalidInput(
            "The file lacks these columns: {names}.", field="content", names=", ".join(missing)
        )
    found: list[dict[str, str]] = []
    for row in reader:
        if len(found) == MAX_ROWS:
            raise InvalidInput("Send at most {max_rows} rows.", field="content", max_rows=MAX_ROWS)
        found.append(
            {name: unescape_formula((row[heading] or "").strip()) for name, heading in IMPORTED.items()}
        )
    return found
