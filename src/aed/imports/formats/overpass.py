"""What Overpass answers: elements with tags, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aed.errors import InvalidInput
from aed.imports.formats.geojson import members_of
from aed.imports.formats.json_stream import first_value, json_object, objects
from aed.imports.formats.osm import (
    COLUMNS,
    device_fields,
    findings_of,
    identity_of,
    is_defibrillator,
    tags_of,
)
from aed.imports.formats.records import Record
from aed.imports.rules.reasons import printable

PREFIX = "elements.item"


def read_overpass(path: Path) -> Iterator[Record]:
    """The elements tagged emergency=defibrillator; a way or relation stands at its `center`.

    Raises InvalidInput for an answer that Overpass broke off, which it says in a remark at the end, and for
    one without any device: it is more likely an error than a country without a defibrillator.
    """
    remark = first_value(path, "remark")
    if remark is not None:
        raise InvalidInput(
            f"{path.name} is an answer of Overpass that was broken off: {printable(str(remark), 200)} "
            "Ask it again, with a longer timeout or for a smaller area.",
            field="file",
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
            wrong = f"is a {kind} without a position: ask Overpass with 'out center'"
        noticed = findings_of(tags, fields, f"element {number}")
        raw = members_of({name: value for name, value in element.items() if name != "tags"} | tags)
        yield Record("element", number, fields, wrong, columns=COLUMNS, raw=raw, findings=noticed)
    if not found:
        raise InvalidInput(
            f"{path.name} is not a GeoJSON FeatureCollection but an answer of Overpass, and none of its "
            f"{number} elements is tagged emergency=defibrillator: an empty answer. Ask it again with "
            "'out center' or 'out body'.",
            field="file",
        )


def _position(element: dict[str, Any]) -> dict[str, Any]:
    """lat and lon of a node, of the centre, or of the middle of the bounds."""
    for at in (element, json_object(element.get("center"))):
        if "lat" in at and "lon" in at:
            return {"lat": at["lat"], "lon": at["lon"]}
    bounds = json_object(element.get("bounds"))
    edges = [bounds.get(name) for name in ("minlat", "maxlat", "minlon", "maxlon")]
    numbers = [edge for edge in edges if isinstance(edge, int | float)]
    if len(numbers) == 4:
        return {"lat": (numbers[0] + numbers[1]) / 2, "lon": (numbers[2] + numbers[3]) / 2}
    return {}
