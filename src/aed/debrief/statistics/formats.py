"""Write yearly statistics and cases as CSV and XLSX.

CSV has a line for each number, for machines; XLSX a sheet for each table, for people. Both show a hidden
count as `<5`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from aed.debrief.labels import GROUP_LABELS, ITEM_LABELS, MOMENT_LABELS, TASK_LABELS, VALUE_LABELS, Label
from aed.debrief.statistics.rules import MIN_SHOWN_COUNT
from aed.debrief.statistics.schemas import CaseOut, CasesOut, StatisticsOut
from aed.files.spreadsheets import escape_formula, workbook

type Cell = str | int | float | None


class TableFormat(StrEnum):
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {
    TableFormat.JSON: "application/json",
    TableFormat.CSV: "text/csv; charset=utf-8",
    TableFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
HIDDEN: Final = f"<{MIN_SHOWN_COUNT}"
CSV_COLUMNS: Final = ("table", "row", "column", "number", "row_en", "row_zh")


def written(shown: StatisticsOut | CasesOut, form: TableFormat) -> bytes:
    """Write statistics or cases in that format."""
    if form is TableFormat.JSON:
        return shown.model_dump_json().encode()
    if isinstance(shown, CasesOut):
        return _cases_csv(shown) if form is TableFormat.CSV else _cases_xlsx(shown)
    return _statistics_csv(shown) if form is TableFormat.CSV else _statistics_xlsx(shown)


class SheetRow(NamedTuple):
    key: str
    words: Label
    numbers: tuple[Cell, ...]


class Sheet(NamedTuple):
    """One table of a year; `columns` name its numbers."""

    name: str
    words: Label
    columns: Mapping[str, Label]
    rows: Sequence[SheetRow]


_COUNTS: Final[dict[str, Label]] = {"cases": ("cases", "例数")}
_GROUPS: Final[dict[str, Label]] = {
    "patients": ("patients", "患者"),
    "rosc": ("ROSC", "自主循环恢复"),
    "survived_event": ("to hospital", "存活入院"),
    "survived": ("survived", "存活"),
    "survival_known": ("known", "存活情况已知"),
    "survived_per_cent": ("survived, %", "存活率%"),
    "favourable": ("favourable", "神经功能良好"),
}
_INTERVALS: Final[dict[str, Label]] = {
    "cases": ("cases", "例数"),
    "lower_quartile": ("lower quartile, s", "下四分位（秒）"),
    "median": ("median, s", "中位数（秒）"),
    "upper_quartile": ("upper quartile, s", "上四分位（秒）"),
}
_CALLS: Final[dict[str, Label]] = {
    "asked": ("asked", "呼叫"),
    "seen": ("seen", "查看"),
    "accepted": ("accepted", "接受"),
    "there": ("there", "到场"),
    "asked_median": ("asked, median", "呼叫中位数"),
    "accepted_median": ("accepted, median", "接受中位数"),
    "there_median": ("there, median", "到场中位数"),
}
_COMPLETENESS: Final[dict[str, Label]] = {
    "of": ("expected", "应有"),
    "missing": ("missing", "缺失"),
    "missing_per_cent": ("missing, %", "缺失率%"),
}
_MAY_BE_EMPTY: Final = frozenset(
    {
        *("survived_per_cent", "lower_quartile", "median", "upper_quartile", "asked_median"),
        *("accepted_median", "there_median", "missing_per_cent"),
    }
)
"""Columns that are no counts: an empty one is nothing, not hidden."""


def sheets_of(found: StatisticsOut) -> list[Sheet]:
    """Return all tables of a year."""
    totals = [
        SheetRow("incidents", ("incidents", "事件"), (_count(found.incidents),)),
        SheetRow("still_open", ("still open", "其中尚未结束"), (_count(found.still_open),)),
        SheetRow("false_alarms", ("false alarms", "其中误报"), (_count(found.false_alarms),)),
    ]
    for each in (*found.arrests, *found.resuscitation):
        totals.append(
            SheetRow(f"{each.item}={each.value}", _item(each.item, each.value), (_count(each.cases),))
        )
    patients = [
        SheetRow(f"{each.item}={each.value}", _item(each.item, each.value), (_count(each.cases),))
        for each in found.patients
    ]
    return [
        Sheet("incidents", ("Incidents and confirmed arrests", "事件与确认的心脏骤停"), _COUNTS, totals),
        Sheet("patients", ("Resuscitation attempted", "实施复苏者"), _COUNTS, patients),
        Sheet(
            "outcomes",
            ("Outcomes", "结局"),
            _GROUPS,
            [
                SheetRow(each.group, GROUP_LABELS[each.group], _numbers(each, _GROUPS))
                for each in found.groups
            ],
        ),
        Sheet(
            "intervals",
            ("Seconds from the call", "呼救后用时"),
            _INTERVALS,
            [
                SheetRow(each.until, MOMENT_LABELS[each.until], _numbers(each, _INTERVALS))
                for each in found.intervals
            ],
        ),
        Sheet(
            "calls",
            ("People alerted", "被呼叫者"),
            _CALLS,
            [SheetRow(each.task, TASK_LABELS[each.task], _numbers(each, _CALLS)) for each in found.calls],
        ),
        Sheet(
            "completeness",
            ("Missing data", "缺失项目"),
            _COMPLETENESS,
            [
                SheetRow(each.item, ITEM_LABELS[each.item], _numbers(each, _COMPLETENESS))
                for each in found.completeness
            ],
        ),
    ]


def _count(count: int | None) -> Cell:
    return HIDDEN if count is None else count


def _numbers(row: Any, columns: Mapping[str, Label]) -> tuple[Cell, ...]:  # Any: one of the rows of a year
    return tuple(
        value if (value := getattr(row, name)) is not None or name in _MAY_BE_EMPTY else HIDDEN
        for name in columns
    )


def _item(item: str, value: str) -> Label:
    item_en, item_zh = ITEM_LABELS[item]
    value_en, value_zh = VALUE_LABELS.get(value, (value, value))
    return f"{item_en}: {value_en}", f"{item_zh}：{value_zh}"


def about_year(found: StatisticsOut) -> list[tuple[str, Label, Cell]]:
    """Describe what the numbers are of."""
    regions = found.region or ""
    lines: list[tuple[str, Label, Cell]] = [
        ("year", ("year", "年份"), found.year),
        ("kind", ("kind", "类别"), found.kind.value),
        ("region", ("region and below; empty: all", "区域及下属；空为全部"), regions),
    ]
    if found.is_coarse:
        words = (
            f"counts below {MIN_SHOWN_COUNT} are hidden, others are rounded to {MIN_SHOWN_COUNT}",
            f"少于{MIN_SHOWN_COUNT}者不公布，其余取最近的{MIN_SHOWN_COUNT}的倍数",
        )
        lines.append(("is_coarse", words, "yes"))
    return lines


def _statistics_csv(found: StatisticsOut) -> bytes:
    """Write UTF-8 with a byte order mark, a line for each number."""
    lines: list[Sequence[Cell]] = [CSV_COLUMNS]
    lines += [("about", key, "", value, *words) for key, words, value in about_year(found)]
    for sheet in sheets_of(found):
        for row in sheet.rows:
            for column, number in zip(sheet.columns, row.numbers, strict=True):
                lines.append((sheet.name, row.key, column, number, *row.words))
    return _csv(lines)


def _statistics_xlsx(found: StatisticsOut) -> bytes:
    """Write a sheet `about`, and one for each table."""
    into = io.BytesIO()
    with workbook(into) as book:
        bold = book.add_format({"bold": True})
        about = book.add_worksheet("about")
        about.set_column(0, 0, 60)
        about.set_column(1, 1, 20)
        for number, (_, words, value) in enumerate(about_year(found)):
            _write(about, number, [_in_both_languages(words), value])
        for sheet in sheets_of(found):
            page = book.add_worksheet(sheet.name)
            page.set_column(0, 0, 60)
            page.set_column(1, len(sheet.columns), 18)
            page.freeze_panes(1, 1)
            _write(
                page,
                0,
                [_in_both_languages(sheet.words), *map(_in_both_languages, sheet.columns.values())],
                bold,
            )
            for number, row in enumerate(sheet.rows, start=1):
                _write(page, number, [_in_both_languages(row.words), *row.numbers])
    return into.getvalue()


def _cases_csv(found: CasesOut) -> bytes:
    """Write UTF-8 with a byte order mark, a line for each case."""
    columns = tuple(CaseOut.model_fields)
    return _csv([columns, *(_case(each, columns) for each in found.cases)])


def _cases_xlsx(found: CasesOut) -> bytes:
    """Write one sheet named `cases`."""
    columns = tuple(CaseOut.model_fields)
    into = io.BytesIO()
    with workbook(into) as book:
        page = book.add_worksheet("cases")
        page.set_column(0, len(columns), 16)
        page.freeze_panes(1, 0)
        _write(page, 0, columns, book.add_format({"bold": True}))
        for number, each in enumerate(found.cases, start=1):
            _write(page, number, _case(each, columns))
    return into.getvalue()


def _case(case: CaseOut, columns: Sequence[str]) -> list[Cell]:
    return [getattr(case, name) for name in columns]


def _csv(lines: Iterable[Sequence[Cell]]) -> bytes:
    written = io.StringIO("\ufeff")
    written.seek(0, io.SEEK_END)
    writer = csv.writer(written)
    for line in lines:
        writer.writerow([escape_formula(cell) if isinstance(cell, str) else cell for cell in line])
    return written.getvalue().encode()


def _write(page: Any, row: int, cells: Sequence[Cell], style: Any = None) -> None:  # Any: as above
    for column, cell in enumerate(cells):
        if isinstance(cell, str):
            page.write_string(row, column, cell, style)
        elif cell is not None:
            page.write_number(row, column, cell, style)


def _in_both_languages(words: Label) -> str:
    return f"{words[1]} {words[0]}"
