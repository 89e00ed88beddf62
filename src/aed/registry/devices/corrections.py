"""Update the register from the findings of a check. The caller has checked the permissions."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.registry.changes import amended_fields, flush_or_conflict, record_amendment, record_creation
from aed.registry.devices.actions import put_fields, record_manual_origin
from aed.registry.devices.loans import PLACE_INPUTS
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.origins import attributes_of
from aed.registry.devices.rules import EXPIRY, ConsumableState, replaced_by
from aed.registry.devices.schemas import ConsumableIn, DeviceAmend


def replace_consumable(
    session: Session, who: Viewer, device: Device, new: ConsumableIn, *, at: datetime
) -> Consumable:
    """Fit a new consumable in place of the fitted ones of its kind; a cartridge replaces pads and battery."""
    for old in device.consumables:
        if old.kind in replaced_by(new.kind) and old.state is ConsumableState.FITTED:
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
    flush_or_conflict(
        session, "Someone else replaced the consumable at the same time. Read the device again.", None
    )
    record_creation(session, who, fitted, at=at)
    record_manual_origin(session, device, [EXPIRY[new.kind]], at=at)
    session.refresh(device, ["consumables"])
    return fitted


def amend_from_check(
    session: Session, who: Viewer, device: Device, change: DeviceAmend, *, at: datetime
) -> None:
    """Amend the device with the fields that a check found.

    What it found about the place of a loaner amends the device that is away, too.
    """
    names = set(change.model_fields_set)
    if device.stands_in_for_id is not None and names & PLACE_INPUTS:
        away = session.get_one(Device, device.stands_in_for_id)  # visibility: its loaner is checked
        put_fields(session, away, change, names & PLACE_INPUTS, device.estate)
        record_amendment(session, who, away, at=at)
        flush_or_conflict(session, "The device cannot be changed to these values.", None)
    put_fields(session, device, change, names, device.estate)
    amended = amended_fields(device)
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be changed to these values.", None)
    record_manual_origin(session, device, attributes_of(amended), at=at)


def doubt_access(session: Session, who: Viewer, device: Device, *, at: datetime) -> None:
    """Mark access as doubtful: it counts as unknown until it is confirmed or amended."""
    _set_doubt(session, who, device, device.access_doubted_at or at, at=at)


def confirm_access(session: Session, who: Viewer, device: Device, *, at: datetime) -> None:
    """Clear doubts about access that were raised before `at`."""
    if device.access_doubted_at is not None and device.access_doubted_at <= at:
        _set_doubt(session, who, device, None, at=at)


def _set_doubt(
    session: Session, who: Viewer, device: Device, since: datetime | None, *, at: datetime
) -> None:
    if device.access_doubted_at == since:
        return
    device.access_doubted_at = since
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be changed to these values.", None)


def local_day(device: Device, at: datetime) -> date:
    """Return the date in the device's time zone. Its estate and region must be loaded."""
    zone = device.estate.time_zone if device.estate is not None else None
    return at.astimezone(ZoneInfo(zone or device.region.time_zone)).date()
