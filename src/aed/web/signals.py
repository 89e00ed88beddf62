"""The signals of a device in words: the last readings with their age, and active alarms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.queries import alarms_of
from aed.upkeep.signals.rules import AlarmKind, ReadingKind
from aed.upkeep.signals.schemas import ReadingOut, readings_out
from aed.web.words import noop

READINGS: Final = {
    ReadingKind.SELF_TEST: noop("Self-test"),
    ReadingKind.BATTERY: noop("Battery level"),
    ReadingKind.DOOR: noop("Cabinet door"),
    ReadingKind.TEMPERATURE: noop("Temperature"),
    ReadingKind.MOVED: noop("Moved"),
}
_VALUES: Final = {
    "passed": noop("passed"),
    "failed": noop("not passed"),
    "open": noop("open"),
    "closed": noop("closed"),
    "True": noop("yes"),
    "False": noop("no"),
}
_UNITS: Final = {ReadingKind.BATTERY: " %", ReadingKind.TEMPERATURE: " °C"}
WARNINGS: Final = {
    AlarmKind.SILENT: noop("no signal: state unknown"),
    AlarmKind.SELF_TEST: noop("self-test failed"),
    AlarmKind.BATTERY: noop("battery low"),
    AlarmKind.TEMPERATURE: noop("too hot or too cold"),
    AlarmKind.DOOR: noop("door open"),
    AlarmKind.MOVED: noop("moved from its place"),
}


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """A reading, in a word to translate or as a number with its unit. `name` is to translate, too."""

    name: str
    word: str | None
    number: str
    age_minutes: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What a device's monitor last said; strings are messages to translate."""

    heard_minutes: int | None
    """Minutes since the latest signal; None for none."""
    is_clock_right: bool
    readings: list[ReadingLine]
    warnings: list[str]


def signals_of(monitor: DeviceMonitor | None, *, at: datetime) -> Signals | None:
    """Return the signals of a device, or None if it has no monitor."""
    if monitor is None:
        return None
    heard = monitor.heard_at
    if heard == monitor.key_made_at and not monitor.last:
        heard = None  # its token was made, and nothing was heard yet
    return Signals(
        heard_minutes=int((at - heard).total_seconds()) // 60 if heard is not None else None,
        is_clock_right=monitor.is_clock_right,
        readings=[_line(each) for each in readings_out(monitor.last, at=at)],
        warnings=warnings_of(monitor),
    )


def warnings_of(monitor: DeviceMonitor | None) -> list[str]:
    """Return the active alarms of a monitor, as messages to translate."""
    alarms = alarms_of(monitor) if monitor is not None else {}
    return [WARNINGS[kind] for kind in AlarmKind if kind in alarms and alarms[kind].is_active]


def _line(reading: ReadingOut) -> ReadingLine:
    unit = _UNITS.get(reading.kind)
    return ReadingLine(
        name=READINGS[reading.kind],
        word=_VALUES[str(reading.value)] if unit is None else None,
        number=f"{reading.value:g}{unit}" if unit is not None else "",
        age_minutes=reading.age_seconds // 60,
    )
