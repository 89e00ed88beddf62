"""What a source says of a device, attribute by attribute, and whether two sources say the same."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import orjson

from aed.geo import Datum, to_wgs84

type Claims = Mapping[str, Any]
"""{attribute: what is said of it}, without the attributes of which nothing is said. Most are plain values;
`position`, `belongs_to`, `opening_hours`, `keeper` and `state` are told in several fields and stay dicts."""

SAME_PLACE_METRES: Final = 30.0
"""Two sources that put a device this near each other agree on where it is."""
SAME_WORDS: Final = 0.6
"""Descriptions with this share of their letter pairs in common say the same."""
_METRES_PER_DEGREE: Final = 111_195.0

_DESCRIPTIONS: Final = frozenset(("place_en", "place_zh", "how_to_get_in_en", "how_to_get_in_zh"))
_PLAIN: Final = (
    "place_en",
    "place_zh",
    "floor",
    "entry",
    "how_to_get_in_en",
    "how_to_get_in_zh",
    "cabinet",
    "maker",
    "model",
    "serial",
    "audience",
    "last_checked_on",
    "pads_expire_on",
    "child_pads_expire_on",
    "battery_expires_on",
)
_TOGETHER: Final[Mapping[str, tuple[str, ...]]] = {
    "opening_hours": ("opening_hours", "hours_as_written"),
    "keeper": ("keeper_name", "keeper_phone"),
    "state": ("state", "out_of_service_reason"),
}
_UNSAID: Final[Mapping[str, Any]] = {"floor": 0, "cabinet": "unknown", "entry": "unknown"}
"""What lists say that do not know."""


def digest_of(fields: Mapping[str, Any]) -> str:
    """The same for the same fields, whatever their order: SHA-256 in hexadecimal."""
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def claims_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a record: of the fields of a row, as JSON, that were given."""
    claims: dict[str, Any] = {name: fields[name] for name in _PLAIN if fields.get(name) is not None}
    datum = Datum(fields.get("datum") or Datum.WGS84)
    here = to_wgs84(fields["lat"], fields["lon"], datum)
    claims["position"] = {
        "lat": here.lat,
        "lon": here.lon,
        "given": [fields["lat"], fields["lon"], str(datum)],
    }
    for attribute, parts in _TOGETHER.items():
        told = {part: fields[part] for part in parts if fields.get(part) is not None}
        if told:
            claims[attribute] = told
    if "opening_hours" in claims:  # given, both are replaced
        claims["opening_hours"] = {part: fields.get(part) for part in _TOGETHER["opening_hours"]}
    if fields.get("estate") is not None:
        claims["belongs_to"] = {"estate": fields["estate"], "estate_source": fields.get("estate_source")}
    elif fields.get("region") is not None:
        claims["belongs_to"] = {"region": fields["region"]}
    return claims


def is_weak(attribute: str, value: Any) -> bool:
    """Whether it is what lists say that do not know: it yields to what any other of the same rank says."""
    if attribute == "opening_hours":
        return value.get("opening_hours") is None
    if attribute == "belongs_to":
        return value.get("region") is not None
    return attribute in _UNSAID and value == _UNSAID[attribute]


def agree(attribute: str, one: Any, other: Any) -> bool:
    """Whether two claims say the same in substance."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    match attribute:
        case "position":
            return metres_apart(one, other) <= SAME_PLACE_METRES
        case "opening_hours":
            mine, theirs = one.get("opening_hours"), other.get("opening_hours")
            if mine is not None or theirs is not None:
                return bool(mine == theirs)
            return _said_alike(one.get("hours_as_written") or "", other.get("hours_as_written") or "")
        case "keeper":
            return _agree_on_keeper(one, other)
        case "state":
            return bool(one.get("state") == other.get("state"))
        case "belongs_to":
            return False
        case "last_checked_on":
            return True  # each tells of a check of its own: the latest counts
    if attribute in _DESCRIPTIONS:
        return _said_alike(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return plain_words(one) == plain_words(other)
    return bool(one == other)


def _agree_on_keeper(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    mine, theirs = digits(one.get("keeper_phone", "")), digits(other.get("keeper_phone", ""))
    if mine and theirs:
        return mine[-8:] == theirs[-8:]
    return plain_words(one.get("keeper_name", "")) == plain_words(other.get("keeper_name", ""))


def _said_alike(one: str, other: str) -> bool:
    first, second = plain_words(one), plain_words(other)
    return first in second or second in first or similarity(first, second) >= SAME_WORDS


def metres_apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Between two positions {lat, lon}, roughly: for telling "the same place" from "another"."""
    dy = one["lat"] - other["lat"]
    dx = (one["lon"] - other["lon"]) * math.cos(math.radians((one["lat"] + other["lat"]) / 2))
    return math.hypot(dx, dy) * _METRES_PER_DEGREE


def plain_words(text: str) -> str:
    """Without what does not matter: width, case, accents, punctuation, spaces."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in folded if character.isalnum())


def digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


def similarity(one: str, other: str) -> float:
    """The share of letter pairs that two texts have in common (Dice), 0 to 1; works for any script."""
    if one == other:
        return 1.0
    pairs, others = _pairs(one), _pairs(other)
    if not pairs or not others:
        return 0.0
    return 2.0 * len(pairs & others) / (len(pairs) + len(others))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}
