"""Create, amend and withdraw devices and their consumables, and record the source of each attribute."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from aed.accounts.people import actions as people_actions
from aed.accounts.permissions import Viewer, require_estate_manager, require_keeper
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
from aed.database.geometry import point, position_of
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput, NotAllowed
from aed.registry.changes import (
    amended_fields,
    flush_or_conflict,
    record_amendment,
    record_creation,
    require_not_null,
)
from aed.registry.devices import queries as device_queries
from aed.registry.devices.loans import PLACE_INPUTS, end_loan, follow_place, require_not_lent
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.origins import BY_HAND, Origin, Origins, attributes_of, origins_in
from aed.registry.devices.rules import EXPIRY, ConsumableState, DeviceState
from aed.registry.devices.schemas import ConsumableAmend, ConsumableIn, DeviceAmend, DeviceIn, KeeperIn
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.estates.placement import require_active_estate, require_near_estate
from aed.registry.fields import PositionIn
from aed.registry.storeys import floor_from_storey
from aed.sharing.shares import actions as share_actions


def record_manual_origin(
    session: Session, device: Device, attributes: Iterable[str], *, at: datetime
) -> None:
    """Record that a person entered these attributes now."""
    named = list(attributes)
    if named:
        origins = origins_in(device.origins, device.source)
        put_origins(session, device, origins.with_(named, Origin(BY_HAND, at)))


def put_origins(session: Session, device: Device, origins: Origins) -> None:
    """Set the sources of a device's attributes. This does not change the device's version."""
    kept = origins.as_json()
    if device.origins == kept:
        return
    session.flush()
    session.execute(
        update(Device)
        .where(Device.id == device.id)
        .values(origins=kept)
        .execution_options(synchronize_session=False)
    )
    set_committed_value(device, "origins", kept)


def create_device(session: Session, who: Viewer, new: DeviceIn, *, at: datetime) -> Device:
    """Create a device. Raises Conflict if its source id is taken."""
    estate, region_id = _estate_and_region(session, who, new)
    device = Device(
        source=new.source,
        source_id=new.source_id or str(uuid.uuid4()),
        region_id=region_id,
        estate_id=new.estate_id,
        origins=Origins({}, Origin(new.source, at)).as_json(),
    )
    given = _with_floor(session, new, region_id)
    put_fields(session, device, given, set(DeviceAmend.model_fields) - {"storey"}, estate)
    session.add(device)
    flush_or_conflict(
        session, f"The source '{device.source}' already has a device '{device.source_id}'.", "source_id"
    )
    record_creation(session, who, device, at=at)
    share_actions.record_by_register(session, who, device_id=device.id, at=at)
    return device


def _estate_and_region(session: Session, who: Viewer, new: DeviceIn) -> tuple[Estate | None, int]:
    """Return the estate (if any) and the region of a new device. Raises NotAllowed, NotFound."""
    if who.person_id is None:
        require_keeper(who, new.estate_id)  # first, so that strangers do not learn what estates exist
    elif not who.role_assignments:
        raise NotAllowed("Only keepers, estate managers and administrators can register a device.")
    if new.estate_id is not None:
        estate = estate_queries.estate(session, who, new.estate_id)
        require_keeper(who, estate.id, region_id=estate.region_id)
        require_active_estate(estate)
        return estate, estate.region_id
    if new.region is None:
        raise InvalidInput("Give estate_id or region.", field="region")
    region_id = region_by_code(session, new.region).id
    require_keeper(who, None, region_id=region_id)
    return None, region_id


_ACCESS_FIELDS: Final = frozenset(
    {"entry", "opening_hours", "access_instructions_en", "access_instructions_zh", "cabinet"}
)
"""Amending one of these fields clears a doubt about access."""


def amend_device(
    session: Session, who: Viewer, device_id: int, change: DeviceAmend, *, version: int, at: datetime
) -> Device:
    """Amend a device with the given fields.

    Raises ChangedMeanwhile if `version` is not the current one.
    """
    device = device_queries.device(session, who, device_id)
    require_keeper(who, device.estate_id, region_id=device.region_id)
    require_version(device, version)
    if device.is_quarantined and change.model_fields_set & {"state", "out_of_service_reason"}:
        raise Conflict(
            "The device is quarantined ({out_of_service_reason}): only a check that "
            "resolves this returns it to service.",
            field="state",
            out_of_service_reason=device.out_of_service_reason,
        )
    require_not_lent(device, change.model_fields_set)
    if device.agreement_id is not None and change.audience not in (None, device.audience):
        raise Conflict(
            "The audience of this device is decided by the parties of agreement {agreement_id}. Amend, "
            "supersede or withdraw that agreement.",
            field="audience",
            agreement_id=device.agreement_id,
        )
    estate = estate_queries.estate(session, who, device.estate_id) if device.estate_id is not None else None
    change = _with_floor(session, change, device.region_id)
    require_not_null(device, change, change.model_fields_set)
    put_fields(session, device, change, set(change.model_fields_set), estate)
    if change.model_fields_set & _ACCESS_FIELDS:
        device.access_doubted_at = None
    amended = amended_fields(device)
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be changed to these values.", None)
    record_manual_origin(session, device, attributes_of(amended), at=at)
    if "audience" in amended:
        share_actions.record_by_register(session, who, device_id=device.id, at=at)
    if change.model_fields_set & PLACE_INPUTS:
        follow_place(session, who, device, at=at)
    return device


def _with_floor[Given: (DeviceIn, DeviceAmend)](session: Session, given: Given, region_id: int) -> Given:
    """Return the input with `floor` set from `storey`. Raises InvalidInput if they contradict."""
    if given.storey is None:
        return _without_storey(given)
    floor = floor_from_storey(
        floor=given.floor if "floor" in given.model_fields_set else None,
        storey=given.storey,
        room=None,
        counts_ground_as_one=session.get_one(Region, region_id).counts_ground_as_one,
    )
    return _without_storey(given.model_copy(update={"floor": floor}))


def _without_storey[Given: (DeviceIn, DeviceAmend)](given: Given) -> Given:
    found = given.model_copy()
    found.model_fields_set.discard("storey")
    return found


def withdraw_device(session: Session, who: Viewer, device_id: int, *, version: int, at: datetime) -> Device:
    """Withdraw a device; its history stays. A loan of it ends."""
    device = device_queries.device(session, who, device_id)
    require_estate_manager(who, device.estate_id, region_id=device.region_id)
    require_version(device, version)
    end_loan(session, who, device, at=at)
    device.state, device.out_of_service_reason = DeviceState.WITHDRAWN, None
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be withdrawn.", None)
    record_manual_origin(session, device, ["state"], at=at)
    return device


def put_fields(
    session: Session, device: Device, given: DeviceIn | DeviceAmend, names: set[str], estate: Estate | None
) -> None:
    """Set the named fields of the device from `given`."""
    if "keeper" in names:
        # This must come first: loading the person flushes pending changes before they are recorded.
        _put_keeper(session, device, given.keeper)
    if "position" in names and given.position is not None:
        _put_position(device, given.position, estate)
    if device.is_quarantined:  # lists know nothing of quarantines
        names = names - {"state", "out_of_service_reason"}
    if device.agreement_id is not None:  # lists know nothing of agreements
        names = names - {"audience"}
    elif "audience" in names and given.audience is not device.audience:
        device.sharing_hours, device.audience_outside_hours = None, None
        device.emergency_override = False
    for name in names - {"position", "keeper", "storey"}:
        setattr(device, name, getattr(given, name))
    reason = device.out_of_service_reason if device.state is DeviceState.OUT_OF_SERVICE else None
    if "out_of_service_reason" in names:
        reason = given.out_of_service_reason
    device.out_of_service_reason = checked_reason(device.state, reason)


def checked_reason(state: DeviceState, reason: str | None) -> str | None:
    """Return the reason for that state. Raises InvalidInput if it is missing, or given for another state."""
    if state is DeviceState.OUT_OF_SERVICE:
        if not reason:
            raise InvalidInput(
                "Give out_of_service_reason for a device that is out of service.",
                field="out_of_service_reason",
            )
        return reason
    if reason:
        raise InvalidInput(
            "out_of_service_reason needs state 'out_of_service'.", field="out_of_service_reason"
        )
    return None


def _put_position(device: Device, given: PositionIn, estate: Estate | None) -> None:
    here = given.position()
    if estate is not None:
        require_near_estate(estate, here, given)
    if device.id is None or position_of(device.position) != here:
        device.position = point(here)
    device.origin_datum, device.origin_lat, device.origin_lon = given.datum, given.lat, given.lon


def _put_keeper(session: Session, device: Device, keeper: KeeperIn | None) -> None:
    device.keeper = (
        people_actions.find_or_add_person(session, name=keeper.name, phone=keeper.phone) if keeper else None
    )
    device.keeper_id = device.keeper.id if device.keeper else None


def fit_consumable(
    session: Session, who: Viewer, device_id: int, new: ConsumableIn, *, at: datetime
) -> Consumable:
    """Add a consumable to a device."""
    device = device_queries.device(session, who, device_id)
    require_keeper(who, device.estate_id, region_id=device.region_id)
    consumable = Consumable(
        device_id=device.id,
        kind=new.kind,
        lot=new.lot,
        expires_on=new.expires_on,
        state=ConsumableState.FITTED,
    )
    session.add(consumable)
    session.flush()
    record_creation(session, who, consumable, at=at)
    record_manual_origin(session, device, [EXPIRY[consumable.kind]], at=at)
    return consumable


def amend_consumable(
    session: Session, who: Viewer, consumable_id: int, change: ConsumableAmend, *, version: int, at: datetime
) -> Consumable:
    consumable, device = device_queries.consumable(session, who, consumable_id)
    require_keeper(who, device.estate_id, region_id=device.region_id)
    require_version(consumable, version)
    require_not_null(consumable, change, change.model_fields_set)
    for name in change.model_fields_set:
        setattr(consumable, name, getattr(change, name))
    record_amendment(session, who, consumable, at=at)
    flush_or_conflict(session, "The consumable cannot be changed to these values.", None)
    record_manual_origin(session, device, [EXPIRY[consumable.kind]], at=at)
    return consumable


def withdraw_consumable(
    session: Session, who: Viewer, consumable_id: int, *, version: int, at: datetime
) -> Consumable:
    """Withdraw a consumable from its device."""
    consumable, device = device_queries.consumable(session, who, consumable_id)
    require_keeper(who, device.estate_id, region_id=device.region_id)
    require_version(consumable, version)
    consumable.state = ConsumableState.WITHDRAWN
    record_amendment(session, who, consumable, at=at)
    flush_or_conflict(session, "The consumable cannot be withdrawn.", None)
    record_manual_origin(session, device, [EXPIRY[consumable.kind]], at=at)
    return consumable
