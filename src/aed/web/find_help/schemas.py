"""What programs get: the entry points of the API at `/`, and an estate that a phone keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aed.lookup.offline import REACH_METRES, KeptDevice, Pack
from aed.registry.devices.rules import Access, mark_of
from aed.registry.storeys import spoken_storey
from aed.upkeep.rules import short_number

NEAREST: Final = "/v1/nearest"


class EmergencyNumbersOut(BaseModel):
    mainland_china: str = Field(examples=["120"])
    elsewhere: str = Field(examples=["112"])


class HomeOut(BaseModel):
    """Entry points of the API."""

    title: str
    emergency_numbers: EmergencyNumbersOut = Field(description="Call first, before using this service")
    nearest: str = Field(description="The path of the lookup", examples=[NEAREST])
    documentation: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/v1/openapi.json"])
    ogc_api_features: str = Field(examples=["/ogc"])


# --- an estate that a phone keeps -------------------------------------------------------------------------

_DEGREE_DIGITS: Final = 6
_SIMPLER_BY_DEGREES: Final = 0.00001
"""About a metre."""


class WordsOut(BaseModel):
    en: str | None
    zh: str | None


class StateOut(BaseModel):
    since: datetime
    mark: str = Field(description="A value of `aed.registry.devices.rules.Mark`")
    penalty_seconds: int


class KeptDeviceOut(BaseModel):
    code: str
    lat: float
    lon: float
    place: WordsOut
    storey: WordsOut
    instructions: WordsOut
    phone: str | None = Field(description="The guard, who lets people in or brings it")
    states: list[StateOut]
    ways: list[tuple[int, int] | None] = Field(
        description="From each place: metres one way and seconds there and back; null beyond reach"
    )
    ambulance_seconds: int
    base_seconds: int = Field(description="A fetch without walking, for estimates from elsewhere")
    brought_offset_seconds: int = Field(description="Add half a fetch: until the guard brings it")
    seconds_per_metre: float


class PackOut(BaseModel):
    """An estate for use without signal: its outline, devices, their hours, and a table of walking times."""

    estate_id: int
    name: WordsOut
    time_zone: str
    is_public: bool = Field(description="Holds what a stranger may see, and nothing else")
    emergency_number: str
    until: datetime = Field(description="From then on, hours are not known")
    max_metres: int
    detour_factor: float
    reach_metres: int = Field(description="Walks without an entry in the table are longer")
    spacing_metres: float = Field(description="The table is for places up to this far from one of its own")
    outline: list[list[tuple[float, float]]] = Field(description="Rings of (latitude, longitude)")
    here: tuple[float, float]
    places: list[tuple[float, float]]
    devices: list[KeptDeviceOut]
    map: str | None = Field(description="The address of the base map around it, a PMTiles file, if any")


def pack_out(
    pack: Pack,
    boundary: BaseGeometry,
    *,
    estate_id: int,
    name: WordsOut,
    time_zone: str,
    is_public: bool,
    max_metres: float,
    detour_factor: float,
    map_address: str | None,
) -> PackOut:
    """Return a pack as a phone keeps it; the same during one day if nothing changes."""
    middle = boundary.representative_point()
    return PackOut(
        estate_id=estate_id,
        name=name,
        time_zone=time_zone,
        is_public=is_public,
        emergency_number=pack.emergency_number,
        until=pack.until,
        max_metres=round(max_metres),
        detour_factor=detour_factor,
        reach_metres=round(REACH_METRES),
        spacing_metres=round(pack.spacing_metres, 1),
        outline=_rings(boundary),
        here=_pair(middle.y, middle.x),
        places=[_pair(each.lat, each.lon) for each in pack.places],
        devices=[_device_out(each) for each in pack.devices],
        map=map_address,
    )


def _device_out(kept: KeptDevice) -> KeptDeviceOut:
    row = kept.near.row
    needs_guard = any(each.access.access is Access.ASSISTED for each in kept.states)
    return KeptDeviceOut(
        code=short_number(row.id),
        lat=round(row.lat, _DEGREE_DIGITS),
        lon=round(row.lon, _DEGREE_DIGITS),
        place=WordsOut(en=row.place_en or row.estate_en, zh=row.place_zh or row.estate_zh),
        storey=WordsOut(**spoken_storey(row.floor, counts_ground_as_one=bool(row.counts_ground_as_one))),
        instructions=WordsOut(en=row.access_instructions_en, zh=row.access_instructions_zh),
        phone=row.guard_phone if needs_guard else None,
        states=[
            StateOut(
                since=each.since,
                mark=mark_of(each.access, each.readiness).value,
                penalty_seconds=round(each.penalty_seconds),
            )
            for each in kept.states
        ],
        ways=[(round(way.metres), round(way.seconds)) if way is not None else None for way in kept.ways],
        ambulance_seconds=round(kept.ambulance_seconds),
        base_seconds=round(kept.base_seconds),
        brought_offset_seconds=round(kept.brought_offset_seconds),
        seconds_per_metre=round(kept.near.pace.seconds_per_metre, 3),
    )


def _rings(boundary: BaseGeometry) -> list[list[tuple[float, float]]]:
    simpler = boundary.simplify(_SIMPLER_BY_DEGREES)
    parts = [each for each in getattr(simpler, "geoms", [simpler]) if isinstance(each, Polygon)]
    return [[_pair(lat, lon) for lon, lat in each.exterior.coords] for each in parts]


def _pair(lat: float, lon: float) -> tuple[float, float]:
    return round(lat, _DEGREE_DIGITS), round(lon, _DEGREE_DIGITS)
