"""The devices in a part of the map, each with its state at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import visible_to
from aed.database.compiled import inline_text
from aed.database.types import as_date
from aed.geo import Position
from aed.hours.evaluation import hours_at, is_open_at
from aed.registry.devices.dispatchable import hours_of_sharing, out_on_call
from aed.registry.devices.models import Device
from aed.registry.devices.published import (
    inside_published_box,
    published_latitude,
    published_longitude,
    published_to,
)
from aed.registry.devices.queries import first_expiry
from aed.registry.devices.rules import (
    WITH_BATTERY,
    AccessAt,
    DeviceState,
    EntryMode,
    Readiness,
    access_at,
    readiness_on,
)
from aed.registry.estates.models import Estate
from aed.registry.holidays.models import HolidayCalendar
from aed.registry.nearby import calendar_of, entry_in_force, last_check_in_force


@dataclass(frozen=True, slots=True)
class DeviceInView:
    """A device on the map, and whether it can be reached and used at the moment asked for."""

    id: int
    position: Position
    place_en: str | None
    place_zh: str | None
    access: AccessAt
    readiness: Readiness


def devices_in_view(
    session: Session,
    viewer: Viewer,
    *,
    west: float,
    south: float,
    east: float,
    north: float,
    at: datetime,
    checked_within_days: int,
    limit: int,
) -> list[DeviceInView]:
    """Return at most `limit` devices in a box of degrees that the viewer may see, by id.

    Devices out of service are among them, withdrawn ones are not. Raises InvalidInput for a box that is none.
    """
    statement = (
        select(
            Device.id,
            published_latitude(viewer).label("lat"),
            published_longitude(viewer).label("lon"),
            Device.place_en,
            Device.place_zh,
            Device.state,
            Device.opening_hours,
            entry_in_force().label("entry"),
            hours_of_sharing(viewer).label("hours_of_sharing"),
            last_check_in_force().label("last_checked_on"),
            first_expiry(Device.id).label("first_expiry"),
            first_expiry(Device.id, WITH_BATTERY).label("battery_expiry"),
            out_on_call(Device.__table__.c.id).label("out_alert"),
            func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
            Region.holiday_calendar,
            HolidayCalendar.version.label("calendar_version"),
        )
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .outerjoin(HolidayCalendar, HolidayCalendar.name == Region.holiday_calendar)
        .where(
            visible_to(viewer, Device),
            Device.state != inline_text(DeviceState.WITHDRAWN),
            published_to(viewer),
            inside_published_box(session, viewer, west=west, south=south, east=east, north=north),
        )
        .order_by(Device.id)
        .limit(limit)
    )
    return [
        DeviceInView(
            id=row.id,
            position=Position(row.lat, row.lon),
            place_en=row.place_en,
            place_zh=row.place_zh,
            access=_access(session, row, at),
            readiness=_readiness(row, at, checked_within_days),
        )
        for row in session.execute(statement).all()
        if row.hours_of_sharing is None or _is_shared(session, row, at)
    ]


def _is_shared(session: Session, row: Row[*tuple[Any, ...]], at: datetime) -> bool:
    calendar = calendar_of(session.connection(), row.holiday_calendar, row.calendar_version)
    return is_open_at(row.hours_of_sharing, at, row.time_zone, calendar)


def _access(session: Session, row: Row[*tuple[Any, ...]], at: datetime) -> AccessAt:
    calendar = calendar_of(session.connection(), row.holiday_calendar, row.calendar_version)
    hours = hours_at(row.opening_hours, at, time_zone=row.time_zone, calendar=calendar)
    return access_at(hours, EntryMode(row.entry))


def _readiness(row: Row[*tuple[Any, ...]], at: datetime, checked_within_days: int) -> Readiness:
    if row.out_alert is not None:
        return Readiness.OUT_ON_CALL
    return readiness_on(
        at.astimezone(ZoneInfo(row.time_zone)).date(),
        state=row.state,
        first_expiry=as_date(row.first_expiry),
        battery_expiry=as_date(row.battery_expiry),
        last_checked_on=row.last_checked_on,
        checked_within_days=checked_within_days,
    )


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the devices that a viewer may see are."""

    corners: tuple[Position, ...]
    """South-west and north-east; none without devices."""
    is_large: bool
    """Whether there are too many to gather them all into rings for each tile."""


def extent_of_devices(session: Session, viewer: Viewer, *, most: int = 10_000) -> Extent:
    """Return where the devices that the viewer may see are, by the first `most` of them."""
    some = (
        select(published_latitude(viewer).label("lat"), published_longitude(viewer).label("lon"))
        .where(visible_to(viewer, Device), published_to(viewer), Device.state != DeviceState.WITHDRAWN)
        .order_by(Device.id)
        .limit(most)
        .subquery()
    )
    south, west, north, east, number = session.execute(
        select(
            func.min(some.c.lat),
            func.min(some.c.lon),
            func.max(some.c.lat),
            func.max(some.c.lon),
            func.count(),
        )
    ).one()
    corners = (Position(south, west), Position(north, east)) if number else ()
    return Extent(corners, is_large=number >= most)
