"""OpenStreetMap extracts (.osm.pbf): the nodes, ways and areas tagged emergency=defibrillator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aed.errors import InvalidInput
from aed.imports.formats.files import head_of
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

_TAG: Final = ("emergency", "defibrillator")


def is_pbf(head: bytes) -> bool:
    return b"OSMHeader" in head[:64]


def read_pbf(path: Path) -> Iterator[Record]:
    """The devices in the order of the file. A way stands in the middle of its nodes, an area of its outer
    rings."""
    import osmium  # late: 4 MB

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
            f"{path.name} cannot be read as an extract of OpenStreetMap (.osm.pbf): "
            f"{printable(str(error), 200)}.",
            field="file",
        ) from None
    if not found:
        raise InvalidInput(f"{path.name} holds nothing that is tagged emergency=defibrillator.", field="file")


def _place(each: object) -> tuple[str | None, float | None, float | None] | None:
    """Identity, latitude and longitude; None for what is given a second time: an area made of a way."""
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
