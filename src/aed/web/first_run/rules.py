"""Regions that a newcomer can choose from, and an estate's boundary from tapped or typed corners."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aed.accounts.regions.schemas import RegionIn
from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE, Datum, Position, coordinates_in, position_from
from aed.web.words import noop

MAX_CORNERS: Final = 200
NO_CORNERS: Final = noop(
    "Tap the corners of the estate on the map, or write their coordinates, one corner on each line; at most "
    "200."
)
NO_COORDINATES: Final = noop("A line is no pair of coordinates. Write a corner as 30.2901, 120.1003.")
SIDE_METRES: Final = 300
"""Side of the square around a single point."""
ELSEWHERE: Final = "elsewhere"
_SHANGHAI: Final = "Asia/Shanghai"

# fmt: off
_PROVINCES: Final[Mapping[str, tuple[str, str]]] = {
    "11": ("Beijing", "北京市"), "12": ("Tianjin", "天津市"), "13": ("Hebei", "河北省"),
    "14": ("Shanxi", "山西省"), "15": ("Inner Mongolia", "内蒙古自治区"), "21": ("Liaoning", "辽宁省"),
    "22": ("Jilin", "吉林省"), "23": ("Heilongjiang", "黑龙江省"), "31": ("Shanghai", "上海市"),
    "32": ("Jiangsu", "江苏省"), "33": ("Zhejiang", "浙江省"), "34": ("Anhui", "安徽省"),
    "35": ("Fujian", "福建省"), "36": ("Jiangxi", "江西省"), "37": ("Shandong", "山东省"),
    "41": ("Henan", "河南省"), "42": ("Hubei", "湖北省"), "43": ("Hunan", "湖南省"),
    "44": ("Guangdong", "广东省"), "45": ("Guangxi", "广西壮族自治区"), "46": ("Hainan", "海南省"),
    "50": ("Chongqing", "重庆市"), "51": ("Sichuan", "四川省"), "52": ("Guizhou", "贵州省"),
    "53": ("Yunnan", "云南省"), "54": ("Tibet", "西藏自治区"), "61": ("Shaanxi", "陕西省"),
    "62": ("Gansu", "甘肃省"), "63": ("Qinghai", "青海省"), "64": ("Ningxia", "宁夏回族自治区"),
    "65": ("Xinjiang", "新疆维吾尔自治区"),
}
# fmt: on
"""Codes of GB/T 2260, with the names in English and Chinese."""


def provinces(emergency_number: str) -> dict[str, RegionIn]:
    """Return the provinces of mainland China as regions, by code such as `CN-33`."""
    return {
        f"CN-{code}": RegionIn(
            code=f"CN-{code}",
            name_en=name_en,
            name_zh=name_zh,
            country="CN",
            time_zone=_SHANGHAI,
            emergency_number=emergency_number,
            holiday_calendar="CN",
        )
        for code, (name_en, name_zh) in _PROVINCES.items()
    }


def corners_in(text: str, datum: Datum) -> list[Position]:
    """Return the corners of a boundary, one `latitude, longitude` on each line.

    Raises InvalidInput for a line that is no pair of coordinates, and for none or too many lines.
    """
    lines = [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]
    if not 1 <= len(lines) <= MAX_CORNERS:
        raise InvalidInput(NO_CORNERS, field="corners")
    found = []
    for line in lines:
        pair = coordinates_in(line)
        if pair is None:
            raise InvalidInput(NO_COORDINATES, field="corners")
        found.append(position_from(*pair, datum, field="corners"))
    return found


def boundary_of(corners: Sequence[Position]) -> dict[str, Any]:
    """Return the boundary as GeoJSON: the corners in order, or a square around a single point.

    Two corners are opposite ones of a rectangle.
    """
    if len(corners) == 1:
        middle = corners[0]
        north = SIDE_METRES / 2 / METRES_PER_DEGREE
        east = north / math.cos(math.radians(middle.lat))
        corners = [
            Position(middle.lat - north, middle.lon - east),
            Position(middle.lat + north, middle.lon + east),
        ]
    if len(corners) == 2:
        first, opposite = corners
        corners = [first, Position(first.lat, opposite.lon), opposite, Position(opposite.lat, first.lon)]
    ring = [[corner.lon, corner.lat] for corner in corners]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
