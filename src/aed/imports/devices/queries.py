"""Queries: sources, their records, and registered devices to compare with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session, aliased

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience
from aed.accounts.regions.models import Region
from aed.database.boxes import ids_near_each
from aed.database.bulk import in_array
from aed.database.geometry import latitude, longitude
from aed.errors import NotFound
from aed.geo import Datum, Position
from aed.imports.devices.models import ListSource, SourceRecord
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import Cabinet, ConsumableKind, ConsumableState, DeviceState, EntryMode

type Identity = tuple[str, str]
"""A source, and its id of a device."""


def ranks(session: Session) -> dict[str, int]:
    """Return the ranks of the sources that have one set."""
    return {row.name: row.rank for row in session.execute(select(ListSource.name, ListSource.rank))}


class SourceCounts(NamedTuple):
    """A source and its number of records."""

    source: str
    live: int
    gone: int
    waiting: int
    title: str | None


def sources(session: Session) -> list[SourceCounts]:
    """List every source of devices.

    visibility: counts, for the command line.
    """
    is_live = SourceRecord.gone_since.is_(None)
    statement = (
        select(
            SourceRecord.source,
            func.count().filter(is_live),
            func.count(SourceRecord.gone_since),
            func.count().filter(is_live, SourceRecord.device_id.is_(None)),
            ListSource.title,
        )
        .outerjoin(ListSource, ListSource.name == SourceRecord.source)
        .group_by(SourceRecord.source, ListSource.title)
    )
    return [SourceCounts(*row) for row in session.execute(statement)]


def estates_of_source(session: Session, source: str) -> list[tuple[int | None, int]]:
    """Return the estates and regions of the devices that a source lists.

    visibility: to decide whether the viewer may import that source.
    """
    statement = (
        select(Device.estate_id, Device.region_id)
        .join(SourceRecord, SourceRecord.device_id == Device.id)
        .where(SourceRecord.source == source)
        .distinct()
    )
    return [(estate_id, region_id) for estate_id, region_id in session.execute(statement)]


class RecordState(NamedTuple):
    """A stored record without its fields."""

    id: int
    source: str
    source_id: str
    device_id: int | None
    digest: str
    missing_since: datetime | None
    gone_since: datetime | None


def record_states(session: Session, identities: Iterable[Identity]) -> dict[Identity, RecordState]:
    """Return the stored records of these identities (source, source_id).

    visibility: for an administrator's import.
    """
    found: dict[Identity, RecordState] = {}
    for source, source_ids in by_source(identities).items():
        statement = select(
            SourceRecord.id,
            SourceRecord.source,
            SourceRecord.source_id,
            SourceRecord.device_id,
            SourceRecord.digest,
            SourceRecord.missing_since,
            SourceRecord.gone_since,
        ).where(SourceRecord.source == source, in_array(session, SourceRecord.source_id, source_ids))
        for row in session.execute(statement):
            found[row.source, row.source_id] = RecordState(*row)
    return found


def by_source(identities: Iterable[Identity]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, source_id in identities:
        found.setdefault(source, []).append(source_id)
    return found


class StoredRecord(NamedTuple):
    """A stored record with its fields."""

    id: int
    source: str
    source_id: str
    device_id: int | None
    fields: dict[str, Any]
    digest: str
    gone_since: datetime | None


_RECORD = tuple(getattr(SourceRecord, name) for name in StoredRecord._fields)


def records_of(session: Session, device_ids: Collection[int]) -> list[StoredRecord]:
    """List the records of these devices, gone ones included.

    visibility: for an administrator's import.
    """
    if not device_ids:
        return []
    statement = (
        select(*_RECORD)
        .where(SourceRecord.device_id.in_(device_ids))
        .order_by(SourceRecord.source, SourceRecord.source_id)
    )
    return [StoredRecord(*row) for row in session.execute(statement)]


def record(session: Session, identity: Identity) -> StoredRecord:
    """Return a record by source and id. Raises NotFound.

    visibility: for an administrator's decision.
    """
    source, source_id = identity
    statement = select(*_RECORD).where(SourceRecord.source == source, SourceRecord.source_id == source_id)
    row = session.execute(statement).first()
    if row is None:
        raise NotFound(
            "The source '{source}' has no entry '{source_id}'.",
            field="source_id",
            source=source,
            source_id=source_id,
        )
    return StoredRecord(*row)


def count_live(session: Session, source: str) -> int:
    """Count the live records of a source.

    visibility: for an administrator's import.
    """
    statement = select(func.count(SourceRecord.id)).where(
        SourceRecord.source == source, SourceRecord.gone_since.is_(None)
    )
    return session.scalar(statement) or 0


def missing_records(session: Session, source: str) -> Sequence[int]:
    """List the records of a source that are held back as missing.

    visibility: for an administrator's decision.
    """
    return session.scalars(
        select(SourceRecord.id).where(
            SourceRecord.source == source,
            SourceRecord.missing_since.is_not(None),
            SourceRecord.gone_since.is_(None),
        )
    ).all()


def shared_devices(session: Session, source: str) -> Sequence[int]:
    """List the devices that this source shares with another.

    visibility: for an administrator, see put_source.
    """
    other = aliased(SourceRecord)  # visibility: the same
    others = select(other.id).where(other.device_id == SourceRecord.device_id, other.source != source)
    statement = select(SourceRecord.device_id).where(SourceRecord.source == source, others.exists())
    return sorted({found for found in session.scalars(statement) if found is not None})


def devices_left(session: Session, record_ids: Collection[int]) -> tuple[set[int], set[int]]:
    """Return the devices of these records that no source lists any more, and the others.

    visibility: for an administrator's import.
    """
    theirs = select(SourceRecord.device_id).where(
        SourceRecord.id.in_(record_ids), SourceRecord.device_id.is_not(None)
    )
    listed = select(SourceRecord.device_id).where(
        SourceRecord.device_id.in_(theirs), SourceRecord.gone_since.is_(None)
    )
    kept = {found for found in session.scalars(listed) if found is not None}
    return {found for found in session.scalars(theirs) if found is not None} - kept, kept


def device_ids(session: Session, identities: Iterable[Identity]) -> dict[Identity, int]:
    """Return the ids of devices registered from these identities.

    visibility: for an administrator's import.
    """
    found: dict[Identity, int] = {}
    for source, source_ids in by_source(identities).items():
        statement = select(Device.source_id, Device.id).where(
            Device.source == source, in_array(session, Device.source_id, source_ids)
        )
        found |= {(source, source_id): device_id for source_id, device_id in session.execute(statement)}
    return found


def counts_ground_as_one(session: Session, identities: Iterable[Identity]) -> dict[Identity, bool]:
    """Return whether the ground floor counts as 1 for each registered device; omit unknown devices.

    visibility: for an administrator's import.
    """
    found: dict[Identity, bool] = {}
    for source, source_ids in by_source(identities).items():
        statement = (
            select(Device.source_id, Region.counts_ground_as_one)
            .join(Region, Region.id == Device.region_id)
            .where(Device.source == source, in_array(session, Device.source_id, source_ids))
        )
        found |= {(source, source_id): counts for source_id, counts in session.execute(statement)}
    return found


def sources_of_devices(session: Session) -> set[str]:
    """Return the names of all sources of devices.

    visibility: for an administrator's import.
    """
    return set(session.scalars(select(Device.source).distinct()))


class DevicePlace(NamedTuple):
    """The estate and region of a device."""

    id: int
    estate_id: int | None
    region_id: int
    state: DeviceState


def places_of_devices(session: Session, device_ids: Collection[int]) -> list[DevicePlace]:
    """Return the estates and regions of these devices.

    visibility: to decide whether the viewer may answer about them.
    """
    if not device_ids:
        return []
    statement = select(Device.id, Device.estate_id, Device.region_id, Device.state)
    return [DevicePlace(*row) for row in session.execute(statement.where(Device.id.in_(device_ids)))]


class RegisteredDevice(NamedTuple):
    """The current values of a device."""

    id: int
    source: str
    source_id: str
    lat: float
    lon: float
    origin_lat: float
    origin_lon: float
    origin_datum: Datum
    estate_id: int | None
    region: str
    place_en: str | None
    place_zh: str | None
    floor: int
    opening_hours: str | None
    opening_hours_raw: str | None
    entry: EntryMode
    access_instructions_en: str | None
    access_instructions_zh: str | None
    cabinet: Cabinet
    maker: str | None
    model: str | None
    serial: str | None
    registration_number: str | None
    udi_di: str | None
    manufactured_on: date | None
    end_of_life_on: date | None
    keeper_name: str | None
    keeper_phone: str | None
    audience: Audience
    state: DeviceState
    out_of_service_reason: str | None
    last_checked_on: date | None
    origins: dict[str, Any]


def registered_devices(session: Session, device_ids: Collection[int]) -> dict[int, RegisteredDevice]:
    """Return the current values of these devices.

    visibility: for an administrator's import.
    """
    if not device_ids:
        return {}
    columns = [
        _ACTIVE[name] if name in _ACTIVE else getattr(Device, name).label(name)
        for name in RegisteredDevice._fields
    ]
    statement = (
        select(*columns)
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Person, Person.id == Device.keeper_id)
        .where(Device.id.in_(device_ids))
    )
    return {row.id: RegisteredDevice(*row) for row in session.execute(statement)}


_ACTIVE: Mapping[str, ColumnElement[Any]] = {
    "lat": latitude(Device.position).label("lat"),
    "lon": longitude(Device.position).label("lon"),
    "region": Region.code.label("region"),
    "keeper_name": Person.name.label("keeper_name"),
    "keeper_phone": Person.phone.label("keeper_phone"),
}


def fitted_expiry(
    session: Session, device_ids: Collection[int]
) -> dict[int, dict[ConsumableKind, list[date]]]:
    """Return expiry dates of the consumables in these devices, soonest first.

    visibility: for an administrator's import.
    """
    found: dict[int, dict[ConsumableKind, list[date]]] = {}
    if device_ids:
        statement = (
            select(Consumable.device_id, Consumable.kind, Consumable.expires_on)
            .where(Consumable.device_id.in_(device_ids), Consumable.state == ConsumableState.FITTED)
            .order_by(Consumable.expires_on)
        )
        for device_id, kind, day in session.execute(statement):
            found.setdefault(device_id, {}).setdefault(kind, []).append(day)
    return found


def last_device_id(session: Session) -> int:
    """Return the highest id of a device; devices added later have higher ids.

    visibility: for an administrator's import.
    """
    return session.scalar(select(func.max(Device.id))) or 0


def devices_near(
    session: Session,
    places: Sequence[Position],
    *,
    within_metres: float,
    not_of: str | None = None,
    up_to_id: int,
) -> list[tuple[int, int]]:
    """Yield (index of the place, id) of devices nearby that are not withdrawn and not of that source.

    visibility: for an administrator's import.
    """
    where = and_(Device.state != DeviceState.WITHDRAWN, Device.id <= up_to_id)
    if not_of is not None:
        theirs = select(SourceRecord.device_id).where(
            SourceRecord.device_id == Device.id, SourceRecord.source == not_of
        )
        where = and_(where, Device.source != not_of, ~theirs.exists())
    return ids_near_each(session, places, Device.position, within_metres=within_metres, where=where)
