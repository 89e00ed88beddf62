"""The gap table as CSV, XLSX and GeoJSON, with a row or point for each building."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import orjson

from aed.files.spreadsheets import csv_lines, workbook
from aed.training.gaps.rules import BuildingGaps, EstateGaps
from aed.training.gaps.schemas import EstateGapsOut, GapFeature
from aed.training.gaps.week import HOURS, name_en

type Cell = str | int | float | None


class GapFormat(StrEnum):
    """Output formats of the gap table."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    GEOJSON = "geojson"


MEDIA_TYPES: Final = {
    GapFormat.JSON: "application/json",
    GapFormat.CSV: "text/csv; charset=utf-8",
    GapFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    GapFormat.GEOJSON: "application/geo+json",
}
SUMMARY: Final = (
    "estate_id",
    "estate_en",
    "estate_zh",
    "building_id",
    "building_en",
    "building_zh",
    "lat",
    "lon",
    "basis",
    "week_begins",
    "target",
    "hours_below_now",
    "hours_below_after",
    "fewest_now",
    "fewest_at",
)
_EACH_HOUR: Final = tuple(name_en(hour) for hour in range(HOURS))


def summary(estate: EstateGaps, building: BuildingGaps, target: int) -> list[Cell]:
    """Return the values of the `SUMMARY` columns for one building."""
    worst = building.worst_hour
    return [
        estate.estate_id,
        estate.name_en,
        estate.name_zh,
        building.building_id,
        building.name_en,
        building.name_zh,
        building.position.lat,
        building.position.lon,
        building.basis.value,
        estate.week.monday.isoformat(),
        target,
        building.hours_below(target),
        building.hours_below_after(target),
        int(building.now[worst]),
        name_en(worst),
    ]


def csv_of(estates: Iterable[EstateGaps], target: int) -> Iterator[bytes]:
    """Yield the table as CSV in UTF-8 with a byte order mark.

    Columns: the summary, each hour now, each hour after the planned sessions.
    """
    header = [*SUMMARY, *(f"now {hour}" for hour in _EACH_HOUR), *(f"after {hour}" for hour in _EACH_HOUR)]
    yield csv_lines([header], begins="\ufeff")
    for estate in estates:
        yield csv_lines(
            [
                *summary(estate, building, target),
                *building.now.tolist(),
                *(round(each, 1) for each in building.after.tolist()),
            ]
            for building in estate.buildings
        )


def xlsx_of(estates: Iterable[EstateGaps], target: int, to: Path) -> None:
    """Write a workbook with the sheets `now` and `after` (a row for each building) and `lapses`.

    Rows are written to disk one at a time, to limit memory use.
    """
    with workbook(to, is_row_by_row=True) as book:
        bold, below = book.add_format({"bold": True}), book.add_format({"bg_color": "#F8CBAD"})
        sheets = {name: book.add_worksheet(name) for name in ("now", "after", "lapses")}
        for name in ("now", "after"):
            sheets[name].write_row(0, 0, [*SUMMARY, *_EACH_HOUR], bold)
            sheets[name].freeze_panes(1, 6)
        sheets["lapses"].write_row(0, 0, ["estate_id", "estate_zh", "valid_until", "kind", "count"], bold)
        at = lapse_at = 0
        for estate in estates:
            for lapse in estate.lapses:
                lapse_at += 1
                of_estate = [estate.estate_id, estate.name_zh]
                row = [*of_estate, lapse.valid_until.isoformat(), lapse.kind.value, lapse.count]
                sheets["lapses"].write_row(lapse_at, 0, row)
            for building in estate.buildings:
                at += 1
                cells = summary(estate, building, target)
                after = [round(each, 1) for each in building.after.tolist()]
                for name, hours in (("now", building.now.tolist()), ("after", after)):
                    sheets[name].write_row(at, 0, cells)
                    sheets[name].write_row(at, len(SUMMARY), hours)
        for name in ("now", "after"):
            if at:
                last = len(SUMMARY) + HOURS - 1
                is_below = {"type": "cell", "criteria": "<", "value": target, "format": below}
                sheets[name].conditional_format(1, len(SUMMARY), at, last, is_below)


def geojson_of(estates: Iterable[EstateGaps], target: int, *, hour: int | None = None) -> Iterator[bytes]:
    """Yield a FeatureCollection of points in WGS-84, one for each building."""
    yield b'{"type":"FeatureCollection","features":['
    begun = False
    for estate in estates:
        shown = EstateGapsOut.of(estate, target=target, hour=hour)
        for building in shown.buildings:
            properties: dict[str, Any] = building.model_dump(mode="json", exclude={"position"})
            properties |= {
                "estate_id": estate.estate_id,
                "estate_en": estate.name_en,
                "estate_zh": estate.name_zh,
                "target": target,
                "week_begins": shown.week_begins.isoformat(),
            }
            here = building.position
            feature = GapFeature(
                geometry={"type": "Point", "coordinates": [here.lon, here.lat]}, properties=properties
            )
            yield (b",\n" if begun else b"\n") + orjson.dumps(feature.model_dump())
            begun = True
    yield b"\n]}\n"


def json_of(estates: Iterable[EstateGaps], target: int) -> Iterator[bytes]:
    """Yield JSON Lines, one estate per line."""
    for estate in estates:
        yield EstateGapsOut.of(estate, target=target, hour=None).model_dump_json().encode() + b"\n"
