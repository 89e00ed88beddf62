"""Queries for monitors, their limits, and whether there is a call near a device."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Double, column, or_, select, table
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer, require_can_see_history, require_keeper
from aed.database.geometry import position_of
from aed.database.types import UtcDateTime
from aed.geo import Position, distance_metres
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.settings.services import Mqtt
from aed.upkeep.models import Check, Policy, Retrieval
from aed.upkeep.rules import PolicyScope, PolicyState, closest
from aed.upkeep.signals.models import DeviceMonitor, DeviceSignal, SignalBridge
from aed.upkeep.signals.rules import Alarm, AlarmKind, BridgeState, Limits, bridge_state, limits_from

if TYPE_CHECKING:
    from aed.worker.rules import GaugeValue

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


def limits_of(session: Session, device_ids: Sequence[int]) -> dict[int, Limits]:
    """Return the limits for devices: those of the policy in force for each, else the default ones.

    visibility: for signals of these devices.
    """
    policies = session.execute(
        select(
            Policy.estate_id,
            Policy.maker,
            Policy.model,
            Policy.silent_after_minutes,
            Policy.low_battery_percent,
            Policy.min_celsius,
            Policy.max_celsius,
        ).where(Policy.state == PolicyState.IN_FORCE)
    ).all()
    if not policies:
        return dict.fromkeys(device_ids, Limits())
    by_scope = [(PolicyScope(*each[:3]), limits_from(*each[3:])) for each in policies]
    scopes = session.execute(
        select(Device.id, Device.estate_id, Device.maker, Device.model).where(Device.id.in_(device_ids))
    )
    return {each.id: closest(by_scope, PolicyScope(*each[1:])) or Limits() for each in scopes}


def locked_monitors(session: Session, device_ids: Sequence[int]) -> dict[int, DeviceMonitor]:
    """Return the monitors of devices that have one, locked in the order of the devices.

    visibility: for signals of these devices.
    """
    rows = session.scalars(
        select(DeviceMonitor)
        .where(DeviceMonitor.device_id.in_(device_ids))
        .order_by(DeviceMonitor.device_id)
        .with_for_update()
    )
    return {each.device_id: each for each in rows}


def stored_keys(session: Session, keys: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return which of these devices and keys are in the series of signals.

    visibility: for signals of these devices.
    """
    rows = session.execute(
        select(DeviceSignal.device_id, DeviceSignal.key).where(
            DeviceSignal.device_id.in_({device_id for device_id, _ in keys}),
            DeviceSignal.key.in_({key for _, key in keys}),
        )
    )
    return {(row.device_id, row.key) for row in rows}


def due_monitors(session: Session, *, at: datetime, limit: int) -> Sequence[DeviceMonitor]:
    """Return the monitors that the job looks at now, the longest waiting first.

    visibility: for the scheduler.
    """
    return session.scalars(
        select(DeviceMonitor)
        .where(DeviceMonitor.evaluate_at <= at)
        .order_by(DeviceMonitor.evaluate_at, DeviceMonitor.device_id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # of that device a signal is being received
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


BRIDGE_FORGOTTEN_AFTER: Final = timedelta(days=7)
"""How long after its last word a bridge that did not stop is still waited for, beside one that runs."""


def bridges(session: Session, *, at: datetime) -> Sequence[SignalBridge]:
    """Return the bridges to MQTT brokers that run or ought to; the last one if all have stopped.

    visibility: for the operator; names, counts and times.
    """
    found = session.scalars(select(SignalBridge).order_by(SignalBridge.beat_at.desc())).all()
    waited_for = [
        each for each in found if each.stopped_at is None and each.beat_at > at - BRIDGE_FORGOTTEN_AFTER
    ]
    return waited_for or found[:1]


def state_of_bridge(bridge: SignalBridge, settings: Mqtt, *, at: datetime) -> BridgeState:
    """Return the state of a bridge."""
    if bridge.stopped_at is not None:
        return BridgeState.STOPPED
    return bridge_state(
        bridge.beat_at,
        bridge.connected_since,
        bridge.heard_at,
        silent_after=timedelta(minutes=settings.silent_after_minutes),
        at=at,
    )


def bridge_gauges(session: Session, settings: Mqtt, *, at: datetime) -> list[GaugeValue]:
    """Return the metrics of the bridges.

    visibility: for the operator; names, counts and times.
    """
    from aed.worker.rules import GaugeValue  # imported here so that commands do not load the scheduler

    gauges: list[GaugeValue] = []
    for bridge in bridges(session, at=at):
        labels = {"bridge": bridge.client_id}
        is_receiving = state_of_bridge(bridge, settings, at=at) is BridgeState.RECEIVING
        gauges.append(
            GaugeValue(
                "aed_signal_bridge_receiving",
                "Whether the bridge to an MQTT broker is connected and hears of devices",
                labels,
                is_receiving,
            )
        )
        if bridge.heard_at is not None:
            gauges.append(
                GaugeValue(
                    "aed_signal_bridge_last_message_timestamp_seconds",
                    "When the broker last sent the bridge a message",
                    labels,
                    bridge.heard_at.timestamp(),
                )
            )
        for result in ("is_new", "known", "unknown_serials", "malformed"):
            gauges.append(
                GaugeValue(
                    "aed_signal_bridge_messages",
                    "Messages that the bridge has received, by result",
                    labels | {"result": result.removeprefix("is_")},
                    getattr(bridge, result),
                )
            )
    return gauges
