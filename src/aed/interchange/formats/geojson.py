"""GeoJSON FeatureCollections: reading one, and the project's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aed.errors import InvalidInput
from aed.interchange.formats.records import Record, file_text


def features(path: Path) -> list[dict[str, Any]]:
    """The features of a file. Raises InvalidInput for anything that is not a FeatureCollection of objects."""
    try:
        document = json.loads(file_text(path))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{path.name} is not JSON (line {error.lineno}): {error.msg}.", field="file"
        ) from None
    except RecursionError:
        raise InvalidInput(f"{path.name} is nested too deeply.", field="file") from None
    found = document.get("features") if isinstance(document, dict) else None
    if not isinstance(found, list) or document.get("type") != "FeatureCollection":
        raise InvalidInput(f"{path.name} is not a GeoJSON FeatureCollection.", field="file")
    if not found:
        raise InvalidInput(f"{path.name} holds no features.", field="file")
    return [each if isinstance(each, dict) else {} for each in found]


def point_of(feature: dict[str, Any]) -> dict[str, Any]:
    """lat and lon of a Point, as fields; nothing where it has none, which the row's schema then says."""
    geometry = feature.get("geometry")
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if isinstance(geometry, dict) and geometry.get("type") == "Point" and isinstance(coordinates, list):
        return dict(zip(("lon", "lat"), coordinates, strict=False))
    return {}


def properties_of(feature: dict[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def read_own(path: Path) -> Iterator[Record]:
    """The project's own GeoJSON: properties are the fields; a Point is lat and lon, an area the boundary."""
    for number, feature in enumerate(features(path), start=1):
        fields = dict(properties_of(feature))
        geometry = feature.get("geometry")
        if isinstance(geometry, dict) and geometry.get("type") in ("Polygon", "MultiPolygon"):
            fields["boundary"] = geometry
        else:
            fields |= point_of(feature)
        yield Record(f"feature {number}", fields)
