"""Read the features of GeoJSON files, including the project's own format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from aed.errors import InvalidInput
from aed.imports.formats.json_stream import CRS, JsonShape, json_object, objects, shape_of
from aed.imports.formats.records import Record
from aed.imports.formats.table import LINT_COLUMN
from aed.imports.rules import printable


def features(path: Path, shape: JsonShape | None = None) -> Iterator[object]:
    """Yield the features of a file.

    The file holds one or more FeatureCollections, or a sequence of features. Raises InvalidInput for anything
    else, or if there is no feature.
    """
    shape = shape or shape_of(path)
    if not may_be_features(shape):
        raise not_geojson(path, shape)
    _require_wgs84(path, shape)
    found = objects(path, shape.prefix)
    first = next(found, None)
    if first is None:
        raise InvalidInput("{name} contains no features.", field="file", name=path.name)
    if shape.prefix == "" and json_object(first).get("type") != "Feature":
        raise not_geojson(path, shape)
    yield first
    yield from found


_AS_WGS84: Final = frozenset(
    {"crs84", "crs84h", "4326", "4979", "4258", "4269", "4490", "4612", "4737", "6668"}
)
"""Coordinate reference systems within a few metres of WGS-84.

ETRS89, NAD83, CGCS2000, JGD2000, JGD2011 and Korea 2000.
"""


def _require_wgs84(path: Path, shape: JsonShape) -> None:
    """Raise InvalidInput if the file declares a coordinate system other than that of RFC 7946."""
    crs = next((str(shape.members[name]) for name in CRS if shape.members.get(name) is not None), None)
    if crs is None or re.split(r"[:/#]", crs.strip())[-1].casefold() in _AS_WGS84:
        return
    raise InvalidInput(
        "{name} has coordinates in {printable} instead of WGS-84 (EPSG:4326). Convert "
        "it, for example with ogr2ogr -t_srs EPSG:4326.",
        field="file",
        name=path.name,
        printable=printable(crs, 60),
    )


def may_be_features(shape: JsonShape) -> bool:
    kind = shape.members.get("type")
    if shape.prefix == "features.item":
        return kind in (None, "FeatureCollection")
    return shape.prefix == "" and kind == "Feature" and "properties" in shape.names


def not_geojson(path: Path, shape: JsonShape) -> InvalidInput:
    """Return the error for a JSON file that is not GeoJSON, quoting its own error message if it has one."""
    says = next(
        (
            f" Its message is: {' '.join(value.split())[:200]}"
            for name in ("error", "remark", "message", "detail", "error_message")
            if isinstance(value := shape.members.get(name), str)
        ),
        "",
    )
    return InvalidInput(
        '{name} is not a GeoJSON FeatureCollection, which is an object with "type": '
        '"FeatureCollection" and a list of "features".{says}',
        field="file",
        name=path.name,
        says=says,
    )


def point_of(feature: Mapping[str, Any]) -> dict[str, Any]:
    """Return the coordinates of a Point as `lat` and `lon`; empty if there are none, for the schema to
    report."""
    geometry = json_object(feature.get("geometry"))
    coordinates = geometry.get("coordinates")
    if geometry.get("type") == "Point" and isinstance(coordinates, list):
        return dict(zip(("lon", "lat"), coordinates, strict=False))
    return {}


def raw_of(feature: Mapping[str, Any]) -> dict[str, str]:
    """Return the feature as a row of text: its properties and the coordinates of its point."""
    point = {f"geometry.{name}": value for name, value in point_of(feature).items()}
    return members_of(json_object(feature.get("properties")) | point)


def members_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of an object as text; a member of a nested object is named `outer.inner`."""
    members: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            members |= {f"{name}.{inner}": _text(each) for inner, each in value.items()}
        else:
            members[name] = _text(value)
    return members


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


_OF_ANOTHER_REGISTER: Final = frozenset({"estate_id", "version"})
"""Properties of OGC API Features that only mean something in the register that publishes them."""


def read_own(found: Iterable[object]) -> Iterator[Record]:
    """Yield the records of the project's own GeoJSON, exported or from its OGC API Features.

    Properties are the fields; a Point gives lat and lon, a Polygon or MultiPolygon the boundary. If the
    properties include `lat`, `lon` and `datum`, they are the position as given, and the Point is ignored.
    """
    for number, feature in enumerate(found, start=1):
        if not isinstance(feature, dict):
            yield Record("feature", number, {}, "is not a GeoJSON feature")
            continue
        fields = dict(json_object(feature.get("properties")))
        fields.pop(LINT_COLUMN, None)
        if fields.keys() >= _OF_ANOTHER_REGISTER:
            fields = {name: value for name, value in fields.items() if name not in _OF_ANOTHER_REGISTER}
        geometry = json_object(feature.get("geometry"))
        if geometry.get("type") in ("Polygon", "MultiPolygon"):
            fields["boundary"] = geometry
        else:
            was_given = fields.keys() >= {"lat", "lon", "datum"}
            fields = point_of(feature) | fields if was_given else fields | point_of(feature)
        yield Record("feature", number, fields, raw=raw_of(feature))
