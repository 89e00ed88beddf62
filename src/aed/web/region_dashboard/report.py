"""Write the monthly report of a region as PDF in Chinese, and as a workbook."""

from __future__ import annotations

import io
from enum import StrEnum
from typing import Final

from aed.files.spreadsheets import workbook
from aed.files.typesetting import pdf_of
from aed.web.region_dashboard.page import summary_of, tables_of
from aed.web.region_dashboard.queries import Figures
from aed.web.region_dashboard.rules import Drawn, FigureTable
from aed.web.render import environment
from aed.web.words import either

CHINESE: Final = "zh-CN"


class ReportFormat(StrEnum):
    PDF = "pdf"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def report_file(figures: Figures, form: ReportFormat, language: str) -> bytes:
    """Write the report of a month. Raises PaperNotMade."""
    return report_pdf(figures) if form is ReportFormat.PDF else report_workbook(figures, language)


def report_pdf(figures: Figures) -> bytes:
    """Write the tables and their charts as A4 in Chinese. Raises PaperNotMade."""
    region = figures.region
    estate = figures.estates[figures.estate_id] if figures.estate_id is not None else None
    given = {
        "region": region.name_zh,
        "estate": either(estate, CHINESE),
        "month": f"{figures.year.month.year}年{figures.year.month.month}月",
        "as_of": f"{figures.at.astimezone(figures.year.bounds[0].tzinfo):%Y-%m-%d %H:%M}",
        "summary": {name: str(count) for name, count in summary_of(figures).items()},
        "tables": [
            {
                "title": each.title,
                "note": each.note,
                "chart": _chart(each),
                "columns": each.columns,
                "rows": [["–" if cell is None else str(cell) for cell in row] for row in each.rows],
            }
            for each in tables_of(figures, CHINESE)
        ],
    }
    return pdf_of(__package__, "report.typ", given, made_at=figures.at)


def _chart(table: FigureTable) -> str | None:
    """Return the chart that the page shows too, as SVG."""
    if table.drawn is not Drawn.COLUMNS or table.is_empty:
        return None
    charts = environment(CHINESE).get_template("templates/charts.html.jinja").module
    return str(charts.columns(table.columns[1:], table.rows))  # type: ignore[attr-defined]  # a macro


def report_workbook(figures: Figures, language: str) -> bytes:
    """Write a sheet for each table."""
    into = io.BytesIO()
    with workbook(into) as book:
        bold = book.add_format({"bold": True})
        for table in tables_of(figures, language):
            sheet = book.add_worksheet(table.key)
            sheet.set_column(0, 0, 40)
            sheet.set_column(1, len(table.columns), 16)
            sheet.write_string(0, 0, table.title, bold)
            sheet.write_string(1, 0, table.note)
            for column, name in enumerate(table.columns):
                sheet.write_string(2, column, name, bold)
            for number, row in enumerate(table.rows, start=3):
                for column, cell in enumerate(row):
                    if isinstance(cell, str):
                        sheet.write_string(number, column, cell)
                    elif cell is not None:
                        sheet.write_number(number, column, cell)
            sheet.freeze_panes(3, 1)
    return into.getvalue()
