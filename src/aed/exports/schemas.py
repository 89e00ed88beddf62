"""Document schemas of OGC API Features (Part 1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry import mapping

from aed.accounts.permissions import Viewer
from aed.database.geometry import position_of, shape_of
from aed.exports.queries import PublishedDevice
from aed.registry.estates.models import Estate, Gate

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


class OgcLink(BaseModel):
    href: str
    rel: str
    type: str | None = None
    title: str | None = None


class Landing(BaseModel):
    title: str
    description: str
    links: list[OgcLink]


class Conformance(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    conforms_to: list[str] = Field(alias="conformsTo")


class SpatialExtent(BaseModel):
    bbox: list[tuple[float, float, float, float]]
    crs: str = CRS84


class TemporalExtent(BaseModel):
    interval: list[tuple[datetime | None, datetime | None]]


class Extent(BaseModel):
    spatial: SpatialExtent
    temporal: TemporalExtent | None = None


class Collection(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    id: str
    title: str
    description: str
    links: list[OgcLink]
    extent: Extent
    item_type: Literal["feature"] = Field("feature", alias="itemType")
    crs: list[str] = [CRS84]


class Collections(BaseModel):
    links: list[OgcLink]
    collections: list[Collection]


class Feature(BaseModel):
    type: Literal["Feature"]
    id: int
    geometry: dict[str, Any]
    properties: dict[str, Any]
    links: list[OgcLink] | None = None


class FeatureCollection(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    type: Literal["FeatureCollection"]
    features: list[Feature]
    links: list[OgcLink]
    time_stamp: datetime = Field(alias="timeStamp")
    number_matched: int = Field(alias="numberMatched")
    number_returned: int = Field(alias="numberReturned")


type Json = dict[str, Any]


def device_feature(device: PublishedDevice, viewer: Viewer) -> Json:
    """Return a device as GeoJSON; for anonymous viewers, without the members for serial and keeper."""
    row = device.row
    properties: Json = {
        "source": row.source,
        "source_id": row.source_id,
        "region": row.region,
        "estate_id": row.estate_id,
        "place_en": row.place_en,
        "place_zh": row.place_zh,
        "floor": row.floor,
        "opening_hours": row.opening_hours,
        "opening_hours_raw": row.opening_hours_raw,
        "entry": row.entry.value,
        "access_instructions_en": row.access_instructions_en,
        "access_instructions_zh": row.access_instructions_zh,
        "cabinet": row.cabinet.value,
        "maker": row.maker,
        "model": row.model,
        "registration_number": row.registration_number,
        "udi_di": row.udi_di,
        "manufactured_on": row.manufactured_on,
        "end_of_life_on": row.end_of_life_on,
        "audience": row.audience.value,
        "state": row.state.value,
        "out_of_service_reason": row.out_of_service_reason,
        "pads_expire_on": device.pads_expire_on,
        "child_pads_expire_on": device.child_pads_expire_on,
        "battery_expires_on": device.battery_expires_on,
        "cartridge_expires_on": device.cartridge_expires_on,
        "last_checked_on": row.last_checked_on,
        "version": row.version,
    }
    if viewer.is_signed_in:
        properties |= {
            "estate": row.estate,
            "estate_source": row.estate_source if row.estate_source != row.source else None,
            "serial": device.serial,
            "keeper_name": device.keeper_name,
            "keeper_phone": device.keeper_phone,
        }
    return _feature(row.id, {"type": "Point", "coordinates": (row.lon, row.lat)}, properties)


def estate_feature(estate: Estate) -> Json:
    """Return an estate as GeoJSON, with its boundary."""
    properties = {
        "source": estate.source,
        "source_id": estate.source_id,
        "region": estate.region.code,
        "name_en": estate.name_en,
        "name_zh": estate.name_zh,
        "neighbourhood": estate.neighbourhood,
        "time_zone": estate.time_zone,
        "guard_phone": estate.guard_phone,
        "version": estate.version,
    }
    return _feature(estate.id, mapping(shape_of(estate.boundary)), properties)


def gate_feature(gate: Gate) -> Json:
    """Return a gate as GeoJSON."""
    here = position_of(gate.position)
    properties = {
        "source": gate.source,
        "source_id": gate.source_id,
        "estate_id": gate.estate_id,
        "name_en": gate.name_en,
        "name_zh": gate.name_zh,
        "passage": gate.passage.value,
        "opening_hours": gate.opening_hours,
        "version": gate.version,
    }
    return _feature(gate.id, {"type": "Point", "coordinates": (here.lon, here.lat)}, properties)


def _feature(number: int, geometry: Mapping[str, Any], properties: Json) -> Json:
    return {"type": "Feature", "id": number, "geometry": geometry, "properties": properties}
