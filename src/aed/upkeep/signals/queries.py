"""Queries for monitors, their limits, and whether there is a call near a device."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Double, column, or_, select, table
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer, require_can_see_history, require_keeper
from aed.database.geometry import position_of
from aed.database.types import UtcDateTime
from aed.geo import Position, distance_metres
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.upkeep.checks.queries import policy_in_scope
from aed.upkeep.checks.rules import PolicyScope
from aed.upkeep.models import Check, Retrieval
from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.rules import Alarm, AlarmKind, Limits, limits_from

_INCIDENTS: Final = table(
    "incidents",
    column("lat", Double),
    column("lon", Double),
    column("closed_at", UtcDateTime),
)
"""The table of `aed.incidents`, which upkeep does not import."""
CALL_METRES: Final = 1_000.0
"""How far away a patient may be for whom a device is taken."""
CALL_BEFORE: Final = timedelta(minutes=30)
"""How long before its door opens a call may have ended, or a check may have begun."""


def monitor_of(session: Session, viewer: Viewer, device_id: int) -> tuple[DeviceMonitor | None, Device]:
    """Return the monitor of a device, or None, with the device. For those who keep the device.

    Raises NotFound, NotSignedIn or NotAllowed.

    visibility: the viewer keeps the device.
    """
    device = device_queries.device(session, viewer, device_id)
    require_can_see_history(require_keeper, viewer, device.estate_id, region_id=device.region_id)
    return session.get(DeviceMonitor, device.id), device


def monitors_of(session: Session, device_ids: Sequence[int]) -> dict[int, DeviceMonitor]:
    """Return the monitors of devices, by device id.

    visibility: of devices that the viewer keeps.
    """
    rows = session.scalars(select(DeviceMonitor).where(DeviceMonitor.device_id.in_(device_ids)))
    return {each.device_id: each for each in rows}


def alarms_of(monitor: DeviceMonitor) -> dict[AlarmKind, Alarm]:
    """Return the alarms of a monitor, as the rules take them."""

    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text is not None else None

    return {
        AlarmKind(kind): Alarm(
            datetime.fromisoformat(each["began_at"]), moment(each["ended_at"]), moment(each["notified_at"])
        )
        for kind, each in monitor.alarms.items()
    }


def limits_of(session: Session, device_id: int) -> Limits:
    """Return the limits for a device: those of the policy in force for it, else the default ones.

    visibility: for signals of the device.
    """
    scope = session.execute(
        select(Device.estate_id, Device.maker, Device.model).where(Device.id == device_id)
    ).one()
    policy = policy_in_scope(session, PolicyScope(scope.estate_id, scope.maker, scope.model))
    if policy is None:
        return Limits()
    return limits_from(
        policy.silent_after_minutes, policy.low_battery_percent, policy.min_celsius, policy.max_celsius
    )


def due_monitors(session: Session, *, at: datetime, limit: int) -> Sequence[DeviceMonitor]:
    """Return the monitors that the job looks at now, the longest waiting first.

    visibility: for the scheduler.
    """
    return session.scalars(
        select(DeviceMonitor)
        .where(DeviceMonitor.evaluate_at <= at)
        .order_by(DeviceMonitor.evaluate_at, DeviceMonitor.device_id)
        .limit(limit)
        .with_for_update()
    ).all()


def devices_of(session: Session, device_ids: Sequence[int]) -> dict[int, Device]:
    """Return devices with their estates and regions, by id, for an update.

    visibility: for the scheduler, and for signals of these devices.
    """
    rows = session.scalars(
        select(Device)
        .where(Device.id.in_(device_ids))
        .options(joinedload(Device.estate), joinedload(Device.region))
        .order_by(Device.id)
        .with_for_update(of=Device)
    )
    return {each.id: each for each in rows}


def is_door_explained(session: Session, device: Device, *, opened_at: datetime) -> bool:
    """Return whether a call nearby, someone who was sent for the device, or a check explains its open door.

    visibility: for the keepers; returns nothing about the call.
    """
    since = opened_at - CALL_BEFORE
    here = position_of(device.position)
    calls = session.execute(
        select(_INCIDENTS.c.lat, _INCIDENTS.c.lon).where(
            or_(_INCIDENTS.c.closed_at.is_(None), _INCIDENTS.c.closed_at >= since)
        )
    )
    if any(distance_metres(here, Position(lat, lon)) <= CALL_METRES for lat, lon in calls):
        return True
    at_the_device = (
        select(Retrieval.id).where(Retrieval.device_id == device.id, Retrieval.sent_at >= since).limit(1),
        select(Check.id).where(Check.device_id == device.id, Check.answered_at >= since).limit(1),
    )
    return any(session.execute(each).first() is not None for each in at_the_device)
