"""Which town a row says that it is in: by a column of the list, or by the words of an address."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

TOWN_COLUMNS: Final = (
    ("場所縣市", "場所區域"),
    ("所在地_都道府県", "所在地_市区町村"),
    ("都道府県名", "市区町村名"),
    ("市区町村名",),
    ("시도", "시군구"),
    ("시군구",),
    ("c_com_cp", "c_com_nom"),
    ("c_com_nom",),
    ("addr:city",),
    ("省", "市", "区县"),
    ("城市", "区县"),
    ("city", "district"),
    ("municipality",),
    ("commune",),
    ("comune",),
    ("gemeinde",),
    ("gmina",),
    ("city",),
    ("town",),
)
"""What lists call it; the first of these whose columns a file has, and that the row fills, is taken."""

_ADDRESS: Final = re.compile(
    r"(?:^|[\s·,，、])(?P<town>(?:[一-龥]{2,3}[都道府県縣省])?[一-龥ァ-ヶ]{1,5}?[市縣郡](?!場|场|民|立|營|営|役|内|民)"
    r"(?:[一-龥]{1,4}?[區区鄉乡鎮镇町村])?)"
)
_NO_TOWNS: Final = (
    "超市",
    "夜市",
    "門市",
    "门市",
    "菜市",
    "城市",
    "都市",
    "花市",
    "魚市",
    "鱼市",
    "果市",
    "早市",
)
_LONGEST: Final = 60


def town_of(raw: Mapping[str, str], words: str) -> str | None:
    """The town, as text to compare by; None where the row does not say it."""
    for names in _columns(tuple(raw)):
        parts = [raw[name].strip() for name in names]
        if all(parts):
            return unicodedata.normalize("NFKC", " ".join(parts))[:_LONGEST]
    for found in _ADDRESS.finditer(words[:300]):
        town = found["town"]
        if not any(each in town for each in _NO_TOWNS):
            return unicodedata.normalize("NFKC", town)[:_LONGEST]
    return None


@lru_cache(maxsize=256)
def _columns(header: tuple[str, ...]) -> Sequence[tuple[str, ...]]:
    """The groups of columns that a header has, by its own names."""
    named = {unicodedata.normalize("NFKC", name).strip().casefold(): name for name in header}
    return tuple(
        tuple(named[name.casefold()] for name in names)
        for names in TOWN_COLUMNS
        if all(name.casefold() in named for name in names)
    )
