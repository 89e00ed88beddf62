"""The project's own GeoJSON: devices; and regions, estates and gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from shapely.geometry import mapping

from aed.accounts.regions.models import Region
from aed.database.geometry import position_of, shape_of
from aed.exports.formats.tables import Cell, Pages, own_row
from aed.exports.queries import PublishedDevice
from aed.registry.estates.models import Estate, Gate

_BEGINS = b'{"type":"FeatureCollection","features":[\n'
_ENDS = b"\n]}\n"


def own_geojson(pages: Pages) -> Iterator[bytes]:
    """Yield a FeatureCollection of devices; the geometry is WGS-84, as RFC 7946 requires.

    Coordinates given in another datum are kept among the properties, which an import reads in preference.
    """
    return collection_of([_device_feature(device) for device in page] for page in pages)


def collection_of(batches: Iterable[Sequence[dict[str, Any]]]) -> Iterator[bytes]:
    """Yield a FeatureCollection in chunks, one per batch of features."""
    yield _BEGINS
    is_first = True
    for batch in batches:
        if batch:
            lines = b",\n".join(orjson.dumps(feature) for feature in batch)
            yield lines if is_first else b",\n" + lines
            is_first = False
    yield _ENDS


def _device_feature(device: PublishedDevice) -> dict[str, Any]:
    row = device.row
    properties: dict[str, Cell] = own_row(device)
    if (row.origin_lon, row.origin_lat) == (row.lon, row.lat):
        del properties["lat"], properties["lon"]
    return {
        "type": "Feature",
        "id": row.id,
        "geometry": {"type": "Point", "coordinates": [row.lon, row.lat]},
        "properties": properties,
    }


def region_feature(region: Region, parent: str | None) -> dict[str, Any]:
    properties = {
        "kind": "region",
        "code": region.code,
        "name_en": region.name_en,
        "name_zh": region.name_zh,
        "parent": parent,
        "country": region.country,
        "time_zone": region.time_zone,
        "emergency_number": region.emergency_number,
        "holiday_calendar": region.holiday_calendar,
    }
    return {"type": "Feature", "geometry": None, "properties": properties}


def estate_feature(estate: Estate) -> dict[str, Any]:
    properties = {
        "kind": "estate",
        "source": estate.source,
        "source_id": estate.source_id,
        "name_en": estate.name_en,
        "name_zh": estate.name_zh,
        "region": estate.region.code,
        "neighbourhood": estate.neighbourhood,
        "time_zone": estate.time_zone,
        "guard_phone": estate.guard_phone,
    }
    boundary = mapping(shape_of(estate.boundary))
    return {"type": "Feature", "id": estate.id, "geometry": boundary, "properties": properties}


def gate_feature(gate: Gate) -> dict[str, Any]:
    here = position_of(gate.position)
    properties = {
        "kind": "gate",
        "source": gate.source,
        "source_id": gate.source_id,
        "estate": gate.estate.source_id,
        "name_en": gate.name_en,
        "name_zh": gate.name_zh,
        "passage": gate.passage.value,
        "opening_hours": gate.opening_hours,
    }
    if gate.estate.source != gate.source:
        properties["estate_source"] = gate.estate.source
    return {
        "type": "Feature",
        "id": gate.id,
        "geometry": {"type": "Point", "coordinates": [here.lon, here.lat]},
        "properties": properties,
    }
