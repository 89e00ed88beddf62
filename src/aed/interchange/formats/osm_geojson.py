"""OpenStreetMap defibrillators as GeoJSON: features whose properties are the tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aed.errors import InvalidInput
from aed.interchange.formats.geojson import features, point_of, properties_of
from aed.interchange.formats.records import Record
from aed.registry.rules.device import Cabinet, Entry
from aed.registry.rules.hours import parse_hours
from aed.sharing.rules import Audience

SOURCE = "osm"
_KINDS = {"n": "node", "w": "way", "r": "relation"}
_CHINESE = re.compile("[㐀-鿿]")
_LONGEST_WORDS = 2000


def read_osm(path: Path) -> Iterator[Record]:
    """Every feature tagged emergency=defibrillator; others are passed over: an extract holds all sorts."""
    for number, feature in enumerate(features(path), start=1):
        tags = {str(key): str(value) for key, value in properties_of(feature).items() if value is not None}
        if tags.get("emergency") == "defibrillator":
            yield Record(f"feature {number}", {**_fields(feature, tags), **point_of(feature)})


def is_osm(feature: Mapping[str, Any]) -> bool:
    properties = feature.get("properties")
    return isinstance(properties, dict) and "emergency" in properties


def _fields(feature: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "source": SOURCE,
        "source_id": _identity(feature, tags),
        "floor": _floor(tags.get("level")),
        "maker": _cut(tags.get("manufacturer") or tags.get("brand"), 100),
        "model": _cut(tags.get("model") or tags.get("defibrillator:model"), 100),
        "serial": _cut(tags.get("ref:serial") or tags.get("serial_number"), 100),
        "cabinet": _cabinet(tags.get("defibrillator:cabinet") or tags.get("cabinet")),
        **_access(tags.get("access")),
        **_hours(tags.get("opening_hours")),
    }
    _put_words(fields, "place", tags, "defibrillator:location")
    _put_words(fields, "how_to_get_in", tags, "description")
    for language in ("en", "zh"):
        if f"place_{language}" not in fields and tags.get("name"):
            fields[f"place_{language}"] = _cut(tags.get(f"name:{language}") or tags["name"], _LONGEST_WORDS)
    return fields


def _identity(feature: Mapping[str, Any], tags: Mapping[str, str]) -> str | None:
    """node/123 from the feature's id in any of the forms that exporters write."""
    given = str(feature.get("id") or tags.get("@id") or tags.get("osm_id") or "")
    parts = re.fullmatch(r"(?:(n|w|r|node|way|relation)/?)?(\d+)", given)
    if parts is None:
        return None
    kind = parts[1] or "node"
    return f"{_KINDS.get(kind, kind)}/{parts[2]}"


def _hours(written: str | None) -> dict[str, Any]:
    """Understood hours, or none and the original kept: never guessed."""
    if written is None or not written.strip():
        return {}
    try:
        return {"opening_hours": parse_hours(written), "hours_as_written": _cut(written, _LONGEST_WORDS)}
    except InvalidInput:
        return {"hours_as_written": _cut(written, _LONGEST_WORDS)}


def _access(access: str | None) -> dict[str, Any]:
    """Who may go to it. Private ones are for dispatch; a word that is not known makes the access unknown."""
    match access:
        case None | "yes" | "public" | "permissive" | "customers" | "destination":
            return {"entry": Entry.FREE, "audience": Audience.PUBLIC}
        case "no" | "private" | "permit":
            return {"entry": Entry.ASSISTED, "audience": Audience.DISPATCH}
        case _:
            return {"entry": Entry.UNKNOWN, "audience": Audience.PUBLIC}


def _cabinet(cabinet: str | None) -> Cabinet:
    match cabinet:
        case "no" | "none":
            return Cabinet.NONE
        case "locked":
            return Cabinet.LOCKED
        case "alarmed":
            return Cabinet.ALARMED
        case "unlocked" | "open" | "yes":
            return Cabinet.UNLOCKED
        case _:
            return Cabinet.UNKNOWN


def _floor(level: str | None) -> int:
    """The first whole level of `level`; the ground floor where there is none."""
    found = re.match(r"\s*(-?\d{1,3})(?![\d.])", level or "")
    return max(-20, min(200, int(found[1]))) if found else 0


def _put_words(fields: dict[str, Any], name: str, tags: Mapping[str, str], key: str) -> None:
    """`key:en` and `key:zh`; words in no said language stand where they can be read, by their script."""
    for language in ("en", "zh"):
        if tags.get(f"{key}:{language}"):
            fields[f"{name}_{language}"] = _cut(tags[f"{key}:{language}"], _LONGEST_WORDS)
    plain = tags.get(key)
    if plain:
        fields.setdefault(
            f"{name}_zh" if _CHINESE.search(plain) else f"{name}_en", _cut(plain, _LONGEST_WORDS)
        )


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text else None
