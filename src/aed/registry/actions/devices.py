"""Creating, amending and withdrawing devices and their consumables."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts import actions as accounts
from aed.accounts import queries as accounts_queries
from aed.accounts.rules import Viewer, may_administer, may_write_estate
from aed.errors import InvalidInput
from aed.registry import queries
from aed.registry.actions.place import belongs_to
from aed.registry.actions.record import (
    Outcome,
    flush,
    none_only_where_allowed,
    record_amendment,
    record_new,
    same_version,
)
from aed.registry.models import Consumable, Device, Estate
from aed.registry.rules.device import ConsumableKind, ConsumableState, DeviceState
from aed.registry.schemas.devices import ConsumableAmend, ConsumableIn, DeviceAmend, DeviceIn, KeeperIn
from aed.registry.schemas.fields import PositionIn
from aed.spatial import point, position_of


def create_device(session: Session, who: Viewer, new: DeviceIn, *, at: datetime) -> Device:
    """A new device. Raises Conflict when its source knows it already."""
    may_write_estate(who, new.estate_id)
    estate = queries.estate(session, who, new.estate_id) if new.estate_id is not None else None
    if estate is not None:
        region_id = estate.region_id
    elif new.region is not None:
        region_id = accounts_queries.region_by_code(session, new.region).id
    else:
        raise InvalidInput("Say where it belongs: estate_id, or region.", field="region")
    device = Device(
        source=new.source,
        source_id=new.source_id or str(uuid.uuid4()),
        region_id=region_id,
        estate_id=new.estate_id,
    )
    _put_fields(session, device, new, set(DeviceAmend.model_fields), estate)
    session.add(device)
    flush(session, f"The source '{device.source}' has a device '{device.source_id}' already.", "source_id")
    record_new(session, who, device, at=at)
    return device


def put_device(
    session: Session,
    who: Viewer,
    given: DeviceIn,
    *,
    expiry: Mapping[ConsumableKind, date],
    is_withdrawn: bool = False,
    at: datetime,
) -> Outcome:
    """The source's device is as given, its consumables expire as given: created, amended, or left alone.

    What is not given stays as it is.
    """
    may_administer(who)
    device = session.scalar(
        select(Device)  # visibility: an administrator's
        .where(Device.source == given.source, Device.source_id == given.source_id)
        .options(joinedload(Device.keeper))
    )
    if device is None:
        device = create_device(session, who, given, at=at)
        outcome = Outcome.NEW
    else:
        estate = queries.estate(session, who, given.estate_id) if given.estate_id is not None else None
        device.estate_id = given.estate_id
        device.region_id = (
            estate.region_id
            if estate is not None
            else accounts_queries.region_by_code(session, given.region).id
            if given.region is not None
            else device.region_id
        )
        names = given.model_fields_set & set(DeviceAmend.model_fields)
        if device.state is DeviceState.WITHDRAWN and not is_withdrawn:
            device.state = DeviceState.IN_SERVICE
        _put_fields(session, device, given, names, estate)
        outcome = record_amendment(session, who, device, at=at)
        flush(session, "The device cannot be amended so.", None)
    if is_withdrawn and device.state is not DeviceState.WITHDRAWN:
        withdraw_device(session, who, device.id, version=device.version, at=at)
        outcome = Outcome.NEW if outcome is Outcome.NEW else Outcome.CHANGED
    for kind, day in expiry.items():
        if _put_expiry(session, who, device, kind, day, at=at) and outcome is Outcome.UNCHANGED:
            outcome = Outcome.CHANGED
    return outcome


def _put_expiry(
    session: Session, who: Viewer, device: Device, kind: ConsumableKind, expires_on: date, *, at: datetime
) -> bool:
    """What of that kind is fitted expires on that day. True when that changed something."""
    fitted = session.scalars(
        select(Consumable)
        .where(
            Consumable.device_id == device.id,
            Consumable.kind == kind,
            Consumable.state == ConsumableState.FITTED,
        )
        .order_by(Consumable.expires_on)
    ).all()
    if any(item.expires_on == expires_on for item in fitted):
        return False
    if fitted:
        fitted[0].expires_on = expires_on
        record_amendment(session, who, fitted[0], at=at)
        flush(session, "The consumable cannot be amended so.", None)
    else:
        fit_consumable(session, who, device.id, ConsumableIn(kind=kind, expires_on=expires_on), at=at)
    return True


def amend_device(
    session: Session, who: Viewer, device_id: int, change: DeviceAmend, *, version: int, at: datetime
) -> Device:
    """What is given in `change` holds from now on.

    Raises ChangedMeanwhile when `version` is not the present one.
    """
    device = queries.device(session, who, device_id)
    may_write_estate(who, device.estate_id)
    same_version(device, version)
    estate = queries.estate(session, who, device.estate_id) if device.estate_id is not None else None
    none_only_where_allowed(device, change, change.model_fields_set)
    _put_fields(session, device, change, set(change.model_fields_set), estate)
    record_amendment(session, who, device, at=at)
    flush(session, "The device cannot be amended so.", None)
    return device


def withdraw_device(session: Session, who: Viewer, device_id: int, *, version: int, at: datetime) -> Device:
    """The device is no longer there. Its history stays."""
    device = queries.device(session, who, device_id)
    may_write_estate(who, device.estate_id)
    same_version(device, version)
    device.state, device.out_of_service_reason = DeviceState.WITHDRAWN, None
    record_amendment(session, who, device, at=at)
    flush(session, "The device cannot be withdrawn.", None)
    return device


def _put_fields(
    session: Session, device: Device, given: DeviceIn | DeviceAmend, names: set[str], estate: Estate | None
) -> None:
    """Puts the named fields of `given` on the device."""
    if "position" in names and given.position is not None:
        _put_position(device, given.position, estate)
    if "keeper" in names:
        _put_keeper(session, device, given.keeper)
    for name in names - {"position", "keeper"}:
        setattr(device, name, getattr(given, name))
    if device.state is DeviceState.OUT_OF_SERVICE:
        if not device.out_of_service_reason:
            raise InvalidInput("Say why it is out of service.", field="out_of_service_reason")
    elif "out_of_service_reason" in names and given.out_of_service_reason and "state" not in names:
        raise InvalidInput("A reason belongs to state 'out_of_service'.", field="out_of_service_reason")
    else:
        device.out_of_service_reason = None


def _put_position(device: Device, given: PositionIn, estate: Estate | None) -> None:
    here = given.position()
    if estate is not None:
        belongs_to(estate, here, given)
    if device.id is None or position_of(device.position) != here:
        device.position = point(here)
    device.origin_datum, device.origin_lat, device.origin_lon = given.datum, given.lat, given.lon


def _put_keeper(session: Session, device: Device, keeper: KeeperIn | None) -> None:
    device.keeper = accounts.person(session, name=keeper.name, phone=keeper.phone) if keeper else None
    device.keeper_id = device.keeper.id if device.keeper else None


def fit_consumable(
    session: Session, who: Viewer, device_id: int, new: ConsumableIn, *, at: datetime
) -> Consumable:
    """Pads or a battery are in the device from now on."""
    device = queries.device(session, who, device_id)
    may_write_estate(who, device.estate_id)
    consumable = Consumable(
        device_id=device.id,
        kind=new.kind,
        lot=new.lot,
        expires_on=new.expires_on,
        state=ConsumableState.FITTED,
    )
    session.add(consumable)
    session.flush()
    record_new(session, who, consumable, at=at)
    return consumable


def amend_consumable(
    session: Session, who: Viewer, consumable_id: int, change: ConsumableAmend, *, version: int, at: datetime
) -> Consumable:
    consumable, device = queries.consumable(session, who, consumable_id)
    may_write_estate(who, device.estate_id)
    same_version(consumable, version)
    none_only_where_allowed(consumable, change, change.model_fields_set)
    for name in change.model_fields_set:
        setattr(consumable, name, getattr(change, name))
    record_amendment(session, who, consumable, at=at)
    flush(session, "The consumable cannot be amended so.", None)
    return consumable


def withdraw_consumable(
    session: Session, who: Viewer, consumable_id: int, *, version: int, at: datetime
) -> Consumable:
    """It is no longer in the device."""
    consumable, device = queries.consumable(session, who, consumable_id)
    may_write_estate(who, device.estate_id)
    same_version(consumable, version)
    consumable.state = ConsumableState.WITHDRAWN
    record_amendment(session, who, consumable, at=at)
    flush(session, "The consumable cannot be withdrawn.", None)
    return consumable
