"""The residential areas of an OpenStreetMap extract (.osm.pbf, .osm): landuse=residential."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import osmium
import shapely
from osmium.geom import WKBFactory
from osmium.osm import Area
from shapely.geometry.base import BaseGeometry

from aed.errors import InvalidInput
from aed.imports.rules.reasons import printable

_TAG: Final = ("landuse", "residential")


def read_residential_areas(path: Path) -> Iterator[BaseGeometry]:
    """In the order of the file, with their holes; one that the extract cuts off is passed over.

    Raises InvalidInput for a file that cannot be read.
    """
    tagged = osmium.filter.TagFilter(_TAG)
    as_wkb = WKBFactory()
    try:
        for each in osmium.FileProcessor(str(path)).with_locations().with_areas(tagged).with_filter(tagged):
            if isinstance(each, Area):
                area = shapely.from_wkb(as_wkb.create_multipolygon(each))
                if area.area > 0:
                    yield area
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInput(
            f"{path.name} cannot be read as an extract of OpenStreetMap (.osm.pbf): "
            f"{printable(str(error), 200)}.",
            field="file",
        ) from None
