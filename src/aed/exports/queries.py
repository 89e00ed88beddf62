"""Queries of exports: devices, regions, estates and gates, in pages, with the viewer's permissions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, null, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience, Viewer, is_insider
from aed.accounts.regions.models import Region
from aed.accounts.visibility import estate_visible_to, visible_to
from aed.database.boxes import inside_box, overlapping_box
from aed.database.session import Database, read_session
from aed.exports.rules import Bounds, DateRange
from aed.geo import Datum
from aed.registry.devices.dispatchable import hours_of_sharing
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.published import (
    inside_published_box,
    is_approximate,
    published_latitude,
    published_longitude,
    published_to,
)
from aed.registry.devices.rules import Cabinet, ConsumableKind, ConsumableState, DeviceState, EntryMode
from aed.registry.estates.models import Estate, Gate
from aed.registry.estates.rules import EstateState, GateState

DEVICES_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter on the devices that the viewer may see."""

    bounds: Bounds | None = None
    region_ids: Sequence[int] | None = None
    checked: DateRange | None = None
    """Only devices last checked on one of these days."""


EVERYTHING = Choice()


class _DeviceRow(NamedTuple):
    id: int
    lat: float
    lon: float
    datum: Datum
    origin_lat: float
    origin_lon: float
    source: str
    source_id: str
    estate_id: int | None
    estate_source: str | None
    estate: str | None
    region_id: int
    region: str
    place_en: str | None
    place_zh: str | None
    floor: int
    counts_ground_as_one: bool
    opening_hours: str | None
    opening_hours_raw: str | None
    entry: EntryMode
    access_instructions_en: str | None
    access_instructions_zh: str | None
    cabinet: Cabinet
    maker: str | None
    model: str | None
    registration_number: str | None
    udi_di: str | None
    manufactured_on: date | None
    end_of_life_on: date | None
    audience: Audience
    state: DeviceState
    out_of_service_reason: str | None
    last_checked_on: date | None
    version: int
    serial: str | None
    keeper_name: str | None
    keeper_phone: str | None
    is_approximate: bool
    """The position is that of a cell, and nothing else says where in it the device is."""


@dataclass(frozen=True, slots=True)
class PublishedDevice:
    """A device as the viewer may see it; serial and keeper are None for viewers outside its organisation."""

    row: _DeviceRow
    serial: str | None
    keeper_name: str | None
    keeper_phone: str | None
    expiry: Mapping[ConsumableKind, date] = field(default_factory=dict)
    """The earliest expiry date per kind of fitted consumable."""

    @property
    def pads_expire_on(self) -> date | None:
        return self.expiry.get(ConsumableKind.PADS)

    @property
    def child_pads_expire_on(self) -> date | None:
        return self.expiry.get(ConsumableKind.CHILD_PADS)

    @property
    def battery_expires_on(self) -> date | None:
        return self.expiry.get(ConsumableKind.BATTERY)

    @property
    def cartridge_expires_on(self) -> date | None:
        return self.expiry.get(ConsumableKind.CARTRIDGE)

    @property
    def first_expiry(self) -> date | None:
        return min(self.expiry.values(), default=None)


def every_device(
    database: Database, viewer: Viewer, choice: Choice, *, at_once: int = DEVICES_AT_ONCE
) -> Iterator[Sequence[PublishedDevice]]:
    """Yield pages of devices in order of id.

    Each page is a separate short transaction, so that a slow client holds no connection, lock or snapshot.
    The devices of one export may therefore show states of different moments.
    """
    after_id = 0
    while True:
        with read_session(database) as session:
            page = devices(session, viewer, choice, after_id=after_id, limit=at_once)
        if page:
            yield page
            after_id = page[-1].row.id
        if len(page) < at_once:
            return


def devices(
    session: Session, viewer: Viewer, choice: Choice, *, after_id: int, limit: int
) -> list[PublishedDevice]:
    """Return a page of devices in order of id, in two SQL statements."""
    statement = (
        _columns(viewer)
        .where(Device.id > after_id, *_chosen(session, viewer, choice))
        .order_by(Device.id)
        .limit(limit)
    )
    return _published(session, viewer, [_DeviceRow(*row) for row in session.execute(statement)])


def device(session: Session, viewer: Viewer, device_id: int) -> PublishedDevice | None:
    """Return a device, or None if it does not exist or the viewer may not see it."""
    statement = _columns(viewer).where(
        Device.id == device_id, visible_to(viewer, Device), published_to(viewer)
    )
    found = _published(session, viewer, [_DeviceRow(*row) for row in session.execute(statement)])
    return found[0] if found else None


def count(session: Session, viewer: Viewer, choice: Choice) -> int:
    """Count the devices that match the filter."""
    statement = select(func.count()).select_from(Device).where(*_chosen(session, viewer, choice))
    return session.scalar(statement) or 0


def extent(session: Session, viewer: Viewer) -> Bounds | None:
    """Return the bounding box of all devices that the viewer may see; None if there are none."""
    lon, lat = published_longitude(viewer), published_latitude(viewer)
    west, south, east, north = session.execute(
        select(func.min(lon), func.min(lat), func.max(lon), func.max(lat)).where(
            visible_to(viewer, Device), published_to(viewer)
        )
    ).one()
    return None if west is None else Bounds(west, south, east, north)


def _columns(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    """Select the columns of a device; for anonymous viewers, omit serials, keepers and estates."""
    statement = select(
        Device.id,
        published_latitude(viewer),
        published_longitude(viewer),
        Device.origin_datum,
        Device.origin_lat,
        Device.origin_lon,
        Device.source,
        Device.source_id,
        Device.estate_id,
        Estate.source if viewer.is_signed_in else null(),
        Estate.source_id if viewer.is_signed_in else null(),
        Device.region_id,
        Region.code,
        Device.place_en,
        Device.place_zh,
        Device.floor,
        Region.counts_ground_as_one,
        func.coalesce(hours_of_sharing(viewer), Device.opening_hours),
        Device.opening_hours_raw,
        Device.entry,
        Device.access_instructions_en,
        Device.access_instructions_zh,
        Device.cabinet,
        Device.maker,
        Device.model,
        Device.registration_number,
        Device.udi_di,
        Device.manufactured_on,
        Device.end_of_life_on,
        Device.audience,
        Device.state,
        Device.out_of_service_reason,
        Device.last_checked_on,
        Device.version,
        Device.serial if viewer.is_signed_in else null(),
        Person.name if viewer.is_signed_in else null(),
        Person.phone if viewer.is_signed_in else null(),
        is_approximate(viewer),
    ).join(Region, Region.id == Device.region_id)
    if viewer.is_signed_in:
        known = estate_visible_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state)
        statement = statement.outerjoin(Estate, and_(Estate.id == Device.estate_id, known)).outerjoin(
            Person, Person.id == Device.keeper_id
        )
    return statement.select_from(Device)


def _chosen(session: Session, viewer: Viewer, choice: Choice) -> list[ColumnElement[bool]]:
    conditions = [visible_to(viewer, Device), published_to(viewer)]
    if choice.bounds is not None:
        boxes = [
            inside_published_box(
                session, viewer, west=box.west, south=box.south, east=box.east, north=box.north
            )
            for box in choice.bounds.without_antimeridian()
        ]
        conditions.append(or_(*boxes))
    if choice.region_ids is not None:
        conditions.append(Device.region_id.in_(choice.region_ids))
    if choice.checked is not None:
        if choice.checked.first is not None:
            conditions.append(Device.last_checked_on >= choice.checked.first)
        if choice.checked.last is not None:
            conditions.append(Device.last_checked_on <= choice.checked.last)
    return conditions


def _published(session: Session, viewer: Viewer, rows: Sequence[_DeviceRow]) -> list[PublishedDevice]:
    expiry = _expiry(session, rows)
    found = []
    for row in rows:
        inside = is_insider(viewer, row.estate_id, row.region_id)
        found.append(
            PublishedDevice(
                row=_approximate(row) if row.is_approximate else row,
                serial=row.serial if inside else None,
                keeper_name=row.keeper_name if inside else None,
                keeper_phone=row.keeper_phone if inside else None,
                expiry=expiry.get(row.id, {}),
            )
        )
    return found


def _approximate(row: _DeviceRow) -> _DeviceRow:
    """Remove from a row what says where in its cell the device is."""
    return row._replace(
        datum=Datum.WGS84,
        origin_lat=row.lat,
        origin_lon=row.lon,
        place_en=None,
        place_zh=None,
        floor=0,
        access_instructions_en=None,
        access_instructions_zh=None,
    )


def _expiry(session: Session, rows: Sequence[_DeviceRow]) -> Mapping[int, Mapping[ConsumableKind, date]]:
    """Return the earliest expiry dates of what is fitted in the devices of a page, by device id.

    visibility: the rows are devices that the viewer may see; other devices in the same range of ids are
    ignored.
    """
    if not rows:
        return {}
    found: dict[int, dict[ConsumableKind, date]] = defaultdict(dict)
    wanted = {row.id for row in rows}
    statement = (
        select(Consumable.device_id, Consumable.kind, func.min(Consumable.expires_on))
        .where(
            Consumable.device_id.between(rows[0].id, rows[-1].id), Consumable.state == ConsumableState.FITTED
        )
        .group_by(Consumable.device_id, Consumable.kind)
    )
    if len(rows) < 200:
        statement = statement.where(Consumable.device_id.in_(wanted))
    for device_id, kind, day in session.execute(statement):
        if device_id in wanted:
            found[device_id][kind] = day
    return found


@dataclass(frozen=True, slots=True)
class Around:
    """A filter on the estates or gates that the viewer may see."""

    bounds: Bounds | None = None
    region_ids: Sequence[int] | None = None


EVERYWHERE = Around()


def regions(session: Session) -> Sequence[tuple[Region, str | None]]:
    """List every region with the code of its parent; the same for all viewers."""
    codes = {region.id: region.code for region in session.scalars(select(Region))}
    return [
        (region, codes.get(region.parent_id) if region.parent_id is not None else None)
        for region in session.scalars(select(Region).order_by(Region.id))
    ]


def estates(
    session: Session, viewer: Viewer, around: Around, *, after_id: int, limit: int
) -> Sequence[Estate]:
    """Return a page of active estates in order of id."""
    return session.scalars(
        select(Estate)
        .where(Estate.id > after_id, *_estates_chosen(session, viewer, around))
        .options(joinedload(Estate.region))
        .order_by(Estate.id)
        .limit(limit)
    ).all()


def estate(session: Session, viewer: Viewer, estate_id: int) -> Estate | None:
    statement = select(Estate).where(Estate.id == estate_id, *_estates_chosen(session, viewer, EVERYWHERE))
    return session.scalar(statement.options(joinedload(Estate.region)))


def count_estates(session: Session, viewer: Viewer, around: Around) -> int:
    statement = select(func.count()).select_from(Estate).where(*_estates_chosen(session, viewer, around))
    return session.scalar(statement) or 0


def gates(session: Session, viewer: Viewer, around: Around, *, after_id: int, limit: int) -> Sequence[Gate]:
    """Return a page of active gates in order of id."""
    return session.scalars(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.id > after_id, *_gates_chosen(session, viewer, around))
        .options(joinedload(Gate.estate))
        .order_by(Gate.id)
        .limit(limit)
    ).all()


def gate(session: Session, viewer: Viewer, gate_id: int) -> Gate | None:
    return session.scalar(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.id == gate_id, *_gates_chosen(session, viewer, EVERYWHERE))
        .options(joinedload(Gate.estate))
    )


def count_gates(session: Session, viewer: Viewer, around: Around) -> int:
    statement = (
        select(func.count())
        .select_from(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(*_gates_chosen(session, viewer, around))
    )
    return session.scalar(statement) or 0


def _estates_chosen(session: Session, viewer: Viewer, around: Around) -> list[ColumnElement[bool]]:
    conditions = [
        estate_visible_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state),
        Estate.state == EstateState.ACTIVE,
    ]
    if around.bounds is not None:
        boxes = [
            overlapping_box(
                session, Estate.boundary, west=box.west, south=box.south, east=box.east, north=box.north
            )
            for box in around.bounds.without_antimeridian()
        ]
        conditions.append(or_(*boxes))
    if around.region_ids is not None:
        conditions.append(Estate.region_id.in_(around.region_ids))
    return conditions


def _gates_chosen(session: Session, viewer: Viewer, around: Around) -> list[ColumnElement[bool]]:
    conditions = [
        estate_visible_to(viewer, estate_id=Gate.estate_id, region_id=Estate.region_id, state=Gate.state),
        Gate.state == GateState.ACTIVE,
    ]
    if around.bounds is not None:
        boxes = [
            inside_box(session, Gate.position, west=box.west, south=box.south, east=box.east, north=box.north)
            for box in around.bounds.without_antimeridian()
        ]
        conditions.append(or_(*boxes))
    if around.region_ids is not None:
        conditions.append(Estate.region_id.in_(around.region_ids))
    return conditions
