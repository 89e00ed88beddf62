"""Read buildings with their entrances, and residential areas, from OpenStreetMap extracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import osmium
import shapely
from osmium.geom import WKBFactory
from osmium.osm import Area
from shapely.geometry.base import BaseGeometry

from aed.errors import InvalidInput
from aed.geo import Position
from aed.imports.rules import printable

UNINHABITED: Final = frozenset(
    {
        "no",
        "roof",
        "carport",
        "garage",
        "garages",
        "shed",
        "hut",
        "guardhouse",
        "gatehouse",
        "kiosk",
        "parking",
        "service",
        "transformer_tower",
        "water_tower",
        "greenhouse",
        "bridge",
        "ruins",
        "construction",
    }
)
"""Values of the tag `building` that mean that it is not inhabited."""
MAX_FLOORS: Final = 200


@dataclass(frozen=True, slots=True)
class MappedBuilding:
    """A building as mapped in OpenStreetMap."""

    source_id: str
    name_en: str
    name_zh: str
    floors: int | None
    position: Position
    """The main entrance, else any entrance, else the centre."""


def read_buildings(path: Path) -> Iterator[MappedBuilding]:
    """Yield the buildings in file order. Raises InvalidInput if the file is unreadable or lacks the nodes."""
    import osmium  # imported here to save 4 MB of memory
    from osmium.osm import Area, Node, Way

    doors: dict[int, tuple[bool, Position]] = {}
    key = osmium.filter.KeyFilter("building", "entrance")
    try:
        reading = osmium.FileProcessor(str(path)).with_locations()
        reading = reading.with_areas(osmium.filter.KeyFilter("building")).with_filter(key)
        for each in reading:
            match each:
                case Node():
                    if "entrance" in each.tags and each.location.valid():
                        is_main = each.tags.get("entrance") == "main"
                        doors[each.id] = (is_main, Position(each.location.lat, each.location.lon))
                case Way() if each.is_closed():
                    at = [
                        (node.ref, Position(node.location.lat, node.location.lon))
                        for node in list(each.nodes)[:-1]
                        if node.location.valid()
                    ]
                    yield from _building(dict(each.tags), f"way/{each.id}", at, doors)
                case Area() if not each.from_way():
                    at = [
                        (node.ref, Position(node.location.lat, node.location.lon))
                        for ring in each.outer_rings()
                        for node in ring
                        if node.location.valid()
                    ]
                    yield from _building(dict(each.tags), f"relation/{each.orig_id()}", at, doors)
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInput(
            "{name} cannot be read as an extract of OpenStreetMap (.osm.pbf): {printable}.",
            field="file",
            name=path.name,
            printable=printable(str(error), 200),
        ) from None


def _building(
    tags: dict[str, str],
    source_id: str,
    at: list[tuple[int, Position]],
    doors: dict[int, tuple[bool, Position]],
) -> Iterator[MappedBuilding]:
    if not at or tags.get("building", "no") in UNINHABITED:
        return
    entrances = [doors[ref] for ref, _ in at if ref in doors]
    if entrances:
        position = next((place for is_main, place in entrances if is_main), entrances[0][1])
    else:
        lats, lons = [place.lat for _, place in at], [place.lon for _, place in at]
        position = Position(round(sum(lats) / len(lats), 7), round(sum(lons) / len(lons), 7))
    number = tags.get("addr:housenumber", "").strip()
    name = tags.get("name", "").strip()
    name_en = tags.get("name:en") or name or (f"Building {number}" if number else f"Building {source_id}")
    name_zh = tags.get("name:zh") or name or (f"{number}幢" if number else f"楼{source_id}")
    yield MappedBuilding(
        source_id,
        name_en.strip()[:200],
        name_zh.strip()[:200],
        _floors(tags.get("building:levels")),
        position,
    )


def _floors(levels: str | None) -> int | None:
    """Return the number of whole floors, or None if it is not a number."""
    try:
        count = int(float(levels)) if levels is not None else 0
    except (ValueError, OverflowError):
        return None
    return count if 1 <= count <= MAX_FLOORS else None


_TAG: Final = ("landuse", "residential")


def read_residential_areas(path: Path) -> Iterator[BaseGeometry]:
    """Yield residential areas in file order, with their holes; skip those that the extract cuts off.

    Raises InvalidInput if the file cannot be read.
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
            "{name} cannot be read as an extract of OpenStreetMap (.osm.pbf): {printable}.",
            field="file",
            name=path.name,
            printable=printable(str(error), 200),
        ) from None
