"""Read the GeoJSON of a map service, whose properties differ from map to map, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aed.errors import InvalidInput
from aed.imports.formats.descriptions import described_values
from aed.imports.formats.files import MAX_CELL_LENGTH, MAX_COLUMNS, FileLine
from aed.imports.formats.geojson import features, members_of, point_of
from aed.imports.formats.json_stream import json_object

MAX_LISTED: Final = 100_000
"""The most features of a list whose columns are guessed; they are read into memory."""


def feature_rows(path: Path) -> Iterator[FileLine]:
    """Yield a header and a row for each feature of a map service: its properties, description and position.

    The header has the number 0, and each row that of its feature.

    Raises InvalidInput if the file is no GeoJSON, or has more than `MAX_LISTED` features.
    """
    found: list[dict[str, str]] = []
    for feature in features(path):
        given = json_object(feature)
        properties = members_of(json_object(given.get("properties")))
        point = point_of(given)
        row = members_of({"Longitude": point.get("lon"), "Latitude": point.get("lat")})
        for name, value in properties.items():
            described, rest = described_values(value) if name.casefold() == "description" else ({}, value)
            if rest:
                row.setdefault(name[:200], rest[:MAX_CELL_LENGTH])
            row = described | row
        found.append(row)
        if len(found) > MAX_LISTED:
            raise InvalidInput(
                "{name} has more than {max_listed} features. Write a mapping file for it.",
                field="file",
                name=path.name,
                max_listed=MAX_LISTED,
            )
    names = list(dict.fromkeys(name for row in found for name in row))[:MAX_COLUMNS]
    yield FileLine(0, names)
    for number, row in enumerate(found, start=1):
        yield FileLine(number, [row.get(name, "") for name in names])
