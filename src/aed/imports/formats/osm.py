"""Read defibrillators from OpenStreetMap: extracts (.osm.pbf), tables, GeoJSON and Overpass responses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from aed.accounts.permissions import Audience
from aed.errors import InvalidInput
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.formats.files import FileLine, head_of
from aed.imports.formats.geojson import members_of, point_of, raw_of
from aed.imports.formats.headers import Header
from aed.imports.formats.json_stream import first_value, json_object, objects
from aed.imports.formats.records import Record, Unit
from aed.imports.formats.values import clean, is_chinese, understood
from aed.imports.rules import printable
from aed.registry.devices.rules import Cabinet, EntryMode

SOURCE: Final = "osm"
LAT_COLUMNS: Final = ("@lat", "lat", "latitude", "y")
LON_COLUMNS: Final = ("@lon", "lon", "lng", "longitude", "x")
ID_COLUMNS: Final = ("@id", "osm_id", "id", "full_id")
TYPE_COLUMNS: Final = ("@type", "osm_type", "type")

_ELEMENT_TYPES: Final = {"n": "node", "w": "way", "r": "relation"}
_MAX_TEXT_LENGTH: Final = 2000


def is_defibrillator(tags: Mapping[str, str]) -> bool:
    return tags.get("emergency") == "defibrillator"


def tags_of(given: Mapping[str, object]) -> dict[str, str]:
    """Return the tags as text, without invalid characters, so that these do not make a device unreadable."""
    return {
        str(key): text for key, value in given.items() if value is not None and (text := clean(str(value)))
    }


def device_fields(tags: Mapping[str, str], identity: str | None) -> dict[str, Any]:
    """Convert tags to device fields, except for the position."""
    fields: dict[str, Any] = {
        "source": SOURCE,
        "source_id": identity,
        "floor": _floor(tags.get("level")),
        "maker": _cut(tags.get("manufacturer") or tags.get("brand"), 100),
        "model": _cut(tags.get("model") or tags.get("defibrillator:model"), 100),
        "serial": _cut(tags.get("ref:serial") or tags.get("serial_number"), 100),
        "cabinet": _cabinet(tags.get("defibrillator:cabinet") or tags.get("cabinet")),
        **_access(tags.get("access")),
        **_hours(tags.get("opening_hours")),
    }
    _put_words(fields, "place", tags, "defibrillator:location")
    _put_words(fields, "access_instructions", tags, "description")
    named: dict[str, Any] = {}
    _put_words(named, "place", tags, "name")
    return {name: value for name, value in (named | fields).items() if value is not None}


def findings_of(tags: Mapping[str, str], fields: Mapping[str, Any], where: str) -> tuple[Finding, ...]:
    """Return findings about the tags that were not understood."""
    found: list[Finding] = []
    hours = tags.get("opening_hours", "")
    meaning = understood(hours)
    if (doubt := meaning.doubt()) is not None:
        read = printable(hours, 200)
        found.append(Finding(*doubt[:2], where, "opening_hours", read, doubt[2], meaning.expression))
    level = tags.get("level")
    if level and _whole_level(level) is None:
        wrong = "The floor is unclear; 0 is used."
        right = "A whole number: 0 at street level, -1 below it."
        kind = FindingKind.FLOOR_NOT_UNDERSTOOD
        found.append(Finding(kind, Severity.NOTE, where, "level", printable(level, 200), wrong, right))
    return tuple(found)


COLUMNS: Final = {
    "floor": "level",
    "opening_hours": "opening_hours",
    "opening_hours_raw": "opening_hours",
    "entry": "access",
    "audience": "access",
    "place_en": "defibrillator:location",
    "access_instructions_en": "description",
    "maker": "manufacturer",
}
"""The OSM tag that each field comes from, for use in findings."""


def identity_of(given: object, kind: str | None = None) -> str | None:
    """Normalise an id as exporters write it to the form node/123; None if it is not an OSM id."""
    text = str(given) if given is not None else ""
    parts = re.fullmatch(r"(?:(n|w|r|node|way|relation)/?)?([0-9]{1,20})", text.strip())
    if parts is None:
        return None
    kind = parts[1] or kind or "node"
    return f"{_ELEMENT_TYPES.get(kind, kind)}/{parts[2]}"


def read_osm_rows(rows: Iterable[FileLine], header: Header, *, unit: Unit = "line") -> Iterator[Record]:
    """Yield records of rows whose columns are tags; skip rows that are not defibrillators."""
    lat, lon = header.column(LAT_COLUMNS), header.column(LON_COLUMNS)
    identity, kind = header.column(ID_COLUMNS), header.column(TYPE_COLUMNS)
    is_tagged = header.column(["emergency"]) is not None
    columns = COLUMNS | {"lat": lat or "", "lon": lon or "", "source_id": identity or ""}
    for row in rows:
        raw = dict(zip(header.names, row.cells, strict=False))
        if len(row.cells) != len(header.names):
            reason = f"has {len(row.cells)} cells where the header has {len(header.names)}"
            yield Record(unit, row.number, {}, reason, raw=raw)
            continue
        tags = tags_of(raw)
        if is_tagged and not is_defibrillator(tags):
            continue
        named = identity_of(tags.get(identity or ""), tags.get(kind or ""))
        fields = device_fields(tags, named)
        for name, column in (("lat", lat), ("lon", lon)):
            if column and tags.get(column):
                fields[name] = number_of(tags[column])
        where = f"{unit} {row.number}"
        yield Record(
            unit, row.number, fields, columns=columns, raw=raw, findings=findings_of(tags, fields, where)
        )


def number_of(text: str) -> float | str:
    """Return the text as a number, or unchanged if it is not one."""
    try:
        return float(text)
    except ValueError:
        return text


def read_osm_features(found: Iterable[object]) -> Iterator[Record]:
    """Yield a record for every feature tagged emergency=defibrillator; skip all others."""
    for number, feature in enumerate(found, start=1):
        given = json_object(feature)
        tags = tags_of(json_object(given.get("properties")))
        if is_defibrillator(tags):
            named = given.get("id") or tags.get("@id") or tags.get("osm_id")
            fields = device_fields(tags, identity_of(named)) | point_of(given)
            found_out = findings_of(tags, fields, f"feature {number}")
            yield Record("feature", number, fields, columns=COLUMNS, raw=raw_of(given), findings=found_out)


def _hours(written: str | None) -> dict[str, Any]:
    """Return the opening hours as understood, with the original text; no expression if they are not
    understood."""
    if written is None or not written.strip():
        return {}
    meaning = understood(written)
    return {"opening_hours": meaning.expression, "opening_hours_raw": _cut(written, _MAX_TEXT_LENGTH)}


def _access(access: str | None) -> dict[str, Any]:
    """Convert an access tag to mode of entry and audience.

    Private devices are visible to dispatch only; an unknown value makes the mode of entry unknown.
    """
    match access:
        case None | "yes" | "public" | "permissive" | "customers" | "destination":
            return {"entry": EntryMode.FREE, "audience": Audience.PUBLIC}
        case "no" | "private" | "permit":
            return {"entry": EntryMode.ASSISTED, "audience": Audience.DISPATCH}
        case _:
            return {"entry": EntryMode.UNKNOWN, "audience": Audience.PUBLIC}


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
    """Return the first whole level of `level`; the ground floor if there is none."""
    return _whole_level(level or "") or 0


def _whole_level(level: str) -> int | None:
    found = re.match(r"\s*(-?[0-9]{1,3})(?![0-9.])", level)
    return max(-20, min(200, int(found[1]))) if found else None


def _put_words(fields: dict[str, Any], name: str, tags: Mapping[str, str], key: str) -> None:
    """Store `key:en` and `key:zh`; text without a language is assigned by its script."""
    for language in ("en", "zh"):
        if tags.get(f"{key}:{language}"):
            fields[f"{name}_{language}"] = _cut(tags[f"{key}:{language}"], _MAX_TEXT_LENGTH)
    plain = tags.get(key)
    if plain:
        fields.setdefault(f"{name}_zh" if is_chinese(plain) else f"{name}_en", _cut(plain, _MAX_TEXT_LENGTH))


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text else None


_TAG: Final = ("emergency", "defibrillator")


def is_pbf(head: bytes) -> bool:
    return b"OSMHeader" in head[:64]


def read_pbf(path: Path) -> Iterator[Record]:
    """Yield the devices of an extract in file order.

    The position of a way is the centre of its nodes, that of an area the centre of its outer rings.
    """
    import osmium  # imported here to save 4 MB of memory

    head_of(path)
    number = found = 0
    try:
        source = osmium.io.File(str(path), "pbf")
        tagged = osmium.filter.TagFilter(_TAG)
        reading = osmium.FileProcessor(source).with_locations().with_areas(tagged).with_filter(tagged)
        for number, each in enumerate(reading, start=1):
            place = _place(each)
            if place is None:
                continue
            identity, lat, lon = place
            tags = tags_of({tag.k: tag.v for tag in each.tags})
            if not is_defibrillator(tags):
                continue
            found += 1
            fields = device_fields(tags, identity)
            wrong = None
            if lat is None or lon is None:
                wrong = "has no position: the extract lacks the nodes of this way"
            else:
                fields |= {"lat": lat, "lon": lon}
            raw = {"@id": identity or "", **tags}
            noticed = findings_of(tags, fields, f"element {number}")
            yield Record("element", number, fields, wrong, columns=COLUMNS, raw=raw, findings=noticed)
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInput(
            "{name} cannot be read as an extract of OpenStreetMap (.osm.pbf): {printable}.",
            field="file",
            name=path.name,
            printable=printable(str(error), 200),
        ) from None
    if not found:
        raise InvalidInput(
            "{name} contains no object tagged emergency=defibrillator.", field="file", name=path.name
        )


def _place(each: object) -> tuple[str | None, float | None, float | None] | None:
    """Return id, latitude and longitude; None for an area made from a way, which is read as a way already."""
    from osmium.osm import Area, Node, Way

    match each:
        case Node():
            if not each.location.valid():
                return identity_of(each.id, "node"), None, None
            return identity_of(each.id, "node"), each.location.lat, each.location.lon
        case Way():
            at = [(node.lat, node.lon) for node in each.nodes if node.location.valid()]
            return identity_of(each.id, "way"), *_middle(at[:-1] if each.is_closed() else at)
        case Area() if not each.from_way():
            at = [
                (node.lat, node.lon) for ring in each.outer_rings() for node in ring if node.location.valid()
            ]
            return identity_of(each.orig_id(), "relation"), *_middle(at)
        case _:
            return None


def _middle(at: list[tuple[float, float]]) -> tuple[float | None, float | None]:
    if not at:
        return None, None
    lat, lon = (sum(each) / len(at) for each in zip(*at, strict=True))
    return round(lat, 7), round(lon, 7)


PREFIX = "elements.item"


def read_overpass(path: Path) -> Iterator[Record]:
    """Yield the elements tagged emergency=defibrillator; the position of a way or relation is its `center`.

    Raises InvalidInput if the response is incomplete, as stated in a remark at its end, or contains no
    device, which more likely indicates an error than a region without any.
    """
    remark = first_value(path, "remark")
    if remark is not None:
        raise InvalidInput(
            "{name} is an interrupted response of Overpass: {printable} Repeat the query "
            "with a longer timeout or for a smaller area.",
            field="file",
            name=path.name,
            printable=printable(str(remark), 200),
        )
    number = found = 0
    for number, each in enumerate(objects(path, PREFIX), start=1):
        element = json_object(each)
        tags = tags_of(json_object(element.get("tags")))
        if not is_defibrillator(tags):
            continue
        found += 1
        kind = element.get("type")
        named = identity_of(element.get("id"), kind if isinstance(kind, str) else None)
        fields = device_fields(tags, named) | _position(element)
        wrong = None
        if "lat" not in fields and kind in ("way", "relation"):
            wrong = f"is a {kind} without a position; query Overpass with 'out center'"
        noticed = findings_of(tags, fields, f"element {number}")
        raw = members_of({name: value for name, value in element.items() if name != "tags"} | tags)
        yield Record("element", number, fields, wrong, columns=COLUMNS, raw=raw, findings=noticed)
    if not found:
        raise InvalidInput(
            "{name} is a response of Overpass, and none of its {number} elements is tagged "
            "emergency=defibrillator. Repeat the query with 'out center' or 'out body'.",
            field="file",
            name=path.name,
            number=number,
        )


def _position(element: dict[str, Any]) -> dict[str, Any]:
    """Return lat and lon of a node, of the centre, or of the middle of the bounds."""
    for at in (element, json_object(element.get("center"))):
        if "lat" in at and "lon" in at:
            return {"lat": at["lat"], "lon": at["lon"]}
    bounds = json_object(element.get("bounds"))
    edges = [bounds.get(name) for name in ("minlat", "maxlat", "minlon", "maxlon")]
    numbers = [edge for edge in edges if isinstance(edge, int | float)]
    if len(numbers) == 4:
        return {"lat": (numbers[0] + numbers[1]) / 2, "lon": (numbers[2] + numbers[3]) / 2}
    return {}
