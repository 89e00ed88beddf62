"""Create and amend many devices from imported lists, in few statements."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, require_administrator, require_estate_manager
from aed.accounts.regions.queries import region_by_code
from aed.database.bulk import insert_many, reserve_ids
from aed.database.geometry import point
from aed.errors import Conflict, InvalidInput, NotFound
from aed.registry.changes import (
    PutOutcome,
    changes_of,
    flush_or_conflict,
    record_amendment,
    record_creations,
    record_note,
)
from aed.registry.devices.actions import checked_reason, put_fields, put_origins
from aed.registry.devices.loans import PLACE_INPUTS, end_loan, follow_place
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.origins import Origin, Origins
from aed.registry.devices.rules import ConsumableKind, ConsumableState, DeviceState
from aed.registry.devices.schemas import DeviceAmend, DeviceIn, KeeperIn
from aed.registry.estates.models import Estate
from aed.registry.estates.placement import require_active_estate, require_near_estate


@dataclass(frozen=True, slots=True)
class ImportedDevice:
    """A device of an imported list. Fields that are not set in `device` stay as they are."""

    device: DeviceIn
    expiry: Mapping[ConsumableKind, date]
    """Expiry dates of the fitted consumables."""
    is_withdrawn: bool = False
    device_id: int | None = None
    """The id of the device; None: a new one."""
    origins: Origins | None = None
    """Origins of its attributes; None: all given ones come from `device.source`, now."""


def save_devices(
    session: Session,
    who: Viewer,
    given: Sequence[ImportedDevice],
    *,
    region: str | None = None,
    at: datetime,
) -> list[tuple[int, PutOutcome]]:
    """Create or amend devices; return (id, outcome) in the order of `given`.

    `given` must not contain a device twice. `estate_id` and `region` are replaced together if either is
    given; `region` is the default for new devices that have neither. Raises NotAllowed for a device of an
    estate that the viewer does not manage, and the errors of `create_device`; the caller must then roll back.
    """
    known = _find_known(session, given, region)
    if not who.is_administrator:
        _require_managed(who, given, known)
    else:
        require_administrator(who)
    amended = iter(_amend(session, who, [each for each in given if each.device_id is not None], known, at))
    added = iter(_add(session, who, [each for each in given if each.device_id is None], known, at))
    return [
        (next(added), PutOutcome.NEW) if each.device_id is None else (each.device_id, next(amended))
        for each in given
    ]


@dataclass(frozen=True, slots=True)
class _RegisteredDevices:
    """The registered devices of a list, with the rows that they refer to."""

    devices: Mapping[int, Device]
    estates: Mapping[int, Estate]
    region_ids: Mapping[str, int]
    default_region_id: int | None
    """The region of new devices that name none."""
    keepers: Mapping[tuple[str, str | None], Person]

    def belonging(self, given: DeviceIn, device: Device | None) -> tuple[int, Estate | None]:
        """Return the region and the estate; those of the registered device if none are given."""
        if given.estate_id is not None:
            estate = self.estates.get(given.estate_id)
            if estate is None:
                raise NotFound(
                    "Estate {estate_id} does not exist.", field="estate", estate_id=given.estate_id
                )
            if device is None or device.estate_id != estate.id:
                require_active_estate(estate)
            return estate.region_id, estate
        if given.region is not None:
            return self.region_ids[given.region], None
        if device is not None:
            return device.region_id, self.estates.get(device.estate_id or 0)
        if self.default_region_id is None:
            raise InvalidInput("Give the estate or the region that the device belongs to.", field="region")
        return self.default_region_id, None


def _require_managed(who: Viewer, given: Sequence[ImportedDevice], known: _RegisteredDevices) -> None:
    """Require that the viewer manages the estate of each device, before and after."""
    for each in given:
        device = known.devices.get(each.device_id or 0)
        region_id, estate = known.belonging(each.device, device)
        require_estate_manager(who, estate.id if estate is not None else None, region_id=region_id)
        if device is not None:
            require_estate_manager(who, device.estate_id, region_id=device.region_id)


def _find_known(session: Session, given: Sequence[ImportedDevice], region: str | None) -> _RegisteredDevices:
    ids = [each.device_id for each in given if each.device_id is not None]
    devices: dict[int, Device] = {}
    if ids:
        found = session.scalars(
            # visibility: for an administrator, see put_devices
            select(Device).where(Device.id.in_(ids)).options(joinedload(Device.keeper))
        )
        devices = {device.id: device for device in found}
    estate_ids = {each.device.estate_id for each in given} | {each.estate_id for each in devices.values()}
    estate_ids.discard(None)
    estates: Sequence[Estate] = []
    if estate_ids:
        # visibility: for an administrator, see put_devices
        estates = session.scalars(select(Estate).where(Estate.id.in_(estate_ids))).all()
    regions = sorted({each.device.region for each in given if each.device.region is not None})
    return _RegisteredDevices(
        devices=devices,
        estates={estate.id: estate for estate in estates},
        region_ids={code: region_by_code(session, code).id for code in regions},
        default_region_id=region_by_code(session, region).id if region is not None else None,
        keepers=people_actions.find_or_add_people(
            session,
            [
                (each.device.keeper.name, each.device.keeper.phone)
                for each in given
                if each.device.keeper is not None
                and not _is_kept(devices.get(each.device_id or 0), each.device.keeper)
            ],
        ),
    )


def _is_kept(device: Device | None, keeper: KeeperIn) -> bool:
    """Return True if the device has that keeper already, and no phone number is given."""
    return (
        keeper.phone is None
        and device is not None
        and device.keeper is not None
        and device.keeper.name == keeper.name
    )


def withdraw_duplicate(session: Session, who: Viewer, device_id: int, *, same_as: int, at: datetime) -> None:
    """Withdraw a device as a duplicate of another, which its history names."""
    require_administrator(who)
    superfluous = session.get_one(Device, device_id)  # visibility: for an administrator
    end_loan(session, who, superfluous, at=at)
    superfluous.state, superfluous.out_of_service_reason = DeviceState.WITHDRAWN, None
    record_amendment(session, who, superfluous, at=at)
    record_note(session, who, superfluous, {"same_device_as": [None, same_as]}, at=at)
    flush_or_conflict(session, "The device cannot be withdrawn.", None)


def mark_distinct(session: Session, who: Viewer, device_id: int, *, at: datetime) -> None:
    """Restore a device that was withdrawn as a duplicate to its earlier state.

    A device that was withdrawn for another reason stays withdrawn.
    """
    require_administrator(who)
    duplicate = session.get_one(Device, device_id)  # visibility: for an administrator
    history = changes_of(session, subject=Device.__tablename__, subject_id=str(device_id))
    is_merged = bool(history) and "same_device_as" in history[0].fields
    if duplicate.state is not DeviceState.WITHDRAWN or not is_merged:
        return
    withdrawn, same_device_as = history[1].fields, history[0].fields["same_device_as"]
    duplicate.state = DeviceState(withdrawn["state"][0])
    duplicate.out_of_service_reason = withdrawn.get("out_of_service_reason", (None,))[0]
    record_amendment(session, who, duplicate, at=at)
    record_note(session, who, duplicate, {"same_device_as": [same_device_as[1], None]}, at=at)
    flush_or_conflict(session, "The device cannot be restored.", None)


# --- New devices ----------------------------------------------------------------------------------------


def _add(
    session: Session, who: Viewer, given: Sequence[ImportedDevice], known: _RegisteredDevices, at: datetime
) -> list[int]:
    """Insert devices, consumables and their changes in bulk, without the ORM."""
    ids = reserve_ids(session, Device, len(given)) if given else []
    rows = [_row(device_id, each, known, at) for device_id, each in zip(ids, given, strict=True)]
    fitted = [
        (device_id, kind, day)
        for device_id, each in zip(ids, given, strict=True)
        for kind, day in each.expiry.items()
    ]
    keys = reserve_ids(session, Consumable, len(fitted)) if fitted else []
    consumables = [
        {
            "id": key,
            "device_id": device_id,
            "kind": kind,
            "lot": None,
            "expires_on": day,
            "state": ConsumableState.FITTED,
            "version": 1,
        }
        for key, (device_id, kind, day) in zip(keys, fitted, strict=True)
    ]
    try:
        insert_many(session, Device, rows)
        insert_many(session, Consumable, consumables)
    except IntegrityError:
        taken = (
            "One of these devices is already registered for its source, or has values that cannot be stored."
        )
        raise Conflict(taken, field="source_id") from None
    record_creations(session, who, Device, rows, at=at)
    record_creations(session, who, Consumable, consumables, at=at)
    return ids


_PLAIN = sorted(
    set(DeviceAmend.model_fields) - {"position", "storey", "keeper", "state", "out_of_service_reason"}
)
"""Fields that are stored under the same name, unchanged."""


def _row(device_id: int, given: ImportedDevice, known: _RegisteredDevices, at: datetime) -> dict[str, Any]:
    new = given.device
    region_id, estate = known.belonging(new, None)
    here = new.position.position()
    if estate is not None:
        require_near_estate(estate, here, new.position)
    keeper = known.keepers[new.keeper.name, new.keeper.phone] if new.keeper is not None else None
    state = DeviceState.WITHDRAWN if given.is_withdrawn else new.state
    origins = given.origins or Origins({}, Origin(new.source, at))
    return {
        "id": device_id,
        "source": new.source,
        "source_id": new.source_id or str(uuid.uuid4()),
        "region_id": region_id,
        "estate_id": estate.id if estate is not None else None,
        "position": point(here),
        "origin_datum": new.position.datum,
        "origin_lat": new.position.lat,
        "origin_lon": new.position.lon,
        **{name: getattr(new, name) for name in _PLAIN},
        "keeper_id": keeper.id if keeper is not None else None,
        "state": state,
        "out_of_service_reason": checked_reason(state, new.out_of_service_reason),
        "origins": origins.as_json(),
        "version": 1,
    }


# --- Registered devices ---------------------------------------------------------------------------------


def _amend(
    session: Session, who: Viewer, given: Sequence[ImportedDevice], known: _RegisteredDevices, at: datetime
) -> list[PutOutcome]:
    devices = [known.devices[each.device_id or 0] for each in given]
    outcomes: list[PutOutcome] = []
    for each, device in zip(given, devices, strict=True):
        if each.is_withdrawn:
            end_loan(session, who, device, at=at)
        _amend_from_list(session, device, each.device, known)
        if each.is_withdrawn:
            device.state, device.out_of_service_reason = DeviceState.WITHDRAWN, None
        outcomes.append(record_amendment(session, who, device, at=at))
    flush_or_conflict(
        session,
        "One of these devices is already registered for its source, or has values that cannot be stored.",
        "source_id",
    )
    for device in devices:
        follow_place(session, who, device, at=at)
    for number in _put_expiry(session, who, given, devices, at):
        outcomes[number] = PutOutcome.CHANGED
    for each, device in zip(given, devices, strict=True):
        if each.origins is not None:
            put_origins(session, device, each.origins)
    return outcomes


def _amend_from_list(session: Session, device: Device, given: DeviceIn, known: _RegisteredDevices) -> None:
    names = given.model_fields_set & set(DeviceAmend.model_fields) - {"keeper"}
    if device.loaner_id is not None or device.stands_in_for_id is not None:  # lists know nothing of loans
        names -= {"state", "out_of_service_reason"}
    if device.stands_in_for_id is not None:
        put_fields(session, device, given, names - PLACE_INPUTS, None)
        return
    device.region_id, estate = known.belonging(given, device)
    device.estate_id = estate.id if estate is not None else None
    put_fields(session, device, given, names, estate)
    if "keeper" in given.model_fields_set and given.keeper is None:
        device.keeper, device.keeper_id = None, None
    elif given.keeper is not None and not _is_kept(device, given.keeper):
        device.keeper = known.keepers[given.keeper.name, given.keeper.phone]
        device.keeper_id = device.keeper.id


def _put_expiry(
    session: Session, who: Viewer, given: Sequence[ImportedDevice], devices: Sequence[Device], at: datetime
) -> set[int]:
    """Set the expiry dates of fitted consumables; return the indexes in `given` of the changed devices."""
    if not any(each.expiry for each in given):
        return set()
    fitted = fitted_consumables(session, [device.id for device in devices])
    changed: set[int] = set()
    added: list[dict[str, Any]] = []
    for number, (each, device) in enumerate(zip(given, devices, strict=True)):
        for kind, day in each.expiry.items():
            items = fitted.get((device.id, kind), [])
            if any(item.expires_on == day for item in items):
                continue
            changed.add(number)
            if items:
                items[0].expires_on = day
                record_amendment(session, who, items[0], at=at)
            else:
                state = ConsumableState.FITTED
                added.append({"device_id": device.id, "kind": kind, "expires_on": day, "state": state})
    flush_or_conflict(session, "The consumables cannot be changed to these values.", None)
    keys = reserve_ids(session, Consumable, len(added)) if added else []
    rows = [{"id": key, "lot": None, "version": 1, **row} for key, row in zip(keys, added, strict=True)]
    insert_many(session, Consumable, rows)
    record_creations(session, who, Consumable, rows, at=at)
    return changed


def fitted_consumables(
    session: Session, device_ids: Sequence[int]
) -> dict[tuple[int, ConsumableKind], list[Consumable]]:
    """Return the fitted consumables of these devices by kind, soonest to expire first.

    visibility: for an administrator, see put_devices.
    """
    found: dict[tuple[int, ConsumableKind], list[Consumable]] = {}
    for consumable in session.scalars(
        select(Consumable)
        .where(Consumable.device_id.in_(device_ids), Consumable.state == ConsumableState.FITTED)
        .order_by(Consumable.expires_on, Consumable.id)
    ):
        found.setdefault((consumable.device_id, consumable.kind), []).append(consumable)
    return found
