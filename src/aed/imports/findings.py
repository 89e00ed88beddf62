"""Findings about a row of a list: kind, severity, place and correction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    ERROR = "error"
    """The row cannot be imported, or its data is impossible."""
    WARNING = "warning"
    """The row can be imported, but a person should check it."""
    NOTE = "note"
    """Information on how the row was read, or on what is unknown."""


class FindingKind(StrEnum):
    """The kind of a finding: a stable name for counts and filters."""

    # from the reader of a format
    ROW_UNREADABLE = "row_unreadable"
    HOURS_NOT_UNDERSTOOD = "hours_not_understood"
    HOURS_AMBIGUOUS = "hours_ambiguous"
    HOURS_CONTRADICT = "hours_contradict"
    DATE_UNREADABLE = "date_unreadable"
    DATE_IS_A_PLACEHOLDER = "date_is_a_placeholder"
    FLOOR_NOT_UNDERSTOOD = "floor_not_understood"
    VALUE_NOT_UNDERSTOOD = "value_not_understood"
    VALUE_CUT = "value_cut"
    MARKED_AS_DUPLICATE = "marked_as_duplicate"
    NOT_YET_VALIDATED = "not_yet_validated"
    NOT_AT_A_FIXED_PLACE = "not_at_a_fixed_place"
    ID_FROM_CONTENT = "id_from_content"
    COLUMN_NOT_READ = "column_not_read"
    # from the linter
    COORDINATES_MISSING = "coordinates_missing"
    COORDINATES_UNREADABLE = "coordinates_unreadable"
    COORDINATES_SWAPPED = "coordinates_swapped"
    COORDINATES_OUT_OF_RANGE = "coordinates_out_of_range"
    COORDINATE_REPEATED = "coordinate_repeated"
    DECIMAL_POINT_LOST = "decimal_point_lost"
    AT_THE_POLE_OR_ZERO = "at_the_pole_or_zero"
    OUTSIDE_COUNTRY = "outside_country"
    IN_THE_SEA = "in_the_sea"
    FAR_FROM_ITS_TOWN = "far_from_its_town"
    DATUM_SLIP = "datum_slip"
    DUPLICATE_ID = "duplicate_id"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    DUPLICATE_ACROSS_SOURCES = "duplicate_across_sources"
    DATE_IMPOSSIBLE = "date_impossible"
    DATE_EXPIRED = "date_expired"
    VALUE_INVALID = "value_invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about a row. `where` is as in `Record.where`; `column` is the file's own name."""

    kind: FindingKind
    severity: Severity
    where: str
    column: str | None
    read: str | None
    """The value in the file."""
    wrong: str
    """A sentence that describes the problem."""
    right: str | None = None
    """The correction: a value or a sentence."""


@dataclass(frozen=True, slots=True)
class ListNote:
    """A sentence about a whole list: a template, which is the key of its translation, and its values."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format_map(self.values) if self.values else self.template


CHINESE: Final[Mapping[FindingKind, str]] = {
    FindingKind.ROW_UNREADABLE: "行无法读取",
    FindingKind.HOURS_NOT_UNDERSTOOD: "开放时间无法理解",
    FindingKind.HOURS_AMBIGUOUS: "开放时间不明确",
    FindingKind.HOURS_CONTRADICT: "开放时间前后矛盾",
    FindingKind.DATE_UNREADABLE: "日期无法读取",
    FindingKind.DATE_IS_A_PLACEHOLDER: "日期为占位值",
    FindingKind.FLOOR_NOT_UNDERSTOOD: "楼层无法理解",
    FindingKind.VALUE_NOT_UNDERSTOOD: "内容无法理解",
    FindingKind.VALUE_CUT: "内容过长被截断",
    FindingKind.MARKED_AS_DUPLICATE: "清单自标为重复",
    FindingKind.NOT_YET_VALIDATED: "清单尚未核实",
    FindingKind.NOT_AT_A_FIXED_PLACE: "设备位置不固定",
    FindingKind.ID_FROM_CONTENT: "编号由内容生成",
    FindingKind.COLUMN_NOT_READ: "此列未读取",
    FindingKind.COORDINATES_MISSING: "缺少坐标",
    FindingKind.COORDINATES_UNREADABLE: "坐标无法读取",
    FindingKind.COORDINATES_SWAPPED: "经纬度颠倒",
    FindingKind.COORDINATES_OUT_OF_RANGE: "坐标超出范围",
    FindingKind.COORDINATE_REPEATED: "经纬度填成同一个值",
    FindingKind.DECIMAL_POINT_LOST: "小数点丢失",
    FindingKind.AT_THE_POLE_OR_ZERO: "坐标为极点或零",
    FindingKind.OUTSIDE_COUNTRY: "位于所属国家之外",
    FindingKind.IN_THE_SEA: "位于海中",
    FindingKind.FAR_FROM_ITS_TOWN: "远离所在城镇",
    FindingKind.DATUM_SLIP: "坐标系错误",
    FindingKind.DUPLICATE_ID: "编号重复",
    FindingKind.DUPLICATE_IN_FILE: "清单内重复",
    FindingKind.DUPLICATE_ACROSS_SOURCES: "与其他来源重复",
    FindingKind.DATE_IMPOSSIBLE: "日期不可能",
    FindingKind.DATE_EXPIRED: "已过期",
    FindingKind.VALUE_INVALID: "内容无效",
}
CHINESE_SEVERITY: Final[Mapping[Severity, str]] = {
    Severity.ERROR: "错误",
    Severity.WARNING: "警告",
    Severity.NOTE: "提示",
}


def english(kind: FindingKind) -> str:
    return kind.value.replace("_", " ")


def shown(kind: FindingKind) -> str:
    """Return the name of a kind in Chinese and English."""
    chinese = CHINESE.get(kind)
    return f"{english(kind)} {chinese}" if chinese else english(kind)
