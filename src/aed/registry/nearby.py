"""Statements of the lookup: devices and gates around a place, and holidays for their opening hours."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Select,
    String,
    Subquery,
    case,
    cast,
    func,
    null,
    select,
)
from sqlalchemy.orm import Session, aliased

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, is_insider
from aed.accounts.regions.models import Region
from aed.accounts.visibility import visible_to
from aed.database.boxes import box_query
from aed.database.compiled import Compiled, inline_text
from aed.database.encryption.columns import keyring_of
from aed.database.geometry import latitude, longitude
from aed.database.nearest import NearestQuery, nearest_first
from aed.errors import KeysUnusable
from aed.hours.evaluation import HolidayDates
from aed.registry.devices.dispatchable import (
    PatientPlace,
    dispatchable_to,
    hours_of_sharing,
    out_on_call,
)
from aed.registry.devices.models import Device
from aed.registry.devices.queries import first_expiry
from aed.registry.devices.rules import WITH_BATTERY, DeviceState, EntryMode
from aed.registry.estates.models import Building, Estate, EstatePace, Gate
from aed.registry.estates.rules import GateState
from aed.registry.holidays.models import HolidayCalendar
from aed.registry.holidays.queries import holiday_calendar


class DeviceNearby(NamedTuple):
    """A device near a place, with the columns of the lookup.

    Dates are text on SQLite: see `aed.database.session.as_date`.
    """

    id: int
    lat: float
    lon: float
    floor: int
    opening_hours: str | None
    entry: str
    access_instructions_en: str | None
    access_instructions_zh: str | None
    place_en: str | None
    place_zh: str | None
    cabinet: str
    last_checked_on: date | str | None
    estate_id: int | None
    region_id: int
    hours_of_sharing: str | None
    """The hours within which the viewer may see the device; None: at every hour."""
    first_expiry: date | str | None
    battery_expiry: date | str | None
    estate_en: str | None
    estate_zh: str | None
    guard_phone: str | None
    time_zone: str
    emergency_number: str
    counts_ground_as_one: bool
    region_code: str
    holiday_calendar: str | None
    calendar_version: int | None
    seconds_per_metre: float | None
    """The estate's own value, from drills; the same applies to the next field."""
    pick_up_seconds: float | None
    least_seconds_per_metre: float | None
    """The minimum of all estates; the same applies to the next field."""
    min_pick_up_seconds: float | None
    out_alert: int | None
    """The alert for which the device is out; None if it is in its place."""
    keeper_name: str | None
    keeper_phone: str | None
    """Encrypted: see `with_keepers_phone`."""


def with_keepers_phone(connection: Connection, viewer: Viewer, row: DeviceNearby) -> DeviceNearby:
    """Decrypt the keeper's phone number if the viewer may call it.

    If the key is missing, the device is returned without the number: the lookup must not fail.
    """
    if row.keeper_phone is None:
        return row
    if not is_insider(viewer, row.estate_id, row.region_id):
        return row._replace(keeper_phone=None)
    try:
        opened = keyring_of(connection.dialect).decrypt(row.keeper_phone, place="people.phone")
    except KeysUnusable as error:
        import structlog  # imported here because it is rare, and slows every command by 0.1 s

        log = structlog.get_logger("aed")
        log.error("keeper's phone number not decrypted", device=row.id, reason=error.detail)
        opened = None
    return row._replace(keeper_phone=opened)


AnyPace = aliased(EstatePace)
PUBLIC_NEAREST = "ix_devices_public_nearest"
"""The index of public devices in service."""


def entry_in_force() -> ColumnElement[str]:
    """Return the entry mode, or `unknown` while the access is in doubt.

    visibility: a column.
    """
    return case(
        (Device.access_doubted_at.is_not(None), inline_text(EntryMode.UNKNOWN)),
        else_=cast(Device.entry, String),
    )


def last_check_in_force() -> ColumnElement[date | None]:
    """Return the day of the last check, or NULL while the device's monitor is silent.

    visibility: a column.
    """
    return case((Device.silent_since.is_not(None), None), else_=Device.last_checked_on)


@lru_cache(maxsize=512)
def nearest_devices(
    dialect: Dialect, viewer: Viewer, sent_from: PatientPlace | None = None
) -> NearestQuery[DeviceNearby]:
    """Return the compiled statement for the nearest devices in service that this viewer may see.

    If `sent_from` gives a patient's place, only devices that may be fetched for the patient are selected.

    Plain columns; estates, regions and keepers are joined only to the chosen few. The statement of an
    anonymous viewer does not select keepers, nor guards' phones of devices that need no guard.
    """
    inner = select(
        Device.id,
        latitude(Device.position).label("lat"),
        longitude(Device.position).label("lon"),
        Device.floor,
        Device.opening_hours,
        entry_in_force().label("entry"),
        Device.access_instructions_en,
        Device.access_instructions_zh,
        Device.place_en,
        Device.place_zh,
        Device.cabinet,
        last_check_in_force().label("last_checked_on"),
        Device.estate_id,
        Device.region_id,
        Device.keeper_id,
        hours_of_sharing(viewer, sent_from).label("hours_of_sharing"),
    ).where(visible_to(viewer, Device), Device.state == inline_text(DeviceState.IN_SERVICE))
    if sent_from is not None:
        inner = inner.where(dispatchable_to(sent_from))

    def joined(near: Subquery) -> Select[*tuple[Any, ...]]:
        statement = (
            select(
                *(column for column in near.c if column.key != Device.keeper_id.key),
                first_expiry(near.c.id).label("first_expiry"),
                first_expiry(near.c.id, WITH_BATTERY).label("battery_expiry"),
                Estate.name_en.label("estate_en"),
                Estate.name_zh.label("estate_zh"),
                Estate.guard_phone,
                func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
                Region.emergency_number,
                Region.counts_ground_as_one,
                Region.code.label("region_code"),
                Region.holiday_calendar,
                HolidayCalendar.version.label("calendar_version"),
                EstatePace.seconds_per_metre,
                EstatePace.pick_up_seconds,
                select(func.min(AnyPace.seconds_per_metre))
                .scalar_subquery()
                .label("least_seconds_per_metre"),
                select(func.min(AnyPace.pick_up_seconds)).scalar_subquery().label("min_pick_up_seconds"),
                out_on_call(near.c.id).label("out_alert"),
            )
            .select_from(near)
            .join(Region, Region.id == near.c.region_id)
            .outerjoin(Estate, Estate.id == near.c.estate_id)
            .outerjoin(EstatePace, EstatePace.estate_id == near.c.estate_id)
            .outerjoin(HolidayCalendar, HolidayCalendar.name == Region.holiday_calendar)
        )
        if viewer.is_signed_in:
            return statement.add_columns(
                Person.name.label("keeper_name"), Person.phone.label("keeper_phone")
            ).outerjoin(Person, Person.id == near.c.keeper_id)
        return statement.add_columns(null().label("keeper_name"), null().label("keeper_phone"))

    return nearest_first(
        dialect,
        inner,
        Device.position,
        joined=joined,
        row=DeviceNearby,
        window_index=None if viewer.is_signed_in else PUBLIC_NEAREST,
    )


class OutOfService(NamedTuple):
    """A device near a place that is out of service."""

    id: int
    lat: float
    lon: float
    floor: int
    place_en: str | None
    place_zh: str | None
    reason: str
    """In English and Chinese if upkeep quarantined the device; otherwise as a person wrote it."""


OUT_OF_SERVICE_NEAREST = "ix_devices_out_of_service_nearest"


@lru_cache(maxsize=512)
def nearest_out_of_service(dialect: Dialect, viewer: Viewer) -> NearestQuery[OutOfService]:
    """Return the compiled statement for the nearest devices out of service that this viewer may see.

    Devices with a loaner at their place are left out.
    """
    inner = select(
        Device.id,
        latitude(Device.position).label("lat"),
        longitude(Device.position).label("lon"),
        Device.floor,
        Device.place_en,
        Device.place_zh,
        Device.out_of_service_reason.label("reason"),
    ).where(
        visible_to(viewer, Device),
        visible_to(viewer, Device, outside_sharing_hours=True),
        Device.state == inline_text(DeviceState.OUT_OF_SERVICE),
        Device.loaner_id.is_(None),
    )
    return nearest_first(
        dialect,
        inner,
        Device.position,
        joined=lambda near: select(*near.c),
        row=OutOfService,
        window_index=OUT_OF_SERVICE_NEAREST,
    )


class GateNearby(NamedTuple):
    """A gate near a place, with the columns that a walk needs."""

    id: int
    lat: float
    lon: float
    name_en: str
    name_zh: str
    passage: str
    opening_hours: str | None
    estate_id: int
    time_zone: str
    holiday_calendar: str | None
    calendar_version: int | None


@lru_cache(maxsize=16)
def gates_around(dialect: Dialect) -> Compiled[GateNearby]:
    """Return the compiled statement for the active gates in a box around a place.

    visibility: gates affect every walk; the response shows a gate only if a way passes it.
    """
    statement = (
        select(
            Gate.id,
            latitude(Gate.position).label("lat"),
            longitude(Gate.position).label("lon"),
            Gate.name_en,
            Gate.name_zh,
            Gate.passage,
            Gate.opening_hours,
            Gate.estate_id,
            func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
            Region.holiday_calendar,
            HolidayCalendar.version.label("calendar_version"),
        )
        .join(Estate, Estate.id == Gate.estate_id)
        .join(Region, Region.id == Estate.region_id)
        .outerjoin(HolidayCalendar, HolidayCalendar.name == Region.holiday_calendar)
        .where(Gate.state == inline_text(GateState.ACTIVE))
        .order_by(Gate.id)
    )
    return box_query(dialect, statement, Gate.position, row=GateNearby)


class BuildingNearby(NamedTuple):
    """A building of an estate, at its entrance."""

    id: int
    lat: float
    lon: float


@lru_cache(maxsize=2)
def buildings_around(dialect: Dialect) -> Compiled[BuildingNearby]:
    """Return the compiled statement for the buildings in a box around a place.

    visibility: only whether two places are in the same building; no building is named.
    """
    statement = select(
        Building.id, latitude(Building.position).label("lat"), longitude(Building.position).label("lon")
    ).order_by(Building.id)
    return box_query(dialect, statement, Building.position, row=BuildingNearby)


_calendars: dict[tuple[Engine, str, int], HolidayDates] = {}
_MAX_CALENDARS = 64


def calendar_of(connection: Connection, name: str | None, version: int | None) -> HolidayDates | None:
    """Return a region's holiday calendar for the lookup, cached by version."""
    if name is None or version is None:
        return None
    key = (connection.engine, name, version)
    found = _calendars.get(key)
    if found is None:
        with Session(connection) as session:
            found = holiday_calendar(session, name)
        if len(_calendars) >= _MAX_CALENDARS:
            _calendars.clear()
        _calendars[key] = found
    return found
