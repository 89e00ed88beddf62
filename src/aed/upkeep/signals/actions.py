"""Tokens of devices, receiving signals, and what follows from signals and from silence."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_estate_manager
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, NotSignedIn
from aed.registry.changes import flush_or_conflict, record_amendment, record_note
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.checks.queries import later_checks
from aed.upkeep.faults.actions import begin_quarantines
from aed.upkeep.messages import notify_keepers
from aed.upkeep.rules import QuarantineReason
from aed.upkeep.signals import queries
from aed.upkeep.signals.models import DeviceMonitor, DeviceSignal
from aed.upkeep.signals.queries import alarms_of, limits_of
from aed.upkeep.signals.rules import (
    ALARM_WORDS,
    Alarm,
    AlarmKind,
    ReadingKind,
    ReadingValue,
    SelfTest,
    alarms_after,
    begun,
    believed_moment,
    kinds_to_notify,
    newer_readings,
    next_evaluation_at,
)

KEY_PREFIX: Final = "dev_"
KEPT_FOR: Final = timedelta(days=3)
"""How long the series of signals is kept. The last reading of each kind stays with the monitor."""
MONITORS_AT_ONCE: Final = 500
_DELETED_AT_ONCE: Final = 10_000


# --- Tokens ---------------------------------------------------------------------------------------------


def make_token(session: Session, who: Viewer, device_id: int, *, at: datetime) -> str:
    """Return a new token for the signals of a device; the one before ends. Only its hash is stored.

    Its history says that it was made. From now on the device counts as silent if nothing is heard of it. For
    the estate's manager. Raises NotFound, NotSignedIn, NotAllowed; Conflict for a withdrawn device.
    """
    device = _device_to_manage(session, who, device_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    monitor = monitor_for(session, device.id, at=at)
    before = "made" if monitor.key_hash is not None else None
    monitor.key_hash, monitor.key_made_at, monitor.key_made_by = hash_key(key), at, who.name
    monitor.evaluate_at = next_evaluation_at(
        alarms_of(monitor), monitor.heard_at, limits_of(session, device.id), now=at
    )
    record_note(session, who, device, {"signal_token": [before, "made"]}, at=at)
    flush_or_conflict(session, "Another token was made at the same time. Try again.", "device_id")
    return key


def revoke_token(session: Session, who: Viewer, device_id: int, *, at: datetime) -> None:
    """Revoke the token of a device, if it has one; nobody waits for its signals any longer.

    A silence that had begun ends with it. For the estate's manager. Raises NotFound, NotSignedIn or
    NotAllowed.

    visibility: for the manager of the device.
    """
    device = _device_to_manage(session, who, device_id, for_update=True)
    monitor = session.get(DeviceMonitor, device.id, with_for_update=True)
    if monitor is None or monitor.key_hash is None:
        return
    monitor.key_hash = monitor.evaluate_at = None
    alarms = alarms_of(monitor)
    silent = alarms.get(AlarmKind.SILENT)
    if silent is not None and silent.is_active:
        store_alarms(monitor, alarms | {AlarmKind.SILENT: replace(silent, ended_at=at)})
    _set_silent_since(session, who, device, None, at=at)
    record_note(session, who, device, {"signal_token": ["made", None]}, at=at)
    session.flush()


def _device_to_manage(session: Session, who: Viewer, device_id: int, *, for_update: bool = False) -> Device:
    device = device_queries.device(session, who, device_id, for_update=for_update)
    require_estate_manager(who, device.estate_id, region_id=device.region_id)
    return device


def require_device_token(session: Session, device_id: int, key: str) -> Viewer:
    """Return who the device with that token is. Raises NotSignedIn, alike for an unknown device.

    visibility: for the device itself.
    """
    monitor = session.get(DeviceMonitor, device_id, with_for_update=True)
    known = monitor.key_hash if monitor is not None else None
    if known is None or not hmac.compare_digest(known, hash_key(key)):
        raise NotSignedIn("The token is not one of this device, or it was revoked.")
    return Viewer(name=f"device:{device_id}")


def monitor_for(session: Session, device_id: int, *, at: datetime) -> DeviceMonitor:
    """Return the monitor of a device; create it at its first token or signal.

    visibility: for the device's manager, and for its signals.
    """
    monitor = session.get(DeviceMonitor, device_id, with_for_update=True)
    if monitor is None:
        monitor = DeviceMonitor(device_id=device_id, heard_at=at, is_clock_right=True, last={}, alarms={})
        session.add(monitor)
        flush_or_conflict(session, "Two signals arrived at the same time. Send it again.", "id")
    return monitor


# --- Signals --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewSignal:
    """A signal, by the device itself or translated from a vendor's message."""

    key: str
    at: datetime | None
    readings: Mapping[ReadingKind, ReadingValue]


def receive_signal(
    session: Session, who: Viewer, device_id: int, new: NewSignal, *, at: datetime
) -> DeviceSignal | None:
    """Store a signal and what follows from it; return None for one that was received before.

    1. Take its own time, unless that cannot be (`rules.believed_moment`).
    2. Keep each reading that is not older than the last one of its kind.
    3. A failed self-test quarantines the device, unless it passed a check since. Nothing in a signal lifts a
       quarantine.
    4. Any signal that is not itself too old ends a silence.
    5. Notify the keepers of new alarms; of one that flaps, once (`rules.QUIET`).

    visibility: the device was identified by its token, or by its vendor.
    """
    monitor = monitor_for(session, device_id, at=at)
    if session.scalar(
        select(DeviceSignal.id).where(DeviceSignal.device_id == device_id, DeviceSignal.key == new.key)
    ):
        return None
    made_at, is_clock_right = believed_moment(new.at, now=at)
    signal = DeviceSignal(
        device_id=device_id,
        key=new.key,
        at=made_at,
        received_at=at,
        readings={kind.value: value for kind, value in new.readings.items()},
    )
    session.add(signal)
    known_at = {ReadingKind(kind): datetime.fromisoformat(each["at"]) for kind, each in monitor.last.items()}
    newer = newer_readings(new.readings, known_at, at=made_at)
    limits = limits_of(session, device_id)
    before = alarms_of(monitor)
    is_heard = made_at + limits.silent_after > at
    alarms = alarms_after(before, newer, limits, at=made_at, is_heard=is_heard)
    monitor.heard_at = max(made_at, monitor.heard_at or made_at)
    monitor.is_clock_right = is_clock_right
    if newer:
        moment = made_at.astimezone(UTC).isoformat()
        monitor.last = monitor.last | {
            kind.value: {"value": each, "at": moment} for kind, each in newer.items()
        }
    has_failed = newer.get(ReadingKind.SELF_TEST) == SelfTest.FAILED
    if has_failed or alarms != before or kinds_to_notify(alarms, now=at):
        device = queries.devices_of(session, [device_id])[device_id]
        if has_failed:
            _quarantine(session, who, device, failed_at=made_at, at=at)
        alarms = _act_on_alarms(session, who, device, alarms, at=at)
        store_alarms(monitor, alarms)
    monitor.evaluate_at = next_evaluation_at(alarms, monitor.heard_at, limits, now=at)
    session.flush()
    return signal


def _act_on_alarms(
    session: Session,
    who: Viewer,
    device: Device,
    alarms: Mapping[AlarmKind, Alarm],
    *,
    at: datetime,
) -> dict[AlarmKind, Alarm]:
    """Apply what follows from the alarms of one device; return them with who was notified."""
    after = dict(alarms)
    if device.state is DeviceState.WITHDRAWN:
        return after
    silent = alarms.get(AlarmKind.SILENT)
    if silent is not None and not silent.is_active:
        _set_silent_since(session, who, device, None, at=at)
    for kind in kinds_to_notify(alarms, now=at):
        after[kind] = replace(after[kind], notified_at=at)
        if kind is AlarmKind.DOOR and queries.is_door_explained(
            session, device, opened_at=after[kind].began_at
        ):
            continue
        _notify_of(session, who, [device], kind, at=at)
    return after


def _quarantine(session: Session, who: Viewer, device: Device, *, failed_at: datetime, at: datetime) -> None:
    """Quarantine a device whose self-test failed, unless someone has checked it since."""
    is_checked = later_checks(session, device.id, answered_at=failed_at)
    if device.state is not DeviceState.WITHDRAWN and not is_checked:
        reasons = [QuarantineReason.FAILED_SELF_TEST]
        begin_quarantines(session, who, device, reasons, at=at, since=failed_at)


def _notify_of(
    session: Session, who: Viewer, devices: list[Device], kind: AlarmKind, *, at: datetime
) -> None:
    en, zh = ALARM_WORDS[kind]
    notify_keepers(session, who, devices, en=en, zh=zh, at=at)


def store_alarms(monitor: DeviceMonitor, alarms: Mapping[AlarmKind, Alarm]) -> None:
    """Store the alarms of a monitor as JSON."""

    def text(moment: datetime | None) -> str | None:
        return moment.astimezone(UTC).isoformat() if moment is not None else None

    stored: dict[str, Any] = {
        kind.value: {
            "began_at": text(each.began_at),
            "ended_at": text(each.ended_at),
            "notified_at": text(each.notified_at),
        }
        for kind, each in alarms.items()
    }
    monitor.alarms = stored


def _set_silent_since(
    session: Session, who: Viewer, device: Device, since: datetime | None, *, at: datetime
) -> None:
    """Set or clear since when the device's monitor is silent; its history says so."""
    if device.silent_since == since:
        return
    device.silent_since = since
    record_amendment(session, who, device, at=at)
    flush_or_conflict(session, "The device cannot be changed now. Send the signal again.", None)


# --- Silence --------------------------------------------------------------------------------------------


def look_after_monitors(session: Session, who: Viewer, *, at: datetime) -> int:
    """Begin silences and send messages that are due, for a batch of monitors; return how many.

    Keepers of several devices that fall silent together get one message.

    visibility: for the scheduler.
    """
    due = queries.due_monitors(session, at=at, limit=MONITORS_AT_ONCE)
    devices = queries.devices_of(session, [each.device_id for each in due])
    fell_silent: list[Device] = []
    for monitor in due:
        device = devices[monitor.device_id]
        if device.state is DeviceState.WITHDRAWN:
            monitor.evaluate_at = None
            continue
        limits = limits_of(session, device.id)
        before = alarms_of(monitor)
        alarms = dict(before)
        heard_at = monitor.heard_at
        silent = before.get(AlarmKind.SILENT)
        if heard_at is not None and heard_at + limits.silent_after <= at:
            if silent is None or not silent.is_active:
                alarms[AlarmKind.SILENT] = begun(silent, at=at)
                _set_silent_since(session, who, device, heard_at, at=at)
            if AlarmKind.SILENT in kinds_to_notify(alarms, now=at):
                alarms[AlarmKind.SILENT] = replace(alarms[AlarmKind.SILENT], notified_at=at)
                fell_silent.append(device)
        alarms = _act_on_alarms(session, who, device, alarms, at=at)
        store_alarms(monitor, alarms)
        monitor.evaluate_at = next_evaluation_at(alarms, heard_at, limits, now=at)
    if fell_silent:
        _notify_of(session, who, fell_silent, AlarmKind.SILENT, at=at)
    session.flush()
    return len(due)


def delete_old_signals(session: Session, *, at: datetime) -> int:
    """Delete signals received before `KEPT_FOR`, a batch at a time; return how many.

    visibility: for the scheduler.
    """
    old = session.scalars(
        select(DeviceSignal.id).where(DeviceSignal.received_at < at - KEPT_FOR).limit(_DELETED_AT_ONCE)
    ).all()
    session.execute(delete(DeviceSignal).where(DeviceSignal.id.in_(old)))
    return len(old)
