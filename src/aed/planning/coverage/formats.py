"""Render a preview as a PDF of one page, in Chinese and English; the layout is in preview.typ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aed.accounts.permissions import Audience
from aed.files.typesetting import pdf_of
from aed.planning.bands import Band
from aed.planning.coverage.maps import band_with_most, coverage_map
from aed.planning.coverage.schemas import PreviewOut, RangeOut
from aed.planning.residents import PopulationSource

type Label = tuple[str, str]

BAND_LABELS: Final[Mapping[Band, Label]] = {
    Band.DAY: ("Mo-Fr 8-20", "工作日白天 8–20时"),
    Band.EVENING: ("Mo-Fr 20-23", "工作日晚间 20–23时"),
    Band.NIGHT: ("Night 23-8", "夜间 23–8时"),
    Band.WEEKEND: ("Weekend 8-23", "周末 8–23时"),
}
AUDIENCE_LABELS: Final[Mapping[Audience, Label]] = {
    Audience.NEIGHBOURS: ("the neighbourhood", "邻里"),
    Audience.DISPATCH: ("the neighbourhood and 120", "邻里与120调度"),
    Audience.PUBLIC: ("everyone", "社会公众"),
}
SOURCE_LABELS: Final[Mapping[PopulationSource, Label]] = {
    PopulationSource.OWN_LIST: ("own list", "自有名单"),
    PopulationSource.FLOORS: ("from floors", "按楼层估算"),
    PopulationSource.ASSUMED: ("assumed", "假定"),
}
_MAX_GATES: Final = 3


def interval(found: RangeOut, *, money: bool = False) -> str:
    """Return low to high, in two digits that count: `0.02–0.15`, `1,200–8,400`. Never a single number."""
    low, high = (f"{_rounded(each):,.0f}" if money else short(each) for each in (found.low, found.high))
    return f"{low}–{high}"


def short(value: float) -> str:
    """Return a number with two digits that count."""
    if value == 0:
        return "0"
    if value >= 10:
        return f"{_rounded(value):,.0f}"
    return f"{value:.2g}" if value >= 0.001 else "<0.001"


def _rounded(value: float) -> float:
    """Round to two digits that count."""
    return float(f"{value:.2g}")


def once_in_years(found: RangeOut) -> str | None:
    """Return how rarely something happens, `7–45`, in years; None if it never does."""
    if found.low <= 0 or found.high <= 0:
        return None
    return f"{short(1 / found.high)}–{short(1 / found.low)}"


def preview_pdf(out: PreviewOut) -> bytes:
    """Render the preview for a committee to read in three minutes. The same preview gives the same bytes.

    Raises PaperNotMade.
    """
    found, band = out.result, band_with_most(out.result)
    year = found.year
    residents = found.population.residents
    strangers = [
        {
            "gate": {"zh": use.name_zh, "en": use.name_en},
            "band": _both(BAND_LABELS[each.band]),
            "count": interval(use.strangers),
        }
        for each in found.bands
        for use in each.gates
        if use.strangers.high > 0
    ]
    given: dict[str, Any] = {
        "estate": {"zh": out.estate_zh, "en": out.estate_en},
        "number": str(out.id),
        "made": f"{out.made_at:%Y-%m-%d}",
        "hash": out.inputs_hash,
        "audience": _both(AUDIENCE_LABELS[out.step.audience]),
        "hours": out.step.hours,
        "devices": sum(each.is_proposed for each in found.devices),
        "band": _both(BAND_LABELS[band]),
        "maps": [
            coverage_map(found, band, after=False),
            coverage_map(found, band, after=True),
        ],
        "bands": [
            {
                "name": _both(BAND_LABELS[each.band]),
                "cells": [
                    *(f"{gain.residents:,.0f}" for gain in each.gains),
                    *(f"{gain.outsiders:,.0f}" for gain in each.gains),
                    interval(each.arrests),
                ],
            }
            for each in found.bands
        ],
        "residents": f"{residents:,}",
        "mutual": {
            "own": f"{found.reciprocity.by_own:,.0f}",
            "today": f"{found.reciprocity.by_others_today:,.0f}",
            "follow": f"{found.reciprocity.if_neighbours_follow:,.0f}",
            "neighbours": str(found.reciprocity.neighbours),
        },
        "year": [
            _year(
                "每年可在急救人员到达前取到AED的疑似心脏骤停",
                "Arrests a year with an AED in reach in time",
                year.arrests,
            ),
            _year("其中实际取到并可用", "Of these really fetched and usable", year.device_first),
            _year("存活增加（Larsen 1993）", "Survivors a year (Larsen 1993)", year.survivors_larsen),
            _year(
                "存活增加（Valenzuela 1997）", "Survivors a year (Valenzuela 1997)", year.survivors_valenzuela
            ),
            _year("外来人员取用次数", "Uses a year by outsiders", year.uses),
        ],
        "money": interval(year.money, money=True),
        "cost": interval(year.cost_per_survivor, money=True) if year.cost_per_survivor else None,
        "strangers": strangers[:_MAX_GATES],
        "more_strangers": max(0, len(strangers) - _MAX_GATES),
        "population": [
            {"words": _both(SOURCE_LABELS[source]), "count": str(count)}
            for source, count in found.population.by_source.items()
        ],
        "people": f"{found.population.people:,}",
        "ambulance": f"{found.ambulance_seconds / 60:.1f}",
        "estimated": found.basis == "straight_line",
        "notes": [{"zh": zh, "en": en} for zh, en in zip(found.notes_zh, found.notes_en, strict=True)],
    }
    return pdf_of("aed.planning.coverage", "preview.typ", given, made_at=out.made_at)


def _both(words: Label) -> dict[str, str]:
    return {"zh": words[1], "en": words[0]}


def _year(zh: str, en: str, found: RangeOut) -> dict[str, Any]:
    return {"zh": zh, "en": en, "interval": interval(found), "once": once_in_years(found)}
