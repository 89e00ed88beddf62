"""Writing into the register what a check found. Whether whoever checked may do so, the caller has asked."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.registry.changes import amended_fields, flush_or_conflict, record_amendment, record_creation
from aed.registry.devices.actions import put_fields
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.origin_actions import record_manual_origin
from aed.registry.devices.origins import attributes_of
from aed.registry.devices.rules import EXPIRY, ConsumableState
from aed.registry.devices.schemas import ConsumableIn, DeviceAmend


def replace_consumable(
    session: Session, who: Viewer, device: Device, new: ConsumableIn, *, at: datetime
) -> Consumable:
    """The new one is fitted, and what was fitted of its kind is not any longer."""
    for old in device.consumables:
        if old.kind is new.kind and old.state is ConsumableState.FITTED:
            old.state = ConsumableState.WITHDRAWN
            record_amendment(session, who, old, at=at)
    fitted = Consumable(
        device_id=device.id,
        kind=new.kind,
        lot=new.lot,
        expires_on=new.expires_on,
        state=ConsumableState.FITTED,
    )
    session.add(fitted)
    flush_or_conflict(session, "Somebody else replaced it at this moment. Read the device again.", None)
    record_creation(session, who, fitted, at=at)
    record_manual_origin(session, device, [EXPIRY[new.kind]], at=at)
    session.refresh(device, ["consumables"])
    return fitted


def amend_from_check(
    session: Session, who: Viewer, device: Device, change: DeviceAmend, *, at: datetime
) -> None:
    """What is given in `change` was found so."""
    put_fields(session, device, change, set(change.model_fields_set), device.estate)
    amended = amended_fields(device)
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be amended so.", None)
    record_manual_origin(session, device, attributes_of(amended), at=at)


def doubt_access(session: Session, who: Viewer, device: Device, *, at: datetime) -> None:
    """Take access for unknown from now on, until somebody confirms or amends how one gets in."""
    _set_doubt(session, who, device, device.access_doubted_at or at, at=at)


def confirm_access(session: Session, who: Viewer, device: Device, *, at: datetime) -> None:
    """Settle what was doubted before this moment: one gets in as described."""
    if device.access_doubted_at is not None and device.access_doubted_at <= at:
        _set_doubt(session, who, device, None, at=at)


def _set_doubt(
    session: Session, who: Viewer, device: Device, since: datetime | None, *, at: datetime
) -> None:
    if device.access_doubted_at == since:
        return
    device.access_doubted_at = since
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be amended so.", None)


def local_day(device: Device, at: datetime) -> date:
    """The date at the device, whose estate and region are loaded."""
    zone = device.estate.time_zone if device.estate is not None else None
    return at.astimezone(ZoneInfo(zone or device.region.time_zone)).date()
