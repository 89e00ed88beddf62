"""Read the project's own tables, CSV and XLSX, and create empty templates of them."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

import shapely
from shapely.geometry import mapping

from aed.accounts.permissions import Audience
from aed.errors import InvalidInput
from aed.files.spreadsheets import unescape_formula, workbook
from aed.geo import Datum
from aed.imports.formats.files import FileLine, csv_rows, encoding_of, encoding_or_chinese
from aed.imports.formats.records import Record
from aed.imports.schemas import DeviceRow, columns, needed_columns
from aed.registry.devices.rules import Cabinet, DeviceState, EntryMode

SET_ASIDE_COLUMNS = ("set_aside_at", "set_aside_why")
"""Extra columns in a list of rejected rows; ignored, so that a corrected list can be imported."""

LINT_COLUMN = "lint_findings"
"""The column added by `aed lint --marked`; ignored."""
PASSED_OVER = (*SET_ASIDE_COLUMNS, LINT_COLUMN)

COMMENT = "#"
"""A row that begins with this character explains the columns and is skipped."""


def read_table(
    path: Path, *, known: Collection[str], needed: Collection[str], may_be_chinese: bool = False
) -> Iterator[Record]:
    """Yield the rows of a CSV as records.

    Raises InvalidInput if the header lacks a required column or has an unknown one, since a misspelt column
    would otherwise be lost silently, and for an unclosed quotation mark, which would swallow the rest of the
    file.
    """
    encoding = encoding_or_chinese(path) if may_be_chinese else encoding_of(path)
    rows = csv_rows(path, encoding=encoding)
    yield from read_own_rows(rows, path.name, known=known, needed=needed, unit="line")


def read_own_rows(
    rows: Iterator[FileLine],
    name: str,
    *,
    known: Collection[str],
    needed: Collection[str],
    unit: Literal["line", "row"],
) -> Iterator[Record]:
    """Yield the rows below a header of field names; in a CSV, undo the escaping of formulas."""
    header: list[str] | None = None
    for row in rows:
        if header is None:
            header = [cell.strip().removeprefix("\ufeff") for cell in row.cells]
            if unit == "row":
                header = header[: max(place + 1 for place, column in enumerate(header) if column)]
            _check(header, known, needed, name)
            continue
        if row.cells[0].lstrip().startswith(COMMENT):
            continue
        cells = row.cells if unit == "line" else row.cells[: len(header)]
        wrong = row.wrong
        if wrong is None and len(cells) != len(header):
            wrong = f"has {len(cells)} cells where the header has {len(header)}"
        raw = dict(zip(header, cells, strict=False))
        fields = {
            column: unescape_formula(cell) if unit == "line" else cell
            for column, cell in raw.items()
            if column not in PASSED_OVER
        }
        yield Record(unit, row.number, fields, wrong, raw=raw)


def _check(header: list[str], known: Collection[str], needed: Collection[str], name: str) -> None:
    if len(header) == 1:
        for separator, called in ((";", "semicolons"), ("\t", "tabs")):
            if separator in header[0]:
                raise InvalidInput(
                    "{name} has {called} between its cells. Save it with commas.",
                    field="file",
                    name=name,
                    called=called,
                )
    known = [*known, *PASSED_OVER]
    for number, column in enumerate(header, start=1):
        if not column:
            raise InvalidInput(
                "{name}: column {number} has no name in the first line.",
                field="file",
                name=name,
                number=number,
            )
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = (
                f" Did you mean {near[0]}?"
                if near
                else f" Known columns: {', '.join(known[: -len(PASSED_OVER)])}."
            )
            raise InvalidInput(
                "{name} has an unknown column '{column}'. Its first line must name the columns.{hint}",
                field=column[:60],
                name=name,
                column=column[:60],
                hint=hint,
            )
        if column in header[: number - 1]:
            raise InvalidInput(
                "{name} has the column {column} twice.", field=column, name=name, column=column
            )
    missing = [column for column in needed if column not in header]
    if missing:
        raise InvalidInput(
            "{name} lacks the column {names}. Its first line must name the columns.",
            field=missing[0],
            name=name,
            names=", ".join(missing),
        )


def with_boundary(record: Record) -> Record:
    """Convert the boundary of a row, WKT or GeoJSON, to GeoJSON."""
    text = record.fields.get("boundary")
    if not isinstance(text, str) or not text.strip():
        return record
    try:
        if text.lstrip().startswith("{"):
            boundary = json.loads(text)
        else:
            boundary = json.loads(json.dumps(mapping(shapely.from_wkt(text))))
    except (shapely.errors.ShapelyError, ValueError, RecursionError) as error:
        reason = f"boundary: must be WKT, such as POLYGON ((120.1 30.2, …)): {error}"
        return Record(record.unit, record.number, record.fields, reason)
    return Record(record.unit, record.number, {**record.fields, "boundary": boundary}, record.wrong)


SHEET: Final = "devices"
EXPLANATION_SHEET: Final = "说明 explanation"
ROWS_WITH_CHOICES: Final = 10_000
"""Number of rows of the template with drop-down lists."""

CHOICES: Final[dict[str, type[StrEnum]]] = {
    "datum": Datum,
    "entry": EntryMode,
    "cabinet": Cabinet,
    "audience": Audience,
    "state": DeviceState,
}


EXPLANATIONS: Final[dict[str, tuple[str, str]]] = {
    "lat": ("Latitude in degrees, such as 30.2895", "纬度，以度为单位，如 30.2895"),
    "lon": ("Longitude in degrees, such as 120.1024", "经度，以度为单位，如 120.1024"),
    "datum": (
        "The datum of the coordinates: wgs84 (GPS, the default), gcj02 (AMap, Tencent) or bd09 (Baidu)",
        "坐标来自哪种地图：wgs84（GPS，默认）、gcj02（高德、腾讯）、bd09（百度）",
    ),
    "source": (
        "The publisher of this list: letters, digits and . _ : -",
        "此名单由谁维护：字母、数字和 . _ : -",
    ),
    "source_id": (
        "The device's id in this list; it must stay the same in later lists",
        "设备在此名单中的编号，下次导入时不可改变",
    ),
    "estate": ("The device's estate, by its id in the list of estates", "所属园区在园区名单中的编号"),
    "estate_source": (
        "The source of the id in `estate`, if it is not `source`",
        "estate 编号来自哪个名单，与 source 不同时填写",
    ),
    "region": (
        "The device's region, by code, if it is in no estate",
        "不属于任何园区时，所属区域的代码",
    ),
    "place_en": ("Where the device is, in English", "所在位置（英文）"),
    "place_zh": ("Where the device is, in Chinese", "所在位置（中文）"),
    "floor": (
        "Floor: 0 at street level, 1 above it, -1 below it",
        "楼层：地面层（一楼）为 0，二楼为 1，地下一层为 -1",
    ),
    "storey": (
        "The storey in local words, instead of floor: 3F, 3楼, B1; the region defines "
        "how storeys are counted",
        "可代替 floor，按当地说法填写：3楼、3F、B1、地下一层；由所属区域决定如何计数",
    ),
    "opening_hours": (
        "Opening hours, such as Mo-Fr 08:30-17:30; PH off, or 24/7; empty: unknown",
        "何时可取用，如 Mo-Fr 08:30-17:30; PH off 或 24/7；留空表示未知",
    ),
    "opening_hours_raw": ("The opening hours as written by the source", "提供者原文所写的时间"),
    "entry": (
        "free: anyone can reach it; assisted: a person must open; unknown",
        "free 可直接取用；assisted 需有人开门；unknown 未知",
    ),
    "access_instructions_en": ("How to reach it, in English", "如何进入（英文）"),
    "access_instructions_zh": ("How to reach it, in Chinese", "如何进入（中文）"),
    "cabinet": (
        "Its cabinet: none, unlocked, alarmed, locked or unknown",
        "外箱柜体：none 无、unlocked 未锁、alarmed 开启报警、locked 上锁、unknown 未知",
    ),
    "maker": ("Maker", "制造商"),
    "model": ("Model", "型号"),
    "serial": ("Serial number", "序列号"),
    "registration_number": (
        "Registration number at the authority, such as 国械注准20213080123",
        "医疗器械注册证号，如 国械注准20213080123",
    ),
    "udi_di": (
        "UDI-DI: the 14 digits after (01), or the whole code",
        "UDI-DI：（01）后的 14 位数字，也可填写完整的 UDI",
    ),
    "manufactured_on": ("Date of manufacture, such as 2024-05-31", "生产日期，如 2024-05-31"),
    "end_of_life_on": (
        "Last day of its service life, such as 2034-05-31",
        "使用期限届满日，如 2034-05-31",
    ),
    "keeper_name": ("The person or office responsible for it", "AED管理员或责任单位"),
    "keeper_phone": (
        "Phone number of the keeper; requires keeper_name",
        "AED管理员电话，须同时填写 keeper_name",
    ),
    "audience": (
        "Who may see it: estate, neighbours, dispatch (120) or public",
        "谁可以看到：estate 本园区、neighbours 邻近园区、dispatch 急救调度（120）、public 公众",
    ),
    "state": (
        "in_service, out_of_service (must not be used) or withdrawn (removed)",
        "in_service 使用中、out_of_service 停用、withdrawn 已撤除",
    ),
    "out_of_service_reason": ("Why it is out of service", "停用原因"),
    "pads_expire_on": ("Expiry date of the pads, such as 2027-05-31", "电极片到期日，如 2027-05-31"),
    "child_pads_expire_on": (
        "Expiry date of the child pads, such as 2027-05-31",
        "儿童电极片到期日，如 2027-05-31",
    ),
    "battery_expires_on": ("Expiry date of the battery, such as 2027-05-31", "电池到期日，如 2027-05-31"),
    "cartridge_expires_on": (
        "Expiry date of a combined cartridge (pads and battery in one), such as 2027-05-31",
        "电极电池盒到期日，如 2027-05-31",
    ),
    "last_checked_on": ("Date of the last check, such as 2026-11-02", "最近一次巡检日期，如 2026-11-02"),
}


def template_csv() -> bytes:
    """Return a CSV template: all columns, and a row that explains each and is skipped on import."""
    written = io.StringIO("\ufeff")
    written.seek(0, io.SEEK_END)
    writer = csv.writer(written)
    names = columns(DeviceRow)
    writer.writerow(names)
    explained = [" / ".join(EXPLANATIONS[name]) for name in names]
    writer.writerow([f"{COMMENT} {explained[0]}", *explained[1:]])
    return written.getvalue().encode()


def template_xlsx() -> bytes:
    """Return a workbook template: a sheet to fill in, with drop-down lists, and one that explains the
    columns."""
    written = io.BytesIO()
    names, needed = columns(DeviceRow), needed_columns(DeviceRow)
    with workbook(written) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        needed_bold = book.add_format({"bold": True, "bottom": 1, "bg_color": "#FFE9A8"})
        text, wrapped = (
            book.add_format({"num_format": "@"}),
            book.add_format({"text_wrap": True, "valign": "top"}),
        )
        sheet = book.add_worksheet(SHEET)
        sheet.freeze_panes(1, 0)
        for number, name in enumerate(names):
            sheet.write_string(0, number, name, needed_bold if name in needed else bold)
            sheet.write_comment(0, number, "\n".join(EXPLANATIONS[name]), {"x_scale": 2})
            is_number = name in ("lat", "lon", "floor")
            sheet.set_column(number, number, max(12, len(name) + 2), None if is_number else text)
            if name in CHOICES:
                sheet.data_validation(
                    1,
                    number,
                    ROWS_WITH_CHOICES,
                    number,
                    {
                        "validate": "list",
                        "source": [each.value for each in CHOICES[name]],
                        "error_title": name,
                        "error_message": "\n".join(EXPLANATIONS[name])[:255],
                    },
                )
        explanation = book.add_worksheet(EXPLANATION_SHEET)
        explanation.freeze_panes(1, 0)
        explanation.set_column(0, 0, 24)
        explanation.set_column(1, 1, 10)
        explanation.set_column(2, 3, 60, wrapped)
        for number, title in enumerate(("列 column", "必填 required", "English", "中文")):
            explanation.write_string(0, number, title, bold)
        for row, name in enumerate(names, start=1):
            explanation.write_string(row, 0, name)
            explanation.write_string(row, 1, "是 yes" if name in needed else "")
            for number, words in enumerate(EXPLANATIONS[name], start=2):
                explanation.write_string(row, number, words, wrapped)
    return written.getvalue()


class TemplateFormat(StrEnum):
    """The file types of an empty template."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Template:
    """A template: how to create it, and its media type and name over HTTP."""

    made: Callable[[], bytes]
    media_type: str


TEMPLATES: Final[Mapping[TemplateFormat, Template]] = {
    TemplateFormat.CSV: Template(template_csv, "text/csv; charset=utf-8"),
    TemplateFormat.XLSX: Template(
        template_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ),
}
