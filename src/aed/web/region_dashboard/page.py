"""Put the figures of a region into tables, in the language of the reader."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from aed.debrief.labels import Label
from aed.debrief.statistics.formats import Sheet, sheets_of
from aed.debrief.statistics.rules import MIN_SHOWN_COUNT
from aed.debrief.statistics.schemas import StatisticsOut
from aed.hours.dates import months_after
from aed.planning.coverage.rules import MINUTES
from aed.planning.regional_coverage.schemas import CoverageOfEstate, CoverageOfRegion
from aed.registry.devices.rules import ConsumableKind, Readiness
from aed.upkeep.due.queries import MATTERS
from aed.upkeep.due.rules import CALENDAR_KINDS, DUE_WORDS, Due
from aed.web.labels import BAND_NAMES
from aed.web.region_dashboard.queries import Figures
from aed.web.region_dashboard.rules import MONTHS, Drawn, FigureTable
from aed.web.words import either, noop, translator

NORM_MINUTES: Final = (3, 5)
"""The norm for fetching an AED, there and back."""
MAX_ESTATES: Final = 20
MAX_GAPS: Final = 20
READINESS: Final = {
    Readiness.CHECKED: noop("Ready, checked lately"),
    Readiness.UNCHECKED: noop("Usable, not checked lately"),
    Readiness.PADS_EXPIRED: noop("Pads expired"),
    Readiness.EXPIRED: noop("Battery expired"),
    Readiness.OUT_ON_CALL: noop("Out on a call"),
    Readiness.OUT_OF_SERVICE: noop("Out of service"),
}
KINDS: Final = {
    ConsumableKind.PADS: noop("Pads"),
    ConsumableKind.CHILD_PADS: noop("Child pads"),
    ConsumableKind.BATTERY: noop("Batteries"),
    ConsumableKind.CARTRIDGE: noop("Combined cartridges"),
}
STAGES: Final = {
    "enrolled": noop("Enrolled"),
    "came": noop("Came"),
    "passed": noop("Passed"),
    "valid": noop("Certificate valid today"),
    "recertified": noop("Of these, certified again"),
}
UTSTEIN: Final = ("incidents", "outcomes", "intervals")
"""The tables of the year's statistics that the dashboard shows."""


def tables_of(figures: Figures, language: str) -> list[FigureTable]:
    """Return every table of the dashboard, in order."""
    return [
        _readiness(figures, language),
        _due(figures, language),
        _expiring(figures, language),
        *([_estates(figures, language)] if figures.estate_id is None else []),
        *_coverage(figures, language),
        _checks(figures, language),
        _drills(figures, language),
        _funnel(figures, language),
        *_incidents(figures, language),
    ]


def summary_of(figures: Figures) -> dict[str, int]:
    """Return the figures of the summary at the top of the page."""
    counts = sum(figures.readiness.values(), Counter[Readiness]())
    return {
        "devices": counts.total(),
        "not_ready": sum(count for readiness, count in counts.items() if not readiness.is_usable),
        "overdue": len({each.device_id for each in figures.duties.dues if _is_late(figures, each)}),
        "expiring": len(
            {
                each.device_id
                for each in figures.duties.dues
                if each.due_kind in MATTERS.values() and not _is_late(figures, each)
            }
        ),
    }


def _is_late(figures: Figures, due: Due) -> bool:
    return due.overdue_days(figures.duties.today[due.device_id]) > 0


def _readiness(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    counts = sum(figures.readiness.values(), Counter[Readiness]())
    return FigureTable(
        "readiness",
        _("Readiness now"),
        (_("State"), _("AEDs")),
        [(_(label), counts[each]) for each, label in READINESS.items()],
        drawn=Drawn.BARS,
    )


def _due(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    late = Counter(each.due_kind for each in figures.duties.dues if _is_late(figures, each))
    soon = Counter(each.due_kind for each in figures.duties.dues) - late
    return FigureTable(
        "due",
        _("Overdue, and due within 30 days"),
        (_("Upkeep task"), _("Overdue"), _("Due within 30 days")),
        [(_pair(DUE_WORDS[each], language), late[each], soon[each]) for each in CALENDAR_KINDS],
        drawn=Drawn.BARS,
    )


def _expiring(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    counts: Counter[tuple[object, ConsumableKind]] = Counter()
    for each in figures.replacements:
        counts[each.month, each.kind] += each.quantity
    first = figures.at.astimezone(figures.year.bounds[0].tzinfo).date().replace(day=1)
    months = [months_after(first, number) for number in range(MONTHS)]
    return FigureTable(
        "expiring",
        _("Expiring in the next 12 months"),
        (_("Month"), *(_(each) for each in KINDS.values())),
        [(f"{month:%Y-%m}", *(counts[month, kind] for kind in KINDS)) for month in months],
        _("What has expired already counts for the current month."),
        Drawn.COLUMNS,
    )


def _estates(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    late = Counter(
        figures.duties.devices[device_id].estate_id
        for device_id in {each.device_id for each in figures.duties.dues if _is_late(figures, each)}
    )
    rows = [
        (
            either(figures.estates.get(estate_id or 0), language) or _("No estate"),
            sum(count for readiness, count in counts.items() if not readiness.is_usable),
            late[estate_id],
            counts.total(),
        )
        for estate_id, counts in figures.readiness.items()
    ]
    rows.sort(key=lambda row: (-row[1], -row[2], row[0]))
    return FigureTable(
        "estates",
        _("Estates with most AEDs that are not ready"),
        (_("Estate"), _("Not ready"), _("Overdue"), _("AEDs")),
        rows[:MAX_ESTATES],
    )


def _coverage(figures: Figures, language: str) -> Iterable[FigureTable]:
    """Yield two tables, or none before the first night."""
    _ = translator(language)
    if figures.coverage is None:
        return
    at, found = figures.coverage
    within = _("Within %(minutes)s minutes")
    residents = round(sum(each.residents for each in found.estates))
    note = _("Residents on average of their floors, there and back. Computed on %(day)s.") % {
        "day": f"{at.astimezone(figures.year.bounds[0].tzinfo):%Y-%m-%d}"
    }
    if found.is_estimated:
        note += " " + _("Some walks are estimated from straight lines.")
    yield FigureTable(
        "coverage",
        _("Residents with an AED in time"),
        (_("Part of the week"), *(within % {"minutes": each} for each in MINUTES), _("Residents")),
        [
            (
                _(name),
                *(round(sum(each.within[minutes][number] for each in found.estates)) for minutes in MINUTES),
                residents,
            )
            for number, name in enumerate(BAND_NAMES.values())
        ],
        note,
        Drawn.BARS,
    )
    yield FigureTable(
        "gaps",
        _("Buildings with most residents beyond 5 minutes"),
        (_("Building"), *(_(name) for name in BAND_NAMES.values())),
        [
            (
                " ".join(
                    (
                        either(figures.estates.get(each.estate_id), language),
                        either({"en": each.name_en, "zh": each.name_zh}, language),
                    )
                ),
                *map(round, each.without),
            )
            for each in found.gaps[:MAX_GAPS]
        ],
    )


@dataclass(frozen=True, slots=True)
class GapMap:
    """A map of one part of the week, north up: outlines of estates, and buildings beyond 5 minutes."""

    height: int
    """Its width is 400."""
    outlines: Sequence[tuple[str, float]]
    """The corners of a polygon, and the share of its residents beyond 5 minutes."""
    gaps: Sequence[tuple[float, float, float]]
    """x, y and half the side of a square whose area grows with the residents."""


def share_beyond(estate: CoverageOfEstate, band: int) -> float:
    """Return the share of an estate's residents who have no AED within the longest of the minutes."""
    within = estate.within[MINUTES[-1]][band]
    return round(1 - within / estate.residents, 3) if estate.residents else 0.0


def gap_maps(coverage: CoverageOfRegion) -> list[GapMap]:
    """Return the map of each part of the week; none without estates."""
    rings = [ring for each in coverage.estates for ring in each.outline]
    points = [point for ring in rings for point in ring]
    if not points:
        return []
    west, east = min(lon for lon, _lat in points), max(lon for lon, _lat in points)
    south, north = min(lat for _lon, lat in points), max(lat for _lon, lat in points)
    shrink = math.cos(math.radians((south + north) / 2))
    scale = 380 / max((east - west) * shrink, north - south, 1e-5)

    def at(lon: float, lat: float) -> tuple[float, float]:
        return round(10 + (lon - west) * shrink * scale, 1), round(10 + (north - lat) * scale, 1)

    outlines = [
        (" ".join(f"{x},{y}" for x, y in (at(*point) for point in ring)), estate)
        for estate in coverage.estates
        for ring in estate.outline
    ]
    most = max((max(each.without) for each in coverage.gaps), default=1.0)
    return [
        GapMap(
            round((north - south) * scale + 20),
            [(corners, share_beyond(estate, band)) for corners, estate in outlines],
            [
                (*at(each.lon, each.lat), round(1.5 + 5 * math.sqrt(each.without[band] / most), 1))
                for each in coverage.gaps
                if each.without[band] > 0
            ],
        )
        for band in range(len(BAND_NAMES))
    ]


def _checks(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    return FigureTable(
        "checks",
        _("Checks by month"),
        (_("Month"), _("Passed"), _("Failed")),
        [
            (f"{month:%Y-%m}", *counts)
            for month, counts in zip(figures.year.months, figures.checks, strict=True)
        ],
        drawn=Drawn.COLUMNS,
    )


def _drills(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    short, norm = NORM_MINUTES
    counts: list[list[int]] = [[0, 0, 0] for _month in figures.year.months]
    for ran_at, seconds in figures.drills:
        counts[figures.year.month_of(ran_at)][(seconds > 60 * short) + (seconds > 60 * norm)] += 1
    note = _("The norm is to bring an AED within 3 to 5 minutes.")
    if figures.drills:
        middle = median(seconds for _ran_at, seconds in figures.drills) / 60
        within = sum(seconds <= 60 * norm for _ran_at, seconds in figures.drills)
        note += " " + _("Median: %(minutes)s minutes; %(within)s of %(all)s drills within 5 minutes.") % {
            "minutes": f"{middle:.1f}",
            "within": within,
            "all": len(figures.drills),
        }
    return FigureTable(
        "drills",
        _("Drills against the norm"),
        (_("Month"), _("Within 3 minutes"), _("3 to 5 minutes"), _("Over 5 minutes")),
        [(f"{month:%Y-%m}", *each) for month, each in zip(figures.year.months, counts, strict=True)],
        note,
        Drawn.COLUMNS,
    )


def _funnel(figures: Figures, language: str) -> FigureTable:
    _ = translator(language)
    return FigureTable(
        "training",
        _("From enrolment to certificate"),
        (_("Step"), _("12 months"), _("This month")),
        [
            (_(label), getattr(figures.funnel_of_year, name), getattr(figures.funnel_of_month, name))
            for name, label in STAGES.items()
        ],
        _("Enrolments in sessions of courses that award a certificate, by the day of the session."),
        Drawn.BARS,
    )


def _incidents(figures: Figures, language: str) -> Iterable[FigureTable]:
    _ = translator(language)
    values = {"year": figures.incidents.asked.year, "least": MIN_SHOWN_COUNT}
    note = _("%(year)s, the whole region. Counts below %(least)s are hidden, others rounded to %(least)s.")
    for sheet in sheets_of(StatisticsOut.of(figures.incidents)):
        if sheet.name in UTSTEIN:
            yield _sheet(sheet, language, note % values)


def _sheet(sheet: Sheet, language: str, note: str) -> FigureTable:
    _ = translator(language)
    return FigureTable(
        sheet.name,
        _("Utstein: %(title)s") % {"title": _pair(sheet.words, language)},
        (_("Item"), *(_pair(each, language) for each in sheet.columns.values())),
        [(_pair(row.words, language), *row.numbers) for row in sheet.rows],
        note,
        Drawn.BARS if sheet.name != "outcomes" else None,
    )


def _pair(words: Label, language: str) -> str:
    return either({"en": words[0], "zh": words[1]}, language)
