"""Whether one device would be offered, and why not: what the lookup computes, told of one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from aed.registry.devices.dispatchable import out_on_call
from aed.registry.devices.models import Device
from aed.registry.devices.rules import NEEDED_KINDS, ConsumableKind, Readiness, readiness_on
from aed.upkeep.models import Quarantine
from aed.upkeep.queries.quarantines import standing_quarantines


@dataclass(frozen=True, slots=True)
class DeviceReadiness:
    device: Device
    readiness: Readiness
    standing: Sequence[Quarantine]
    first_expiry: date | None
    is_expired: bool


def readiness_of(
    session: Session, device: Device, *, at: datetime, checked_within_days: int
) -> DeviceReadiness:
    """The device has been read with its estate, region and consumables, by who may see it."""
    zone = device.estate.time_zone if device.estate is not None else None
    today = at.astimezone(ZoneInfo(zone or device.region.time_zone)).date()
    first_expiry = min(
        (item.expires_on for item in device.consumables if item.kind in NEEDED_KINDS), default=None
    )
    readiness = readiness_on(
        today,
        state=device.state,
        first_expiry=first_expiry,
        battery_expiry=min(
            (item.expires_on for item in device.consumables if item.kind is ConsumableKind.BATTERY),
            default=None,
        ),
        last_checked_on=device.last_checked_on,
        checked_within_days=checked_within_days,
    )
    if readiness.is_usable and session.scalar(select(out_on_call(literal(device.id)))) is not None:
        readiness = Readiness.OUT_ON_CALL
    return DeviceReadiness(
        device=device,
        readiness=readiness,
        standing=standing_quarantines(session, device.id),
        first_expiry=first_expiry,
        is_expired=first_expiry is not None and first_expiry < today,
    )
