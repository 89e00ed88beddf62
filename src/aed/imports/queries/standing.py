"""Devices as they stand, for comparing them with what lists say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from aed.accounts.models import Person, Region
from aed.accounts.rules.sharing_ladder import Audience
from aed.database.boxes import ids_near_each
from aed.database.bulk import in_array
from aed.database.geometry import latitude, longitude
from aed.geo import Datum, Position
from aed.imports.models import SourceRecord
from aed.imports.queries.records import Identity, by_source
from aed.registry.models import Consumable, Device
from aed.registry.rules.device import Cabinet, ConsumableKind, ConsumableState, DeviceState, Entry


def device_ids(session: Session, identities: Iterable[Identity]) -> dict[Identity, int]:
    """The devices that were registered from these.

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
    """Return how storeys are counted where these devices are registered; without those that are not.

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
    """visibility: for an administrator's import."""
    return set(session.scalars(select(Device.source).distinct()))


class Standing(NamedTuple):
    """A device as it stands, in plain columns."""

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
    hours_as_written: str | None
    entry: Entry
    how_to_get_in_en: str | None
    how_to_get_in_zh: str | None
    cabinet: Cabinet
    maker: str | None
    model: str | None
    serial: str | None
    keeper_name: str | None
    keeper_phone: str | None
    audience: Audience
    state: DeviceState
    out_of_service_reason: str | None
    last_checked_on: date | None
    origins: dict[str, Any]


def standing_devices(session: Session, device_ids: Collection[int]) -> dict[int, Standing]:
    """These devices as they stand.

    visibility: for an administrator's import.
    """
    if not device_ids:
        return {}
    columns = [
        _STANDING[name] if name in _STANDING else getattr(Device, name).label(name)
        for name in Standing._fields
    ]
    statement = (
        select(*columns)
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Person, Person.id == Device.keeper_id)
        .where(Device.id.in_(device_ids))
    )
    return {row.id: Standing(*row) for row in session.execute(statement)}


_STANDING: Mapping[str, ColumnElement[Any]] = {
    "lat": latitude(Device.position).label("lat"),
    "lon": longitude(Device.position).label("lon"),
    "region": Region.code.label("region"),
    "keeper_name": Person.name.label("keeper_name"),
    "keeper_phone": Person.phone.label("keeper_phone"),
}


def fitted_expiry(
    session: Session, device_ids: Collection[int]
) -> dict[int, dict[ConsumableKind, list[date]]]:
    """When what is fitted in these devices expires, soonest first.

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
    """Those that are registered from now on have higher ids.

    visibility: for an administrator's import.
    """
    return session.scalar(select(func.max(Device.id))) or 0


def devices_near(
    session: Session, places: Sequence[Position], *, within_metres: float, not_of: str, up_to_id: int
) -> list[tuple[int, int]]:
    """(number of the place, id) of devices there that are not withdrawn and not of that source.

    visibility: for an administrator's import.
    """
    theirs = select(SourceRecord.device_id).where(
        SourceRecord.device_id == Device.id, SourceRecord.source == not_of
    )
    where = and_(
        Device.source != not_of,
        Device.state != DeviceState.WITHDRAWN,
        Device.id <= up_to_id,
        ~theirs.exists(),
    )
    return ids_near_each(session, places, Device.position, within_metres=within_metres, where=where)
