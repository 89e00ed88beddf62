"""Rules of signals: which moment to believe, which readings raise an alarm, and when keepers are notified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.upkeep.rules import MAX_CLOCK_AHEAD, MAX_DELAY


class ReadingKind(StrEnum):
    """What a signal may say besides that the device is alive."""

    SELF_TEST = "self_test"
    BATTERY = "battery_percent"
    DOOR = "door"
    TEMPERATURE = "temperature_celsius"
    MOVED = "moved"


class SelfTest(StrEnum):
    PASSED = "passed"
    FAILED = "failed"


class Door(StrEnum):
    """The door of the cabinet."""

    OPEN = "open"
    CLOSED = "closed"


type ReadingValue = str | float | bool
type Readings = Mapping[ReadingKind, ReadingValue]


class AlarmKind(StrEnum):
    """What a monitor's signals, or their absence, warn of."""

    SILENT = "silent"
    """No signal for longer than the model's limit: the state of the device is unknown."""
    SELF_TEST = "self_test"
    BATTERY = "battery"
    TEMPERATURE = "temperature"
    DOOR = "door"
    """The door was opened without a call nearby."""
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on the readings of a model raise an alarm."""

    silent_after: timedelta = timedelta(hours=25)
    """Many devices report once a day, after their self-test."""
    low_battery_percent: float = 20
    min_celsius: float = 0
    max_celsius: float = 50
    """Most makers allow 0 to 50 °C in standby."""


def limits_from(
    silent_after_minutes: int | None,
    low_battery_percent: int | None,
    min_celsius: int | None,
    max_celsius: int | None,
) -> Limits:
    """Return the limits of a policy; those that it leaves open (None) are the default ones."""
    default = Limits()
    return Limits(
        silent_after=timedelta(minutes=silent_after_minutes)
        if silent_after_minutes is not None
        else default.silent_after,
        low_battery_percent=default.low_battery_percent
        if low_battery_percent is None
        else low_battery_percent,
        min_celsius=default.min_celsius if min_celsius is None else min_celsius,
        max_celsius=default.max_celsius if max_celsius is None else max_celsius,
    )


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of one kind at one device: the latest time that it began."""

    began_at: datetime
    ended_at: datetime | None = None
    notified_at: datetime | None = None
    """When the keepers were last notified of this kind."""

    @property
    def is_active(self) -> bool:
        return self.ended_at is None


type Alarms = Mapping[AlarmKind, Alarm]

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
QUIET: Final = {
    AlarmKind.SILENT: _DAY,
    AlarmKind.BATTERY: _DAY,
    AlarmKind.TEMPERATURE: _DAY,
    AlarmKind.DOOR: _HOUR,
    AlarmKind.MOVED: _HOUR,
}
"""How long after a message about an alarm another one of its kind sends none, however often it comes back."""
DOOR_GRACE: Final = timedelta(minutes=5)
"""How long a call or a check may follow the opening of a door before its keepers are asked."""
RECENT_KEYS: Final = 32
"""How many of the last signals' keys a monitor knows, to leave out one that is sent again."""
BEAT_SECONDS: Final = 15.0
"""How often the bridge to an MQTT broker says that it is alive."""
BRIDGE_LOST_AFTER: Final = timedelta(minutes=2)
"""How long after its last word the bridge counts as not running."""
BATTERY_MARGIN_PERCENT: Final = 5.0
TEMPERATURE_MARGIN_CELSIUS: Final = 2.0
"""How far back within its limit a reading must be before its alarm ends."""
ALARM_WORDS: Final = {
    AlarmKind.SILENT: (
        "its monitor has been silent for too long: its state is unknown. Please check both.",
        "监测终端长时间无信号，状态未知。请到现场查看设备和终端。",
    ),
    AlarmKind.BATTERY: ("its battery is low. Please replace it.", "电池电量低，请更换。"),
    AlarmKind.TEMPERATURE: (
        "the temperature at its place is outside the range of the model. Please look after it.",
        "所在位置的温度超出该型号的允许范围，请处理。",
    ),
    AlarmKind.DOOR: (
        "its door was opened, and there is no call nearby. Is it in its place?",
        "柜门曾被打开，附近没有急救呼叫。AED还在原处吗？",
    ),
    AlarmKind.MOVED: (
        "its monitor reports that it was moved. Is it in its place?",
        "监测终端报告设备被移动。AED还在原处吗？",
    ),
}
"""The messages to keepers, in English and Chinese."""


def believed_moment(at: datetime | None, *, now: datetime) -> tuple[datetime, bool]:
    """Return when a signal was made, and False if the device's clock is wrong and `now` is taken instead.

    A clock may be slightly ahead, and a signal may wait for a network. Anything else is a clock that was
    never set: its signals count all the same, since one of them may be a failed self-test.
    """
    if at is None:
        return now, True
    if now - MAX_DELAY <= at <= now + MAX_CLOCK_AHEAD:
        return min(at, now), True
    return now, False


def is_alarming(kind: AlarmKind, readings: Readings, limits: Limits, *, was_active: bool) -> bool | None:
    """Return whether the readings raise an alarm; None if they say nothing of it.

    An active alarm ends only once the reading is back within its limit by a margin.
    """
    match kind:
        case AlarmKind.SELF_TEST:
            said = readings.get(ReadingKind.SELF_TEST)
            return None if said is None else said == SelfTest.FAILED
        case AlarmKind.DOOR:
            said = readings.get(ReadingKind.DOOR)
            return None if said is None else said == Door.OPEN
        case AlarmKind.MOVED:
            said = readings.get(ReadingKind.MOVED)
            return None if said is None else bool(said)
        case AlarmKind.BATTERY:
            said = readings.get(ReadingKind.BATTERY)
            margin = BATTERY_MARGIN_PERCENT if was_active else 0
            return None if said is None else float(said) < limits.low_battery_percent + margin
        case AlarmKind.TEMPERATURE:
            said = readings.get(ReadingKind.TEMPERATURE)
            margin = TEMPERATURE_MARGIN_CELSIUS if was_active else 0
            if said is None:
                return None
            return not limits.min_celsius + margin <= float(said) <= limits.max_celsius - margin
        case AlarmKind.SILENT:
            return None  # depends on when, not on what


def alarms_after(
    alarms: Alarms, readings: Readings, limits: Limits, *, at: datetime, is_heard: bool = True
) -> dict[AlarmKind, Alarm]:
    """Return the alarms after a signal made at `at`. `is_heard`: it is recent enough to end a silence."""
    after = dict(alarms)
    for kind in AlarmKind:
        alarm = alarms.get(kind)
        was_active = alarm is not None and alarm.is_active
        if kind is AlarmKind.SILENT:
            alarming = False if is_heard else None
        else:
            alarming = is_alarming(kind, readings, limits, was_active=was_active)
        if alarming and not was_active:
            after[kind] = begun(alarm, at=at)
        elif alarming is False and alarm is not None and was_active:
            after[kind] = replace(alarm, ended_at=max(at, alarm.began_at))
    return after


def begun(alarm: Alarm | None, *, at: datetime) -> Alarm:
    """Return an alarm that begins at `at`, after an earlier one of its kind, if any."""
    return Alarm(at, notified_at=alarm.notified_at if alarm is not None else None)


def notify_from(kind: AlarmKind, alarm: Alarm) -> datetime | None:
    """Return when the keepers are to be notified of an alarm; None for never.

    A door or a movement is asked about even if it has ended; whatever flaps sends one message in `QUIET`. A
    failed self-test quarantines the device, which notifies them.
    """
    if kind is AlarmKind.SELF_TEST:
        return None
    is_event = kind in (AlarmKind.DOOR, AlarmKind.MOVED)
    if not alarm.is_active and not is_event:
        return None
    since = alarm.began_at + (DOOR_GRACE if kind is AlarmKind.DOOR else timedelta())
    if alarm.notified_at is None:
        return since
    if alarm.began_at <= alarm.notified_at:
        return None
    return max(since, alarm.notified_at + QUIET[kind])


def kinds_to_notify(alarms: Alarms, *, now: datetime) -> list[AlarmKind]:
    """Return the kinds of alarm of which keepers are to be notified now."""
    due = {kind: notify_from(kind, alarm) for kind, alarm in alarms.items()}
    return [kind for kind, since in due.items() if since is not None and since <= now]


def next_evaluation_at(
    alarms: Alarms, heard_at: datetime | None, limits: Limits, *, now: datetime
) -> datetime | None:
    """Return when the device must be evaluated again if no signal comes: silence begins, or a message is due.

    None if nothing can happen without a signal.
    """
    moments: list[datetime] = []
    silent = alarms.get(AlarmKind.SILENT)
    if heard_at is not None and (silent is None or not silent.is_active):
        moments.append(heard_at + limits.silent_after)
    moments += [since for kind, each in alarms.items() if (since := notify_from(kind, each)) is not None]
    return max(now, min(moments)) if moments else None


def newer_readings(
    readings: Readings, known_at: Mapping[ReadingKind, datetime], *, at: datetime
) -> dict[ReadingKind, ReadingValue]:
    """Return the readings that are not older than those already known of their kind."""
    return {kind: value for kind, value in readings.items() if kind not in known_at or known_at[kind] <= at}


def is_change(newer: Readings, known: Readings) -> bool:
    """Return whether readings say something else than the last ones, and not only a slightly other number.

    A battery and a temperature that leave their limits raise an alarm, which is a change itself.
    """
    numbers = (ReadingKind.BATTERY, ReadingKind.TEMPERATURE)
    return any(
        kind not in known or (kind not in numbers and known[kind] != each) for kind, each in newer.items()
    )


class BridgeState(StrEnum):
    """The state of the bridge to an MQTT broker."""

    RECEIVING = "receiving"
    SILENT = "silent"
    """It is connected, and the broker has sent it nothing for too long."""
    DISCONNECTED = "disconnected"
    """It runs, and cannot reach the broker."""
    STOPPED = "stopped"
    """It does not run, or never did."""


def bridge_state(
    beat_at: datetime | None,
    connected_since: datetime | None,
    heard_at: datetime | None,
    *,
    silent_after: timedelta,
    at: datetime,
) -> BridgeState:
    """Return the state of a bridge by what it wrote last; None for what there is not."""
    if beat_at is None or beat_at + BRIDGE_LOST_AFTER < at:
        return BridgeState.STOPPED
    if connected_since is None:
        return BridgeState.DISCONNECTED
    last = max(connected_since, heard_at or connected_since)
    return BridgeState.SILENT if last + silent_after < at else BridgeState.RECEIVING
