"""Tokens of devices, receiving signals, and what follows from signals and from silence."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
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
from aed.upkeep.signals.models import DeviceMonitor, DeviceSignal, SignalBridge
from aed.upkeep.signals.queries import alarms_of, limits_of
from aed.upkeep.signals.rules import (
    ALARM_WORDS,
    RECENT_KEYS,
    Alarm,
    AlarmKind,
    Limits,
    ReadingKind,
    ReadingValue,
    SelfTest,
    alarms_after,
    begun,
    believed_moment,
    is_change,
    kinds_to_notify,
    newer_readings,
    next_evaluation_at,
)

KEY_PREFIX: Final = "dev_"
KEPT_FOR: Final = timedelta(days=3)
"""How long the series of changes is kept. The last reading of each kind stays with the monitor."""
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
    monitor = monitor_for(session, device.id, heard_at=at)
    before = "made" if monitor.key_hash is not None else None
    monitor.key_hash, monitor.key_made_at, monitor.key_made_by = hash_key(key), at, who.name
    monitor.evaluate_at = next_evaluation_at(
        alarms_of(monitor), monitor.heard_at, limits_of(session, [device.id])[device.id], now=at
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


def monitor_for(session: Session, device_id: int, *, heard_at: datetime | None) -> DeviceMonitor:
    """Return the monitor of a device; create it at its first token or signal, as heard at `heard_at`.

    visibility: for the device's manager, and for its signals.
    """
    monitor = session.get(DeviceMonitor, device_id, with_for_update=True)
    if monitor is None:
        monitor = DeviceMonitor(
            device_id=device_id, heard_at=heard_at, is_clock_right=True, last={}, alarms={}
        )
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


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A signal, the device that it is of, and who said so: the device itself, or a source."""

    device_id: int
    who: Viewer
    signal: NewSignal


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a signal. `is_new` is False for one that was received before."""

    is_new: bool
    at: datetime
    """When it was made, as far as is believed."""


def receive_signal(session: Session, who: Viewer, device_id: int, new: NewSignal, *, at: datetime) -> Receipt:
    """Receive one signal, as `receive_signals` does.

    visibility: the device was identified by its token, or by its vendor.
    """
    return receive_signals(session, [DeviceReport(device_id, who, new)], at=at)[0]


def receive_signals(session: Session, reports: Sequence[DeviceReport], *, at: datetime) -> list[Receipt]:
    """Store what signals say, and what follows from it; return what became of each, in the same order.

    All are in the caller's transaction. Monitors are locked in the order of their devices, so that two
    batches never wait for each other. For each signal:

    1. Leave out one that was received before: the monitor knows the keys of its last signals, and the series
       those of the changes.
    2. Take its own time, unless that cannot be (`rules.believed_moment`).
    3. Keep each reading that is not older than the last one of its kind.
    4. A failed self-test quarantines the device, unless it passed a check since. Nothing in a signal lifts a
       quarantine.
    5. Any signal that is not itself too old ends a silence.
    6. Notify the keepers of new alarms; of one that flaps, once (`rules.QUIET`).
    7. Store it in the series if it changed something (`rules.is_change`).

    visibility: the devices were identified by their tokens, or by their vendors.
    """
    ids = sorted({each.device_id for each in reports})
    monitors = _monitors_for(session, ids)
    limits = limits_of(session, ids)
    stored: set[tuple[int, str]] | None = None
    receipts: dict[int, Receipt] = {}
    for place, report in sorted(enumerate(reports), key=lambda each: each[1].device_id):
        monitor = monitors[report.device_id]
        new = report.signal
        made_at, is_clock_right = believed_moment(new.at, now=at)
        is_known = new.key in (monitor.recent_keys or ())
        change = (
            None if is_known else _change_by(monitor, new, limits[report.device_id], made_at=made_at, at=at)
        )
        if change is not None and change.is_stored:
            if stored is None:  # only few signals are changes
                stored = queries.stored_keys(session, [(each.device_id, each.signal.key) for each in reports])
            is_known = (report.device_id, new.key) in stored
        receipts[place] = Receipt(change is not None and not is_known, at if is_known else made_at)
        if change is None or is_known:
            continue
        if change.is_stored and stored is not None:
            stored.add((report.device_id, new.key))
            session.add(
                DeviceSignal(
                    device_id=report.device_id,
                    key=new.key,
                    at=made_at,
                    received_at=at,
                    readings={kind.value: value for kind, value in new.readings.items()},
                )
            )
        monitor.is_clock_right = is_clock_right
        _apply(session, report, monitor, change, limits[report.device_id], made_at=made_at, at=at)
    session.flush()
    return [receipts[place] for place in range(len(reports))]


@dataclass(frozen=True, slots=True)
class _Change:
    """What a signal changes at its monitor."""

    newer: Mapping[ReadingKind, ReadingValue]
    before: Mapping[AlarmKind, Alarm]
    alarms: Mapping[AlarmKind, Alarm]
    is_stored: bool


def _change_by(
    monitor: DeviceMonitor, new: NewSignal, limits: Limits, *, made_at: datetime, at: datetime
) -> _Change:
    last = {ReadingKind(kind): each for kind, each in monitor.last.items()}
    known_at = {kind: datetime.fromisoformat(each["at"]) for kind, each in last.items()}
    newer = newer_readings(new.readings, known_at, at=made_at)
    before = alarms_of(monitor)
    is_heard = made_at + limits.silent_after > at
    alarms = alarms_after(before, newer, limits, at=made_at, is_heard=is_heard)
    known = {kind: each["value"] for kind, each in last.items()}
    return _Change(newer, before, alarms, alarms != before or is_change(newer, known))


def _apply(
    session: Session,
    report: DeviceReport,
    monitor: DeviceMonitor,
    change: _Change,
    limits: Limits,
    *,
    made_at: datetime,
    at: datetime,
) -> None:
    alarms, newer = dict(change.alarms), change.newer
    monitor.heard_at = max(made_at, monitor.heard_at or made_at)
    monitor.recent_keys = [*(monitor.recent_keys or ()), report.signal.key][-RECENT_KEYS:]
    if newer:
        moment = made_at.astimezone(UTC).isoformat()
        monitor.last = monitor.last | {
            kind.value: {"value": each, "at": moment} for kind, each in newer.items()
        }
    has_failed = newer.get(ReadingKind.SELF_TEST) == SelfTest.FAILED
    if has_failed or alarms != change.before or kinds_to_notify(alarms, now=at):
        device = queries.devices_of(session, [report.device_id])[report.device_id]
        if has_failed:
            _quarantine(session, report.who, device, failed_at=made_at, at=at)
        alarms = _act_on_alarms(session, report.who, device, alarms, at=at)
        store_alarms(monitor, alarms)
    evaluate_at = next_evaluation_at(alarms, monitor.heard_at, limits, now=at)
    if monitor.evaluate_at is None or evaluate_at is None or evaluate_at < monitor.evaluate_at:
        # Else the job looks earlier, and sets it then: most signals leave the index as it is.
        monitor.evaluate_at = evaluate_at


def _monitors_for(session: Session, device_ids: Sequence[int]) -> dict[int, DeviceMonitor]:
    """Return the monitors of devices, locked; create those that are missing.

    visibility: for signals of these devices.
    """
    if len(device_ids) == 1:  # it may be locked already: then the session has it
        return {device_ids[0]: monitor_for(session, device_ids[0], heard_at=None)}
    found = queries.locked_monitors(session, device_ids)
    return {each: found.get(each) or monitor_for(session, each, heard_at=None) for each in device_ids}


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
    limits_by_device = limits_of(session, [each.device_id for each in due])
    fell_silent: list[Device] = []
    for monitor in due:
        device = devices[monitor.device_id]
        if device.state is DeviceState.WITHDRAWN:
            monitor.evaluate_at = None
            continue
        limits = limits_by_device[device.id]
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


# --- The bridge from an MQTT broker ---------------------------------------------------------------------


@dataclass(slots=True)
class BridgeCounts:
    """What the bridge received since its state was written last."""

    is_new: int = 0
    known: int = 0
    unknown_serials: int = 0
    malformed: int = 0
    last_malformed: tuple[datetime, str, str] | None = None
    """When, its topic, and the reason."""
    heard_at: datetime | None = None


def begin_bridge(session: Session, client_id: str, *, at: datetime) -> SignalBridge:
    """Record that the bridge of that name starts; return its state.

    visibility: for the bridge itself.
    """
    row = session.get(SignalBridge, client_id, with_for_update=True)
    if row is None:
        row = SignalBridge(client_id=client_id, topics=[], is_new=0, known=0, unknown_serials=0, malformed=0)
        session.add(row)
    row.started_at = row.beat_at = at
    row.connected_since = row.stopped_at = None
    flush_or_conflict(session, "Another bridge of this name starts at the same time.", "client_id")
    return row


def record_beat(
    session: Session,
    client_id: str,
    counts: BridgeCounts,
    *,
    topics: Sequence[str],
    is_connected: bool,
    is_over: bool,
    at: datetime,
) -> None:
    """Record the state of the bridge: that it is alive, connected or stopped, and what it received.

    visibility: for the bridge itself.
    """
    row = session.get(SignalBridge, client_id, with_for_update=True) or begin_bridge(
        session, client_id, at=at
    )
    row.beat_at, row.topics = at, list(topics)
    row.connected_since = (row.connected_since or at) if is_connected and not is_over else None
    row.stopped_at = at if is_over else None
    row.heard_at = counts.heard_at or row.heard_at
    row.is_new += counts.is_new
    row.known += counts.known
    row.unknown_serials += counts.unknown_serials
    row.malformed += counts.malformed
    if counts.last_malformed is not None:
        row.malformed_at, row.malformed_topic, row.malformed_reason = counts.last_malformed
    session.flush()
