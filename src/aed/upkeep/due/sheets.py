"""Spreadsheets of due upkeep and of consumables to order."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Final

from aed.files.spreadsheets import workbook
from aed.hours.dates import months_after
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.due.queries import Duties, Replacement
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.rules import DueKind, short_number

_DUE_COLUMNS: Final = (
    ("到期 due on", 12),
    ("逾期天数 days overdue", 12),
    ("事项 task", 28),
    ("编号 number", 12),
    ("园区 estate", 24),
    ("位置 location", 36),
    ("厂家 maker", 14),
    ("型号 model", 14),
    ("序列号 serial number", 16),
)
CONSUMABLE_WORDS: Final = {
    ConsumableKind.PADS: ("pads", "电极片"),
    ConsumableKind.CHILD_PADS: ("child pads", "儿童电极片"),
    ConsumableKind.BATTERY: ("battery", "电池"),
    ConsumableKind.CARTRIDGE: ("combined cartridge", "电极电池盒"),
}


def due_sheet(duties: Duties) -> bytes:
    """Return an XLSX with a row per due task, the longest overdue first; overdue days are highlighted."""
    into = io.BytesIO()
    with workbook(into) as book:
        sheet = book.add_worksheet("due")
        head, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
        late = book.add_format({"bold": True, "font_color": "#B00020"})
        for column, (name, width) in enumerate(_DUE_COLUMNS):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, head)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(duties.dues), len(_DUE_COLUMNS) - 1)
        for row, due in enumerate(duties.dues, start=1):
            device = duties.devices[due.device_id]
            days = due.overdue_days(duties.today[due.device_id])
            sheet.write_datetime(row, 0, due.due_on, day)
            if days:
                sheet.write_number(row, 1, days, late)
            words = [
                _in_both_languages(*DUE_WORDS[DueKind(due.due_kind)]),
                short_number(due.device_id),
                _either(device.estate_zh, device.estate_en),
                _either(device.place_zh, device.place_en),
                device.maker,
                device.model,
                device.serial,
            ]
            for column, text in enumerate(words, start=2):
                sheet.write_string(row, column, text or "")
    return into.getvalue()


def replacement_sheet(found: Sequence[Replacement], *, today: date, months: int) -> bytes:
    """Return an XLSX with a row per model and kind, a column per month, and row totals."""
    first = today.replace(day=1)
    columns = [months_after(first, month) for month in range(months)]
    rows: dict[tuple[str, str, ConsumableKind], dict[date, int]] = defaultdict(dict)
    for each in found:
        rows[each.maker, each.model, each.kind][each.month] = each.quantity
    into = io.BytesIO()
    with workbook(into) as book:
        sheet, bold = book.add_worksheet("order"), book.add_format({"bold": True})
        heads = [
            "厂家 maker",
            "型号 model",
            "耗材 consumable",
            *(f"{each:%Y-%m}" for each in columns),
            "合计 total",
        ]
        for column, name in enumerate(heads):
            sheet.write_string(0, column, name, bold)
        sheet.set_column(0, 2, 18)
        sheet.freeze_panes(1, 3)
        for row, (maker, model, kind) in enumerate(sorted(rows), start=1):
            quantities = rows[maker, model, kind]
            for column, text in enumerate(
                (maker or "—", model or "—", _in_both_languages(*CONSUMABLE_WORDS[kind]))
            ):
                sheet.write_string(row, column, text)
            for column, month in enumerate(columns, start=3):
                if month in quantities:
                    sheet.write_number(row, column, quantities[month])
            sheet.write_number(row, 3 + months, sum(quantities.values()), bold)
    return into.getvalue()


def _in_both_languages(en: str, zh: str) -> str:
    """Return Chinese and English text together."""
    return f"{zh} {en}"


def _either(zh: str | None, en: str | None) -> str:
    """Return the Chinese text, else the English, else an empty string."""
    return zh or en or ""
