"""Reading the register. Every read of devices, estates and gates carries the viewer's predicate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Row, Select, Subquery, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, joinedload, selectinload

from aed.accounts.models import Person, Region
from aed.accounts.rules import Viewer
from aed.bulk import among
from aed.errors import KeysUnusable, NotFound
from aed.registry.models import (
    Change,
    Consumable,
    Device,
    Estate,
    EstatePace,
    Gate,
    HolidayCalendar,
    HolidayDay,
    HolidayYear,
)
from aed.registry.rules.calendar import DayKind
from aed.registry.rules.device import NEEDED_KINDS, ConsumableState, DeviceState
from aed.registry.rules.gate import GateState
from aed.registry.rules.hours import HolidayCalendar as Calendar
from aed.sealing import ring_of
from aed.sharing.queries import known_to, visible_to
from aed.sharing.rules import Audience, is_of_the_house
from aed.spatial import (
    Around,
    Nearest,
    all_around,
    constant,
    inside_box,
    latitude,
    longitude,
    nearest_first,
)

log = structlog.get_logger("aed")


@dataclass(frozen=True, slots=True)
class Box:
    """A box of degrees."""

    west: float
    south: float
    east: float
    north: float


def first_expiry(device_id: InstrumentedAttribute[int] | ColumnElement[int]) -> ColumnElement[date]:
    """The day on which a device can no longer be used on an adult, asked for each row: the first of its
    fitted pads and battery to expire. A child's pads do not count: the device works without them.

    visibility: a part of statements that choose the devices.
    """
    return (
        select(func.min(Consumable.expires_on))
        .where(
            Consumable.device_id == device_id,
            Consumable.state == constant(ConsumableState.FITTED),
            Consumable.kind.in_([constant(kind) for kind in NEEDED_KINDS]),
        )
        .scalar_subquery()
    )


# --- devices --------------------------------------------------------------------------------------------


def device(session: Session, viewer: Viewer, device_id: int, *, for_update: bool = False) -> Device:
    """One device with its keeper, estate, region and fitted consumables.

    Raises NotFound when there is none, or none for this viewer.
    """
    statement = (
        select(Device)
        .where(Device.id == device_id, visible_to(viewer, Device))
        .options(
            joinedload(Device.keeper),
            joinedload(Device.estate),
            joinedload(Device.region),
            selectinload(Device.consumables),
        )
    )
    if for_update:
        statement = statement.with_for_update(of=Device)
    found = session.scalar(statement)
    if found is None:
        raise NotFound(f"There is no device {device_id} that you may see.", field="device_id")
    return found


def devices(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int = 0,
    box: Box | None = None,
    estate_id: int | None = None,
    region: str | None = None,
    audience: Audience | None = None,
    state: DeviceState | None = None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """A page of devices in order of id, with plain columns: one statement, whatever the page holds."""
    statement = (
        select(
            Device.id,
            latitude(Device.position).label("lat"),
            longitude(Device.position).label("lon"),
            Device.source,
            Device.source_id,
            Region.code.label("region"),
            Device.estate_id,
            Device.place_en,
            Device.place_zh,
            Device.floor,
            Device.opening_hours,
            Device.entry,
            Device.audience,
            Device.state,
            first_expiry(Device.id).label("first_expiry"),
            Device.version,
        )
        .join(Region, Region.id == Device.region_id)
        .where(visible_to(viewer, Device), Device.id > after_id)
        .order_by(Device.id)
        .limit(limit)
    )
    if box is not None:
        statement = statement.where(
            inside_box(
                session, Device.position, west=box.west, south=box.south, east=box.east, north=box.north
            )
        )
    if estate_id is not None:
        statement = statement.where(Device.estate_id == estate_id)
    if region is not None:
        statement = statement.where(Region.code == region)
    if audience is not None:
        statement = statement.where(Device.audience == audience)
    if state is not None:
        statement = statement.where(Device.state == state)
    return session.execute(statement).all()


def consumable(session: Session, viewer: Viewer, consumable_id: int) -> tuple[Consumable, Device]:
    """One consumable and its device, if the viewer may see that."""
    row = session.execute(
        select(Consumable, Device)
        .join(Device, Device.id == Consumable.device_id)
        .where(Consumable.id == consumable_id, visible_to(viewer, Device))
    ).first()
    if row is None:
        raise NotFound(f"There is no consumable {consumable_id} that you may see.", field="consumable_id")
    return row[0], row[1]


def changes(session: Session, *, subject: str, subject_id: str, limit: int = 200) -> Sequence[Change]:
    """The history of one row, newest first.

    visibility: the caller has made sure that the viewer may see the row, and its history.
    """
    return session.scalars(
        select(Change)
        .where(Change.subject == subject, Change.subject_id == subject_id)
        .order_by(Change.id.desc())
        .limit(limit)
    ).all()


# --- what the lookup asks -------------------------------------------------------------------------------


class DeviceNearby(NamedTuple):
    """What the lookup asks of one device. Dates are text on SQLite: see `aed.db.as_date`."""

    id: int
    lat: float
    lon: float
    floor: int
    opening_hours: str | None
    entry: str
    how_to_get_in_en: str | None
    how_to_get_in_zh: str | None
    place_en: str | None
    place_zh: str | None
    cabinet: str
    last_checked_on: date | str | None
    estate_id: int | None
    region_id: int
    keeper_id: int | None
    first_expiry: date | str | None
    estate_en: str | None
    estate_zh: str | None
    guard_phone: str | None
    time_zone: str
    emergency_number: str
    holiday_calendar: str | None
    calendar_version: int | None
    seconds_per_metre: float | None
    """The estate's own, from drills; so the next."""
    pick_up_seconds: float | None
    least_seconds_per_metre: float | None
    """Of all estates; so the next."""
    least_pick_up_seconds: float | None
    keeper_name: str | None = None
    keeper_phone: str | None = None
    """As it is sealed: see `with_keepers_phone`."""


def with_keepers_phone(connection: Connection, viewer: Viewer, row: DeviceNearby) -> DeviceNearby:
    """The row with the keeper's number opened, for whoever may ring it.

    The device is told of all the same when the key of that number is missing: somebody waits for it.
    """
    if row.keeper_phone is None:
        return row
    if not is_of_the_house(viewer, row.estate_id, row.region_id):
        return row._replace(keeper_phone=None)
    try:
        opened = ring_of(connection.dialect).open(row.keeper_phone, place="people.phone")
    except KeysUnusable as error:
        log.error("a keeper's number is not told", device=row.id, why=error.detail)
        opened = None
    return row._replace(keeper_phone=opened)


AnyPace = aliased(EstatePace)


@lru_cache(maxsize=512)
def nearest_devices(dialect: Dialect, viewer: Viewer) -> Nearest[DeviceNearby]:
    """The compiled statement for the nearest devices in service that this viewer may see.

    Plain columns; estates, regions and keepers are joined to the chosen few only. A stranger's statement
    does not even ask for keepers and guards' phones of devices that need no one.
    """
    inner = select(
        Device.id,
        latitude(Device.position).label("lat"),
        longitude(Device.position).label("lon"),
        Device.floor,
        Device.opening_hours,
        Device.entry,
        Device.how_to_get_in_en,
        Device.how_to_get_in_zh,
        Device.place_en,
        Device.place_zh,
        Device.cabinet,
        Device.last_checked_on,
        Device.estate_id,
        Device.region_id,
        Device.keeper_id,
    ).where(visible_to(viewer, Device), Device.state == constant(DeviceState.IN_SERVICE))

    def joined(near: Subquery) -> Select[*tuple[Any, ...]]:
        statement = (
            select(
                *near.c,
                first_expiry(near.c.id).label("first_expiry"),
                Estate.name_en.label("estate_en"),
                Estate.name_zh.label("estate_zh"),
                Estate.guard_phone,
                func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
                Region.emergency_number,
                Region.holiday_calendar,
                HolidayCalendar.version.label("calendar_version"),
                EstatePace.seconds_per_metre,
                EstatePace.pick_up_seconds,
                select(func.min(AnyPace.seconds_per_metre))
                .scalar_subquery()
                .label("least_seconds_per_metre"),
                select(func.min(AnyPace.pick_up_seconds)).scalar_subquery().label("least_pick_up_seconds"),
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
        return statement

    return nearest_first(dialect, inner, Device.position, joined=joined, row=DeviceNearby)


class GateNearby(NamedTuple):
    """What a walk asks of one gate."""

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
def gates_around(dialect: Dialect) -> Around[GateNearby]:
    """The compiled statement for the standing gates in a box around a place.

    visibility: every walker meets every gate; the answer tells of one only where a way passes it.
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
        .where(Gate.state == constant(GateState.STANDING))
        .order_by(Gate.id)
    )
    return all_around(dialect, statement, Gate.position, row=GateNearby)


_calendars: dict[tuple[Engine, str, int], Calendar] = {}
_MOST_CALENDARS = 64


def has_calendar(connection: Connection, name: str | None, version: int | None) -> bool:
    """Whether `calendar_of` answers without asking the database."""
    return name is None or version is None or (connection.engine, name, version) in _calendars


def calendar_of(connection: Connection, name: str | None, version: int | None) -> Calendar | None:
    """A region's holiday calendar for the lookup, kept in memory for as long as its version stands."""
    if name is None or version is None:
        return None
    key = (connection.engine, name, version)
    found = _calendars.get(key)
    if found is None:
        with Session(connection) as session:
            found = holiday_calendar(session, name)
        if len(_calendars) >= _MOST_CALENDARS:
            _calendars.clear()
        _calendars[key] = found
    return found


# --- estates and gates ----------------------------------------------------------------------------------


def _estates_known_to(viewer: Viewer) -> ColumnElement[bool]:
    return known_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state)


def estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """One estate with its region. Raises NotFound when there is none, or none for this viewer."""
    found = session.scalar(
        select(Estate)
        .where(Estate.id == estate_id, _estates_known_to(viewer))
        .options(joinedload(Estate.region))
    )
    if found is None:
        raise NotFound(f"There is no estate {estate_id} that you may see.", field="estate_id")
    return found


def estate_id_of(session: Session, *, source: str, source_id: str) -> int | None:
    """The id of a source's estate.

    visibility: for an administrator's import only, which knows the source's id already.
    """
    return session.scalar(select(Estate.id).where(Estate.source == source, Estate.source_id == source_id))


def estate_ids_of(session: Session, *, source: str, source_ids: Collection[str]) -> dict[str, int]:
    """The same for many: those that there are.

    visibility: for an administrator's import only, which knows the source's ids already.
    """
    statement = select(Estate.source_id, Estate.id).where(
        Estate.source == source, among(session, Estate.source_id, source_ids)
    )
    return {row.source_id: row.id for row in session.execute(statement)}


def estates(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Estate]:
    """A page of estates in order of id."""
    return session.scalars(
        select(Estate)
        .where(_estates_known_to(viewer), Estate.id > after_id)
        .options(joinedload(Estate.region))
        .order_by(Estate.id)
        .limit(limit)
    ).all()


def gate(session: Session, viewer: Viewer, gate_id: int) -> Gate:
    """One gate, if the viewer knows its estate."""
    found = session.scalar(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.id == gate_id, _gates_known_to(viewer))
    )
    if found is None:
        raise NotFound(f"There is no gate {gate_id} that you may see.", field="gate_id")
    return found


def gates(session: Session, viewer: Viewer, *, estate_id: int) -> Sequence[Gate]:
    """The gates of an estate that the viewer knows."""
    return session.scalars(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.estate_id == estate_id, _gates_known_to(viewer))
        .order_by(Gate.id)
    ).all()


def _gates_known_to(viewer: Viewer) -> ColumnElement[bool]:
    return known_to(viewer, estate_id=Gate.estate_id, region_id=Estate.region_id, state=Gate.state)


# --- holidays: the same for everyone --------------------------------------------------------------------


def holiday_calendar(session: Session, name: str) -> Calendar:
    """A calendar as the hours use it; one without years knows nothing."""
    years = frozenset(session.scalars(select(HolidayYear.year).where(HolidayYear.calendar_name == name)))
    days = session.execute(
        select(HolidayDay.day, HolidayDay.kind).where(HolidayDay.calendar_name == name)
    ).all()
    return Calendar(
        name=name,
        years=years,
        holidays=frozenset(day for day, kind in days if kind is DayKind.HOLIDAY),
        workdays=frozenset(day for day, kind in days if kind is DayKind.WORKDAY),
    )


def holiday_calendars(session: Session) -> list[tuple[HolidayCalendar, list[int]]]:
    """Every calendar with the years that it holds."""
    years = session.scalars(select(HolidayYear).order_by(HolidayYear.year)).all()
    return [
        (calendar, [year.year for year in years if year.calendar_name == calendar.name])
        for calendar in session.scalars(select(HolidayCalendar).order_by(HolidayCalendar.name))
    ]


def holiday_year(session: Session, name: str, year: int) -> tuple[HolidayCalendar, Sequence[HolidayDay]]:
    """The special days of one year. Raises NotFound for a year that the calendar does not hold."""
    calendar = session.get(HolidayCalendar, name)
    if calendar is None or session.get(HolidayYear, (name, year)) is None:
        raise NotFound(f"The holiday calendar '{name}' does not hold {year}.", field="year")
    days = session.scalars(
        select(HolidayDay)
        .where(HolidayDay.calendar_name == name, HolidayDay.day.between(date(year, 1, 1), date(year, 12, 31)))
        .order_by(HolidayDay.day)
    ).all()
    return calendar, days
