"""The report of a region as a table: CSV and XLSX."""

from __future__ import annotations

import csv
import io

from aed.files.spreadsheets import workbook
from aed.volunteering.report.queries import ServiceReport

HIDDEN = "<5"
"""In place of a count of fewer than five people, or one from which such a count would follow."""


def lines_of(report: ServiceReport) -> list[tuple[str, str, str]]:
    """Return the report as lines of section, name and value."""
    return [
        ("report", "region", report.region),
        ("report", "from", report.from_on.isoformat()),
        ("report", "until", report.until_on.isoformat()),
        *(("minutes", name, str(value)) for name, value in report.minutes.items()),
        *(("records", name, str(value)) for name, value in report.records.items()),
        ("volunteers", "active", _count(report.active_volunteers)),
        *(("volunteers by age", name, _count(value)) for name, value in report.ages.items()),
        *(("points outstanding", name, value) for name, value in report.points_outstanding.items()),
    ]


def _count(value: int | None) -> str:
    return HIDDEN if value is None else str(value)


def csv_of(report: ServiceReport) -> bytes:
    into = io.StringIO(newline="")
    writer = csv.writer(into)
    writer.writerow(("section", "name", "value"))
    writer.writerows(lines_of(report))
    return into.getvalue().encode("utf-8-sig")


def xlsx_of(report: ServiceReport) -> bytes:
    into = io.BytesIO()
    with workbook(into) as book:
        sheet = book.add_worksheet("service")
        for number, line in enumerate([("section", "name", "value"), *lines_of(report)]):
            for column, cell in enumerate(line):
                sheet.write_string(number, column, cell)
    return into.getvalue()
