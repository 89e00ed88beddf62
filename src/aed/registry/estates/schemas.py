"""Schemas of estates and gates in requests and responses."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry import mapping

from aed.accounts.fields import Code, Id, Name, Phone, TimeZone
from aed.database.geometry import position_of, shape_of
from aed.registry.estates.models import Estate, Gate
from aed.registry.estates.rules import EstateState, GateState, Passage
from aed.registry.fields import OpeningHours, PositionIn, PositionOut, Ref, Source


class EstateFields(BaseModel):
    """The fields of an estate that can be amended."""

    model_config = ConfigDict(extra="forbid")

    name_en: Name
    name_zh: Name
    neighbourhood: Code | None = None
    time_zone: TimeZone | None = None
    guard_phone: Phone | None = None
    boundary: dict[str, Any] = Field(description="GeoJSON Polygon or MultiPolygon, WGS-84")
    emergency_override: bool = Field(
        False, description="Its devices may be fetched for a patient of any estate, whatever their audience"
    )


class EstateIn(EstateFields):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "region": "CN-33",
                    "name_en": "Spring Garden",
                    "name_zh": "春园",
                    "neighbourhood": "west-lake-north",
                    "guard_phone": "+86 571 5550 1000",
                    "boundary": {
                        "type": "Polygon",
                        "coordinates": [
                            [
                                [120.1000, 30.2850],
                                [120.1050, 30.2850],
                                [120.1050, 30.2900],
                                [120.1000, 30.2900],
                                [120.1000, 30.2850],
                            ]
                        ],
                    },
                }
            ]
        }
    )

    region: Code
    source: Source = "registry"
    source_id: Ref | None = Field(None, description="Made up when left out")


class EstateAmend(BaseModel):
    """An amendment: only the given fields change."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"guard_phone": "+86 571 5550 1001"}]}
    )

    name_en: Name | None = None
    name_zh: Name | None = None
    neighbourhood: Code | None = None
    time_zone: TimeZone | None = None
    guard_phone: Phone | None = None
    boundary: dict[str, Any] | None = None
    emergency_override: bool | None = None


class EstateOut(BaseModel):
    id: Id
    source: str
    source_id: str
    region: str
    name_en: str
    name_zh: str
    neighbourhood: str | None
    time_zone: str
    guard_phone: str | None
    boundary: dict[str, Any]
    emergency_override: bool
    state: EstateState
    version: int

    @classmethod
    def of(cls, estate: Estate) -> EstateOut:
        return cls(
            id=estate.id,
            source=estate.source,
            source_id=estate.source_id,
            region=estate.region.code,
            name_en=estate.name_en,
            name_zh=estate.name_zh,
            neighbourhood=estate.neighbourhood,
            time_zone=estate.time_zone or estate.region.time_zone,
            guard_phone=estate.guard_phone,
            boundary=mapping(shape_of(estate.boundary)),
            emergency_override=estate.emergency_override,
            state=estate.state,
            version=estate.version,
        )


class GateFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name_en: Name
    name_zh: Name
    position: PositionIn
    passage: Passage
    opening_hours: OpeningHours | None = None


class GateIn(GateFields):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name_en": "West gate",
                    "name_zh": "西门",
                    "position": {"lat": 30.2875, "lon": 120.1000},
                    "passage": "guarded",
                    "opening_hours": "06:00-23:00",
                }
            ]
        }
    )

    source: Source = "registry"
    source_id: Ref | None = None


class GateAmend(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"opening_hours": "05:30-24:00"}]}
    )

    name_en: Name | None = None
    name_zh: Name | None = None
    position: PositionIn | None = None
    passage: Passage | None = None
    opening_hours: OpeningHours | None = None


class GateOut(BaseModel):
    id: Id
    estate_id: Id
    source: str
    source_id: str
    name_en: str
    name_zh: str
    position: PositionOut
    passage: Passage
    opening_hours: str | None
    state: GateState
    version: int

    @classmethod
    def of(cls, gate: Gate) -> GateOut:
        here = position_of(gate.position)
        return cls(
            id=gate.id,
            estate_id=gate.estate_id,
            source=gate.source,
            source_id=gate.source_id,
            name_en=gate.name_en,
            name_zh=gate.name_zh,
            position=PositionOut(lat=here.lat, lon=here.lon),
            passage=gate.passage,
            opening_hours=gate.opening_hours,
            state=gate.state,
            version=gate.version,
        )
