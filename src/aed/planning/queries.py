"""What is planned with: buildings and their residents, devices with their hours, past incidents."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience
from aed.accounts.regions.models import Region
from aed.database.boxes import inside_box
from aed.database.geometry import latitude, longitude
from aed.geo import BoundingBox, Position
from aed.hours.evaluation import HolidayDates, hours_at
from aed.incidents.models import Incident
from aed.incidents.rules import IncidentKind
from aed.lookup.arrival import accessible_probability
from aed.registry.devices.models import Device
from aed.registry.devices.reachability import PlaceClass, hour_band, place_class
from aed.registry.devices.rules import DeviceState, EntryMode, access_at
from aed.registry.estates.models import Building, Estate, EstatePace
from aed.registry.estates.rules import EstateState
from aed.settings.arrival import Arrival
from aed.walking.travel import Pace, pace_at

MIN_PROBABILITY = 0.5
"""A device counts in an hour if the lookup takes it to be accessible with at least this probability."""


class PlannedBuilding(NamedTuple):
    id: int
    estate_id: int
    neighbourhood: str | None
    name_en: str
    name_zh: str
    lat: float
    lon: float
    floors: int | None


class PlannedDevice(NamedTuple):
    id: int
    estate_id: int | None
    neighbourhood: str | None
    name_en: str | None
    name_zh: str | None
    lat: float
    lon: float
    floor: int
    audience: Audience
    opening_hours: str | None
    entry: EntryMode
    time_zone: str
    seconds_per_metre: float | None
    pick_up_seconds: float | None

    @property
    def position(self) -> Position:
        return Position(self.lat, self.lon)


class PlannedEstate(NamedTuple):
    id: int
    name_en: str
    name_zh: str
    neighbourhood: str | None
    region_code: str
    time_zone: str
    holiday_calendar: str | None


class PastArrest(NamedTuple):
    lat: float
    lon: float
    at: datetime


def estates_in(session: Session, region_ids: Collection[int]) -> list[PlannedEstate]:
    """Return the active estates of these regions.

    visibility: the caller has checked that the viewer plans for these regions.
    """
    rows = session.execute(
        select(
            Estate.id,
            Estate.name_en,
            Estate.name_zh,
            Estate.neighbourhood,
            Region.code,
            func.coalesce(Estate.time_zone, Region.time_zone),
            Region.holiday_calendar,
        )
        .join(Region, Region.id == Estate.region_id)
        .where(Estate.state == EstateState.ACTIVE, Estate.region_id.in_(region_ids))
        .order_by(Estate.id)
    )
    return [PlannedEstate(*row) for row in rows]


def buildings_in(session: Session, region_ids: Collection[int]) -> list[PlannedBuilding]:
    """Return the buildings of the active estates of these regions.

    visibility: the caller has checked that the viewer plans for these regions.
    """
    rows = session.execute(_buildings().where(Estate.region_id.in_(region_ids)))
    return [PlannedBuilding(*row) for row in rows]


def _buildings() -> Select[*tuple[Any, ...]]:
    """visibility: a statement that the caller restricts."""
    return (
        select(
            Building.id,
            Building.estate_id,
            Estate.neighbourhood,
            Building.name_en,
            Building.name_zh,
            latitude(Building.position),
            longitude(Building.position),
            Building.floors,
        )
        .join(Estate, Estate.id == Building.estate_id)
        .where(Estate.state == EstateState.ACTIVE)
        .order_by(Building.id)
    )


def buildings_around(session: Session, box: BoundingBox, estate_id: int) -> list[PlannedBuilding]:
    """Return the buildings in a box, and all of the estate.

    visibility: only sums over them are shown, and places without names.
    """
    inside = inside_box(session, Building.position, **box._asdict())
    rows = [*session.execute(_buildings().where(inside))]
    rows += session.execute(_buildings().where(Building.estate_id == estate_id))
    return [*{row[0]: PlannedBuilding(*row) for row in rows}.values()]


def devices_around(session: Session, box: BoundingBox) -> list[PlannedDevice]:
    """Return the devices in service in a box.

    visibility: what people who may fetch them gain is summed up; only the estate's own are shown.
    """
    inside = inside_box(session, Device.position, **box._asdict())
    return [PlannedDevice(*row) for row in session.execute(devices_statement().where(inside))]


def devices_of_estate(session: Session, estate_id: int) -> list[PlannedDevice]:
    """Return the devices in service of an estate.

    visibility: the caller has checked that the viewer manages the estate.
    """
    rows = session.execute(devices_statement().where(Device.estate_id == estate_id))
    return [PlannedDevice(*row) for row in rows]


def devices_in(session: Session, region_ids: Collection[int]) -> list[PlannedDevice]:
    """Return the devices in service of these regions.

    visibility: the caller has checked that the viewer plans for these regions.
    """
    rows = session.execute(devices_statement().where(Device.region_id.in_(region_ids)))
    return [PlannedDevice(*row) for row in rows]


def devices_statement() -> Select[*tuple[Any, ...]]:
    """visibility: a statement that the caller restricts."""
    return (
        select(
            Device.id,
            Device.estate_id,
            Estate.neighbourhood,
            Device.place_en,
            Device.place_zh,
            latitude(Device.position),
            longitude(Device.position),
            Device.floor,
            Device.audience,
            Device.opening_hours,
            Device.entry,
            func.coalesce(Estate.time_zone, Region.time_zone),
            EstatePace.seconds_per_metre,
            EstatePace.pick_up_seconds,
        )
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .outerjoin(EstatePace, EstatePace.estate_id == Device.estate_id)
        .where(Device.state == DeviceState.IN_SERVICE)
        .order_by(Device.id)
    )


def past_arrests(session: Session, region_ids: Collection[int]) -> list[PastArrest]:
    """Return the places and moments of the real incidents of these regions.

    visibility: the caller has checked that the viewer plans for these regions; only sums are shown.
    """
    rows = session.execute(
        select(Incident.lat, Incident.lon, Incident.opened_at)
        .where(Incident.kind == IncidentKind.REAL, Incident.region_id.in_(region_ids))
        .order_by(Incident.id)
    )
    return [PastArrest(*row) for row in rows]


class HoursOfDevices:
    """In which of some moments devices are accessible. Devices with the same hours are evaluated once."""

    def __init__(self, moments: Sequence[datetime], calendar: HolidayDates | None, numbers: Arrival) -> None:
        self._moments, self._calendar, self._numbers = moments, calendar, numbers
        self._known: dict[Hashable, NDArray[np.bool_]] = {}

    def accessible(self, device: PlannedDevice) -> NDArray[np.bool_]:
        """Return whether a device is accessible at each moment."""
        place = place_class(device.name_en, device.name_zh, is_in_estate=device.estate_id is not None)
        key = device.opening_hours, device.time_zone, device.entry, place
        if key not in self._known:
            self._known[key] = np.array([self._is_accessible(device, place, at) for at in self._moments])
        return self._known[key]

    def _is_accessible(self, device: PlannedDevice, place: PlaceClass, at: datetime) -> bool:
        hours = hours_at(device.opening_hours, at, time_zone=device.time_zone, calendar=self._calendar)
        access = access_at(hours, device.entry)
        band = hour_band(at, self._calendar)
        return accessible_probability(access, place, band, self._numbers) >= MIN_PROBABILITY


def device_pace(device: PlannedDevice, numbers: Arrival) -> Pace:
    """Return how fast people fetch a device: its estate's own pace if drills have measured it."""
    return pace_at(
        is_in_estate=device.estate_id is not None,
        seconds_per_metre=device.seconds_per_metre,
        pick_up_seconds=device.pick_up_seconds,
        numbers=numbers,
    )
