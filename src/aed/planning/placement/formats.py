"""Write the ranked answer as JSON, GeoJSON and XLSX."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from typing import Any, Final

import orjson

from aed.files.spreadsheets import escape_formula, workbook
from aed.planning.bands import BANDS
from aed.planning.placement.queries import PlacementAnswer
from aed.planning.placement.rules.ranking import RankedOption
from aed.planning.placement.schemas import HeldOutYear, Objective, PlacementLine, PlacementOut, SiteFacts
from aed.registry.fields import PositionOut


class PlacementFormat(StrEnum):
    JSON = "json"
    GEOJSON = "geojson"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {
    PlacementFormat.JSON: "application/json",
    PlacementFormat.GEOJSON: "application/geo+json",
    PlacementFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
UNITS: Final = {
    Objective.PEOPLE: (
        "people at home who have a device in time, on average over the week",
        "全周平均在家且能及时取到AED的人数",
    ),
    Objective.BEFORE_AMBULANCE: (
        "arrests a year at which a device can be before the ambulance",
        "每年可在急救人员到达前取到AED的疑似心脏骤停例数",
    ),
    Objective.SURVIVORS: (
        "survivors a year by Larsen 1993, to compare choices only",
        "按Larsen 1993估算的每年存活人数（仅供方案比较）",
    ),
}
_NOTES_EN: Final = (
    "Estimates for comparing choices, not a promise. People are estimated from floors; prices are as given.",
    "Each part of the week is judged at one moment, with the gates as they are then.",
    "A device counts if it can be fetched in time on foot; how often it really is fetched is not included.",
)
_NOTES_ZH: Final = (
    "估算结果仅供方案比较，不构成承诺。人数按楼层估算，价格以录入为准。",
    "每个时段按一个代表时刻计算，大门状态以该时刻为准。",
    "只计步行能及时取到的情形，未计入实际被取用的比例。",
)


def out_of(answer: PlacementAnswer) -> PlacementOut:
    """Return the answer as the API gives it."""
    problem, solution = answer.problem, answer.solution
    objective = answer.question.objective
    return PlacementOut(
        region=answer.region.code,
        objective=objective,
        unit_en=UNITS[objective][0],
        unit_zh=UNITS[objective][1],
        total=_rounded(problem.total),
        lines=[_line(each, answer) for each in answer.lines],
        value=_rounded(solution.value),
        bound=_rounded(solution.bound),
        gap_percent=round(100 * solution.gap, 3),
        greedy=_rounded(answer.greedy.value) if answer.greedy is not None else None,
        options=len(problem.options),
        cells=answer.cells,
        buildings_out_of_reach=problem.out_of_reach,
        walks_estimated=answer.walks_estimated,
        unattended=_rounded(answer.unattended),
        sites_left_out=answer.sites_left_out,
        held_out=[
            HeldOutYear(
                year=each.year,
                arrests=each.arrests,
                nothing_percent=round(each.nothing_percent, 1),
                chosen_percent=round(each.chosen_percent, 1),
                greedy_percent=round(each.greedy_percent, 1),
            )
            for each in answer.held_out
        ],
        seconds=round(answer.seconds, 2),
        notes_en=list(_NOTES_EN),
        notes_zh=list(_NOTES_ZH),
    )


def _line(line: RankedOption, answer: PlacementAnswer) -> PlacementLine:
    total = answer.problem.total
    numbers: dict[str, Any] = {
        "rank": line.rank,
        "gain": _rounded(line.gain),
        "covered": _rounded(line.covered),
        "covered_percent": round(100 * line.covered / total, 2) if total else 0.0,
        "loss": _rounded(line.loss),
        "cost": round(line.cost, 2),
        "spent": round(line.spent, 2),
        "cost_per_unit": round(line.cost_per_unit, 2) if line.cost_per_unit is not None else None,
    }
    if line.option is None:
        return PlacementLine(
            **numbers,
            key=None,
            action="nothing",
            name_en="Do nothing",
            name_zh="维持现状",
            estate_id=None,
            device_id=None,
            position=None,
            bands=[],
            site=None,
        )
    thing = answer.things[line.option.key]
    return PlacementLine(
        **numbers,
        key=line.option.key,
        action=line.option.action,
        name_en=thing.name_en,
        name_zh=thing.name_zh,
        estate_id=thing.estate_id,
        device_id=thing.device_id,
        position=PositionOut(lat=thing.position.lat, lon=thing.position.lon),
        bands=[band for band, is_open in zip(BANDS, line.option.bands, strict=True) if is_open],
        site=None if thing.site is None else SiteFacts.model_validate(thing.site, from_attributes=True),
    )


def _rounded(value: float) -> float:
    return round(value, 4)


def written(out: PlacementOut, form: PlacementFormat) -> bytes:
    """Write the answer in that format."""
    if form is PlacementFormat.JSON:
        return out.model_dump_json().encode()
    return geojson_of(out) if form is PlacementFormat.GEOJSON else xlsx_of(out)


def geojson_of(out: PlacementOut) -> bytes:
    """Return a FeatureCollection of points in WGS-84, one for each line that has a place."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [line.position.lon, line.position.lat]},
            "properties": line.model_dump(mode="json", exclude={"position"}),
        }
        for line in out.lines
        if line.position is not None
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features})


_COLUMNS: Final = (
    ("rank", "名次"),
    ("action", "措施"),
    ("name_zh", "名称"),
    ("name_en", "name"),
    ("bands", "可用时段"),
    ("power", "供电"),
    ("camera", "监控"),
    ("signal", "手机信号"),
    ("staff", "有人值守"),
    ("consent", "业主同意"),
    ("gain", "新增"),
    ("covered", "累计"),
    ("covered_percent", "累计%"),
    ("loss", "单独取消时损失"),
    ("cost", "费用"),
    ("spent", "累计费用"),
    ("cost_per_unit", "单位费用"),
    ("estate_id", "园区编号"),
    ("device_id", "AED编号"),
    ("lat", "纬度"),
    ("lon", "经度"),
    ("key", "标识"),
)


_LACKS_ZH: Final = {
    "consent": "未获业主同意",
    "power": "无供电",
    "camera": "无监控",
    "signal": "无手机信号",
    "staff": "无人值守",
}


def _yes_or_no(line: PlacementLine, name: str) -> str | None:
    """Return a fact of the site: 是 yes, 否 no, 未知 unknown; None where the line is no site."""
    if line.site is None:
        return None
    return {True: "是 yes", False: "否 no", None: "未知 unknown"}[getattr(line.site, name)]


def xlsx_of(out: PlacementOut) -> bytes:
    """Return a workbook: the ranked lines, then what they are based on."""
    written = BytesIO()
    with workbook(written) as book:
        bold = book.add_format({"bold": True, "text_wrap": True})
        sheet = book.add_worksheet("ranking 排序")
        sheet.write_row(0, 0, [f"{zh} {en}" if zh != en else en for en, zh in _COLUMNS], bold)
        sheet.freeze_panes(1, 3)
        sheet.set_column(2, 4, 24)
        for number, line in enumerate(out.lines, start=1):
            cells = line.model_dump(mode="json") | {
                "bands": ", ".join(line.bands),
                "lat": line.position.lat if line.position is not None else None,
                "lon": line.position.lon if line.position is not None else None,
                **{name: _yes_or_no(line, name) for name in SiteFacts.model_fields},
            }
            for column, (name, _) in enumerate(_COLUMNS):
                value = cells[name]
                sheet.write(number, column, escape_formula(value) if isinstance(value, str) else value)
        about = book.add_worksheet("basis 依据")
        about.set_column(0, 0, 40)
        about.set_column(1, 1, 100)
        rows: list[tuple[str, Any]] = [
            ("unit 单位", f"{out.unit_zh} {out.unit_en}"),
            ("total 总量", out.total),
            ("covered 覆盖", out.value),
            ("best possible 上限", out.bound),
            ("gap 差距 %", out.gap_percent),
            ("greedy 贪心法", out.greedy),
            ("options 备选项", out.options),
            ("cells 需求点", out.cells),
            ("buildings out of reach 无法覆盖的楼栋", out.buildings_out_of_reach),
            ("walks from straight lines 按直线估算", out.walks_estimated),
            ("demand without responders 无急救志愿者时段的需求（未计入）", out.unattended),
            *(
                (f"sites left out 未列入的地点：{_LACKS_ZH[name]} {name}", count)
                for name, count in out.sites_left_out.items()
            ),
            *(
                (
                    f"held out 留出 {year.year}",
                    f"{year.arrests}: {year.nothing_percent} % → {year.chosen_percent} % "
                    f"(greedy 贪心法 {year.greedy_percent} %)",
                )
                for year in out.held_out
            ),
            *(("note 说明", f"{zh} {en}") for zh, en in zip(out.notes_zh, out.notes_en, strict=True)),
        ]
        for number, (name, value) in enumerate(rows):
            about.write(number, 0, name, bold)
            about.write(number, 1, value)
    return written.getvalue()
