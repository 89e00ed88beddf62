"""Render the report of a trial as a PDF of one page, in Chinese and English; the layout is in report.typ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aed.files.typesetting import pdf_of
from aed.sharing.rules import MINOR_UNITS
from aed.sharing.trials.queries import GAIN_MINUTES, TrialReport

BAND_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "day": ("Mo-Fr 8-20", "工作日白天 8–20时"),
    "evening": ("Mo-Fr 20-23", "工作日晚间 20–23时"),
    "night": ("Night 23-8", "夜间 23–8时"),
    "weekend": ("Weekend 8-23", "周末 8–23时"),
}


def yuan(minor: int) -> str:
    return f"{minor / MINOR_UNITS:,.2f}"


def report_pdf(found: TrialReport, *, name_en: str, name_zh: str, at: datetime) -> bytes:
    """Render the report. The same report at the same moment gives the same bytes. Raises PaperNotMade."""
    given: dict[str, Any] = {
        "number": str(found.agreement_id),
        "estate": {"en": name_en, "zh": name_zh},
        "period": f"{found.first_day} – {found.last_day}",
        "is_over": found.is_over,
        "rows": [
            _row("共享的AED", "AEDs that were shared", found.devices),
            _row("使用次数", "Uses", found.uses),
            _row("取到AED并到达患者身边", "People who came to a patient with one", found.fetches),
            _row("从呼叫到到达：中位数（分钟）", "Median minutes from the alert", found.median_minutes_there),
            _row("从呼叫到到达：最长（分钟）", "Longest, in minutes", found.longest_minutes_there),
            _row("巡检次数", "Checks", found.checks),
            _row(
                "巡检未逾期的天数占比",
                "Days without an overdue check",
                f"{found.checks_kept_percent:g} %",
            ),
            _row("已付费用（元）", "Paid, in yuan", yuan(found.cost_paid_minor)),
            _row("未付费用（元）", "Still to be paid, in yuan", yuan(found.cost_open_minor)),
            _row("免除的费用单", "Costs that were waived", found.cases_waived),
        ],
        "minutes": str(GAIN_MINUTES),
        "preview": str(found.preview_id) if found.preview_id is not None else None,
        "gains": [
            {
                "en": BAND_WORDS[each.band][0],
                "zh": BAND_WORDS[each.band][1],
                "residents": f"{each.residents:,.0f}",
                "outsiders": f"{each.outsiders:,.0f}",
            }
            for each in found.gains
        ],
        "made": f"{at:%Y-%m-%d}",
    }
    return pdf_of("aed.sharing.trials", "report.typ", given, made_at=at)


def _row(zh: str, en: str, value: object) -> dict[str, str]:
    return {"zh": zh, "en": en, "value": "–" if value is None else str(value)}
