"""Creating, amending and withdrawing devices and their consumables."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts import actions as accounts
from aed.accounts import queries as accounts_queries
from aed.accounts.models import Person
from aed.accounts.rules import Viewer, may_administer, may_write_estate
from aed.errors import InvalidInput, NotFound
from aed.registry import queries
from aed.registry.actions.place import belongs_to, still_served
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
        still_served(estate)
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


@dataclass(frozen=True, slots=True)
class DeviceGiven:
    """A device as a source tells of it. What is not given in `device` stays as it is."""

    device: DeviceIn
    expiry: Mapping[ConsumableKind, date]
    """When what is fitted expires."""
    is_withdrawn: bool = False


def put_devices(
    session: Session,
    who: Viewer,
    given: Sequence[DeviceGiven],
    *,
    region: str | None = None,
    at: datetime,
) -> list[Outcome]:
    """The sources' devices are as given: each created, amended, or left alone. In few statements for many.

    `given` names no device twice. Where a device belongs (`estate_id`, `region`) is one thing: given, it is
    replaced as a whole; `region` is where new ones belong that say neither. Raises what `create_device`
    raises, and then nothing of `given` may be kept.

    1. Read what stands of them, and what they refer to.
    2. Put the fields on the devices; what was new is recorded once it has its id.
    3. The same for what expires.
    """
    may_administer(who)
    standing = _standing(session, [each.device for each in given], region)
    outcomes, devices, made = [], [], []
    for each in given:
        device = standing.devices.get((each.device.source, each.device.source_id))
        if device is None:
            device = _new_device(session, each.device, standing)
            made.append(device)
            outcomes.append(Outcome.NEW)
        else:
            _put_again(session, device, each.device, standing)
            outcomes.append(Outcome.UNCHANGED)
        if each.is_withdrawn:
            device.state, device.out_of_service_reason = DeviceState.WITHDRAWN, None
        if outcomes[-1] is not Outcome.NEW:
            outcomes[-1] = record_amendment(session, who, device, at=at)
        devices.append(device)
    flush(session, "A source has one of these devices already, or it cannot be amended so.", "source_id")
    for device in made:
        record_new(session, who, device, at=at)
    fitted = _fitted(session, devices)
    new_consumables: list[Consumable] = []
    for number, (each, device) in enumerate(zip(given, devices, strict=True)):
        for kind, day in each.expiry.items():
            items = fitted.get((device.id, kind), [])
            if any(item.expires_on == day for item in items):
                continue
            if items:
                items[0].expires_on = day
                record_amendment(session, who, items[0], at=at)
            else:
                new = Consumable(device_id=device.id, kind=kind, expires_on=day, state=ConsumableState.FITTED)
                session.add(new)
                new_consumables.append(new)
            if outcomes[number] is Outcome.UNCHANGED:
                outcomes[number] = Outcome.CHANGED
    flush(session, "The consumables cannot be amended so.", None)
    for consumable in new_consumables:
        record_new(session, who, consumable, at=at)
    session.flush()
    return outcomes


@dataclass(frozen=True, slots=True)
class _Standing:
    """What stands of a list of devices, and what they refer to."""

    devices: Mapping[tuple[str, str | None], Device]
    estates: Mapping[int, Estate]
    region_ids: Mapping[str, int]
    default_region_id: int | None
    """Where new devices belong that do not say."""
    keepers: Mapping[tuple[str, str | None], Person]


def _standing(session: Session, given: Sequence[DeviceIn], region: str | None) -> _Standing:
    names: dict[str, list[str]] = {}
    for each in given:
        if each.source_id is not None:
            names.setdefault(each.source, []).append(each.source_id)
    devices = [
        device
        for source, source_ids in names.items()
        for device in session.scalars(
            select(Device)  # visibility: for an administrator, see put_devices
            .where(Device.source == source, Device.source_id.in_(source_ids))
            .options(joinedload(Device.keeper))
        )
    ]
    estate_ids = {each.estate_id for each in given} | {device.estate_id for device in devices}
    estates = session.scalars(
        # visibility: for an administrator, see put_devices
        select(Estate).where(Estate.id.in_([found for found in estate_ids if found is not None]))
    ).all()
    by_identity: dict[tuple[str, str | None], Device] = {
        (device.source, device.source_id): device for device in devices
    }
    return _Standing(
        devices=by_identity,
        estates={estate.id: estate for estate in estates},
        region_ids={
            code: accounts_queries.region_by_code(session, code).id
            for code in sorted({each.region for each in given if each.region is not None})
        },
        default_region_id=accounts_queries.region_by_code(session, region).id if region is not None else None,
        keepers=accounts.people(
            session,
            [
                (each.keeper.name, each.keeper.phone)
                for each in given
                if each.keeper is not None
                and not _is_kept(by_identity.get((each.source, each.source_id)), each.keeper)
            ],
        ),
    )


def _new_device(session: Session, new: DeviceIn, standing: _Standing) -> Device:
    device = Device(source=new.source, source_id=new.source_id or str(uuid.uuid4()))
    _put_belonging(device, new, standing)
    estate = standing.estates.get(device.estate_id) if device.estate_id is not None else None
    _put_fields(session, device, new, set(DeviceAmend.model_fields) - {"keeper"}, estate)
    _put_known_keeper(device, new, standing)
    session.add(device)
    return device


def _put_again(session: Session, device: Device, given: DeviceIn, standing: _Standing) -> None:
    _put_belonging(device, given, standing)
    estate = standing.estates.get(device.estate_id) if device.estate_id is not None else None
    _put_fields(
        session, device, given, given.model_fields_set & set(DeviceAmend.model_fields) - {"keeper"}, estate
    )
    if given.keeper is not None and not _is_kept(device, given.keeper):
        _put_known_keeper(device, given, standing)


def _put_belonging(device: Device, given: DeviceIn, standing: _Standing) -> None:
    """To an estate and thereby its region, or to a region alone; as before when neither is given."""
    if given.estate_id is not None:
        estate = standing.estates.get(given.estate_id)
        if estate is None:
            raise NotFound(f"There is no estate {given.estate_id}.", field="estate")
        if device.estate_id != estate.id:
            still_served(estate)
        device.estate_id, device.region_id = estate.id, estate.region_id
    elif given.region is not None:
        device.estate_id, device.region_id = None, standing.region_ids[given.region]
    elif device.region_id is None and standing.default_region_id is not None:
        device.region_id = standing.default_region_id
    elif device.region_id is None:
        raise InvalidInput("Say where it belongs: an estate, or a region.", field="region")


def _is_kept(device: Device | None, keeper: KeeperIn) -> bool:
    """Whether the device has that keeper already, of whom no phone is given now."""
    return (
        keeper.phone is None
        and device is not None
        and device.keeper is not None
        and device.keeper.name == keeper.name
    )


def _put_known_keeper(device: Device, given: DeviceIn, standing: _Standing) -> None:
    keeper = standing.keepers[given.keeper.name, given.keeper.phone] if given.keeper is not None else None
    device.keeper = keeper
    device.keeper_id = keeper.id if keeper is not None else None


def _fitted(
    session: Session, devices: Sequence[Device]
) -> dict[tuple[int, ConsumableKind], list[Consumable]]:
    """What is fitted in these devices, by kind, soonest to expire first.

    visibility: for an administrator, see put_devices.
    """
    found: dict[tuple[int, ConsumableKind], list[Consumable]] = {}
    for consumable in session.scalars(
        select(Consumable)
        .where(
            Consumable.device_id.in_([device.id for device in devices]),
            Consumable.state == ConsumableState.FITTED,
        )
        .order_by(Consumable.expires_on, Consumable.id)
    ):
        found.setdefault((consumable.device_id, consumable.kind), []).append(consumable)
    return found


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
    if "keeper" in names:
        # First of all: asking for the person would flush what is amended already, past the record.
        _put_keeper(session, device, given.keeper)
    if "position" in names and given.position is not None:
        _put_position(device, given.position, estate)
    for name in names - {"position", "keeper"}:
        setattr(device, name, getattr(given, name))
    if device.state is DeviceState.OUT_OF_SERVICE:
        if not device.out_of_service_reason:
            raise InvalidInput("Say why it is out of service.", field="out_of_service_reason")
    elif "out_of_service_reason" in names and given.out_of_service_reason:
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
