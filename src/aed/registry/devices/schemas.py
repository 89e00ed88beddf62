"""Schemas of devices and their consumables in requests and responses."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from aed.accounts.fields import Code, FreeText, Id, Name, Phone
from aed.accounts.permissions import Audience, Viewer, is_insider
from aed.database.geometry import position_of
from aed.geo import Datum, map_links
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.origins import ALL_OTHER_ATTRIBUTES, origins_in
from aed.registry.devices.rules import (
    REQUIRED_CONSUMABLES,
    Cabinet,
    ConsumableKind,
    ConsumableState,
    DeviceState,
    EntryMode,
)
from aed.registry.fields import (
    Day,
    Floor,
    Label,
    Link,
    OpeningHours,
    PositionIn,
    PositionOut,
    Ref,
    Source,
    Storey,
    StoreyOut,
)


class KeeperIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    phone: Phone | None = None


class DeviceFields(BaseModel):
    """The fields of a device that can be set and amended."""

    model_config = ConfigDict(extra="forbid")

    position: PositionIn
    place_en: FreeText | None = None
    place_zh: FreeText | None = None
    floor: Floor = 0
    opening_hours: OpeningHours | None = Field(None, description="OSM opening_hours; null: not known")
    opening_hours_raw: FreeText | None = None
    entry: EntryMode = EntryMode.FREE
    access_instructions_en: FreeText | None = None
    access_instructions_zh: FreeText | None = None
    cabinet: Cabinet = Cabinet.UNKNOWN
    maker: Label | None = None
    model: Label | None = None
    serial: Label | None = None
    keeper: KeeperIn | None = None
    audience: Audience = Audience.ESTATE
    state: Literal[DeviceState.IN_SERVICE, DeviceState.OUT_OF_SERVICE] = DeviceState.IN_SERVICE
    out_of_service_reason: FreeText | None = None
    last_checked_on: Day | None = None


class DeviceIn(DeviceFields):
    """A new device. `estate_id` or `region` says where it belongs; `storey` may replace `floor`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "region": "CN-33",
                    "position": {"lat": 30.2875, "lon": 120.1047, "datum": "gcj02"},
                    "place_en": "Lobby of building 2, left of the lift",
                    "place_zh": "2号楼大堂，电梯左侧",
                    "opening_hours": "Mo-Fr 08:30-17:30; PH off",
                    "entry": "assisted",
                    "access_instructions_en": "Ask at the front desk",
                    "access_instructions_zh": "请前台带入",
                    "cabinet": "alarmed",
                    "audience": "public",
                    "last_checked_on": "2026-09-01",
                }
            ]
        }
    )

    estate_id: Id | None = None
    region: Code | None = None
    source: Source = "registry"
    source_id: Ref | None = Field(None, description="Made up when left out")
    storey: Storey | None = None


class DeviceAmend(BaseModel):
    """An amendment: only the given fields change; null clears a field that may be empty."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"state": "out_of_service", "out_of_service_reason": "Pads used on 1 September"}]
        },
    )

    position: PositionIn | None = None
    place_en: FreeText | None = None
    place_zh: FreeText | None = None
    floor: Floor | None = None
    storey: Storey | None = None
    opening_hours: OpeningHours | None = None
    opening_hours_raw: FreeText | None = None
    entry: EntryMode | None = None
    access_instructions_en: FreeText | None = None
    access_instructions_zh: FreeText | None = None
    cabinet: Cabinet | None = None
    maker: Label | None = None
    model: Label | None = None
    serial: Label | None = None
    keeper: KeeperIn | None = None
    audience: Audience | None = None
    state: Literal[DeviceState.IN_SERVICE, DeviceState.OUT_OF_SERVICE] | None = None
    out_of_service_reason: FreeText | None = None
    last_checked_on: Day | None = None


class ConsumableIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "pads", "lot": "2409-17", "expires_on": "2028-06-30"}]},
    )

    kind: ConsumableKind
    lot: Label | None = None
    expires_on: Day


class ConsumableAmend(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"expires_on": "2028-07-31"}]})

    kind: ConsumableKind | None = None
    lot: Label | None = None
    expires_on: Day | None = None


class ConsumableOut(BaseModel):
    id: Id
    device_id: Id
    kind: ConsumableKind
    lot: str | None
    expires_on: date
    state: ConsumableState
    version: int

    @classmethod
    def of(cls, consumable: Consumable) -> ConsumableOut:
        return cls(
            id=consumable.id,
            device_id=consumable.device_id,
            kind=consumable.kind,
            lot=consumable.lot,
            expires_on=consumable.expires_on,
            state=consumable.state,
            version=consumable.version,
        )


class OriginOut(BaseModel):
    """The source of an attribute, and when it was read; null: before that was recorded."""

    source: str
    at: datetime | None


class DeviceOut(BaseModel):
    """A device as the viewer may see it.

    Serial number, keeper, guard and origins are for members of its estate, managers and dispatchers.
    """

    id: Id
    source: str
    source_id: str
    region: str
    estate_id: Id | None
    estate_name_en: str | None
    estate_name_zh: str | None
    position: PositionOut
    origin_datum: Datum
    place_en: str | None
    place_zh: str | None
    floor: int
    storey: StoreyOut
    opening_hours: str | None
    opening_hours_raw: str | None
    entry: EntryMode
    access_instructions_en: str | None
    access_instructions_zh: str | None
    cabinet: Cabinet
    maker: str | None
    model: str | None
    serial: str | None
    keeper: KeeperIn | None
    guard_phone: str | None
    audience: Audience
    state: DeviceState
    out_of_service_reason: str | None
    last_checked_on: date | None
    first_expiry: date | None
    consumables: list[ConsumableOut]
    origins: dict[str, OriginOut] | None = Field(
        description="Where its attributes come from: those that are named, and `*` all others"
    )
    links: dict[str, str] = Field(description="Opens the map of that name at the right place")
    version: int

    @classmethod
    def of(cls, device: Device, viewer: Viewer) -> DeviceOut:
        here = position_of(device.position)
        estate = device.estate
        inside = is_insider(viewer, device.estate_id, device.region_id)
        return cls(
            id=device.id,
            source=device.source,
            source_id=device.source_id,
            region=device.region.code,
            estate_id=device.estate_id,
            estate_name_en=estate.name_en if estate else None,
            estate_name_zh=estate.name_zh if estate else None,
            position=PositionOut(lat=here.lat, lon=here.lon),
            origin_datum=device.origin_datum,
            place_en=device.place_en,
            place_zh=device.place_zh,
            floor=device.floor,
            storey=StoreyOut.of(device.floor, device.region),
            opening_hours=device.opening_hours,
            opening_hours_raw=device.opening_hours_raw,
            entry=device.entry,
            access_instructions_en=device.access_instructions_en,
            access_instructions_zh=device.access_instructions_zh,
            cabinet=device.cabinet,
            maker=device.maker,
            model=device.model,
            serial=device.serial if inside else None,
            keeper=KeeperIn(name=device.keeper.name, phone=device.keeper.phone)
            if inside and device.keeper
            else None,
            guard_phone=estate.guard_phone if estate and inside else None,
            audience=device.audience,
            state=device.state,
            out_of_service_reason=device.out_of_service_reason,
            last_checked_on=device.last_checked_on,
            first_expiry=min(
                (item.expires_on for item in device.consumables if item.kind in REQUIRED_CONSUMABLES),
                default=None,
            ),
            consumables=[ConsumableOut.of(item) for item in device.consumables],
            origins=_origins(device) if inside else None,
            links=map_links(here, label=device.place_zh or device.place_en or "AED"),
            version=device.version,
        )


def _origins(device: Device) -> dict[str, OriginOut]:
    found = origins_in(device.origins, device.source)
    said = {**found.named, ALL_OTHER_ATTRIBUTES: found.others}
    return {name: OriginOut(source=origin.source, at=origin.at) for name, origin in said.items()}


class PointGeometry(BaseModel):
    type: Literal["Point"] = "Point"
    coordinates: tuple[float, float]


class DeviceProperties(BaseModel):
    """A device in a list: the properties that a map needs."""

    source: str
    source_id: str
    region: str
    estate_id: Id | None
    place_en: str | None
    place_zh: str | None
    floor: int
    opening_hours: str | None
    entry: EntryMode
    audience: Audience
    state: DeviceState
    first_expiry: date | None
    version: int


class DeviceFeature(BaseModel):
    type: Literal["Feature"] = "Feature"
    id: Id
    geometry: PointGeometry
    properties: DeviceProperties

    @classmethod
    def of(cls, row: Row[*tuple[Any, ...]]) -> DeviceFeature:
        """Build the feature from a row of `queries.devices`."""
        fields = row._asdict()
        device_id, lat, lon = fields.pop("id"), fields.pop("lat"), fields.pop("lon")
        return cls(
            id=device_id,
            geometry=PointGeometry(coordinates=(lon, lat)),
            properties=DeviceProperties(**fields),
        )


class DevicePage(BaseModel):
    """A GeoJSON FeatureCollection. If there is a next page, `links` contains it with rel=next."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[DeviceFeature]
    links: list[Link] = []
