"""Requests and responses of signals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.registry.devices.models import Device
from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.rules import AlarmKind, Door, ReadingKind, ReadingValue, SelfTest

SignalKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
_EXAMPLE: dict[str, Any] = {
    "id": "c41f-000381",
    "at": "2026-09-22T12:00:00+08:00",
    "self_test": "passed",
    "battery_percent": 87,
    "door": "closed",
    "temperature_celsius": 21.5,
    "moved": False,
}


class SignalIn(BaseModel):
    """What a device says. Without any reading it is a heartbeat."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    id: SignalKey = Field(description="Made by the device; the same id again is the same signal")
    at: AwareDatetime | None = Field(
        None,
        description="By the device's clock; default: when it arrives, as for a clock that cannot be right",
    )
    self_test: SelfTest | None = None
    battery_percent: float | None = Field(None, ge=0, le=100)
    door: Door | None = None
    temperature_celsius: float | None = Field(None, ge=-100, le=150)
    moved: bool | None = Field(None, description="True once it has left its place; false when it is back")

    @property
    def readings(self) -> dict[ReadingKind, ReadingValue]:
        given = {kind: getattr(self, kind.value) for kind in ReadingKind}
        return {kind: value for kind, value in given.items() if value is not None}


class SignalReceived(BaseModel):
    """`is_new` is false for a signal that was received before."""

    is_new: bool
    at: datetime = Field(description="When the signal was made, as far as is believed")
    now: datetime = Field(description="The time here, for a device without a clock of its own")


class MessagesReceived(BaseModel):
    """What became of the messages of a vendor."""

    is_new: int
    known: int = Field(description="Messages that were received before")
    unknown_serials: tuple[str, ...] = Field(
        description="The first 20 serial numbers that are not those of exactly one device"
    )


class SignalTokenOut(BaseModel):
    """The token of a device, shown only here."""

    token: str


class ReadingOut(BaseModel):
    """The last reading of a kind, and how old it is."""

    kind: ReadingKind
    value: ReadingValue
    at: datetime
    age_seconds: int


class AlarmOut(BaseModel):
    """The latest alarm of a kind."""

    kind: AlarmKind
    began_at: datetime
    ended_at: datetime | None = Field(description="Null while it is active")


class MonitorOut(BaseModel):
    """What a device's monitor last said. Everything is null or empty for a device without one."""

    has_token: bool
    heard_at: datetime | None = Field(description="When its latest signal was made")
    silent_since: datetime | None = Field(
        description="Its latest signal, if that is too long ago: then it is unknown whether it is ready"
    )
    is_clock_right: bool
    readings: list[ReadingOut]
    alarms: list[AlarmOut]

    @classmethod
    def of(cls, monitor: DeviceMonitor | None, device: Device, *, at: datetime) -> Self:
        return cls(
            has_token=monitor is not None and monitor.key_hash is not None,
            heard_at=monitor.heard_at if monitor is not None else None,
            silent_since=device.silent_since,
            is_clock_right=monitor is None or monitor.is_clock_right,
            readings=readings_out(monitor.last, at=at) if monitor is not None else [],
            alarms=alarms_out(monitor.alarms) if monitor is not None else [],
        )


def readings_out(last: Mapping[str, Any], *, at: datetime) -> list[ReadingOut]:
    """Return the last readings in the order of ReadingKind."""
    return [
        ReadingOut(
            kind=kind,
            value=last[kind]["value"],
            at=(made := datetime.fromisoformat(last[kind]["at"])),
            age_seconds=max(0, int((at - made).total_seconds())),
        )
        for kind in ReadingKind
        if kind in last
    ]


def alarms_out(alarms: Mapping[str, Any]) -> list[AlarmOut]:
    """Return the alarms in the order of AlarmKind."""
    return [
        AlarmOut(kind=kind, began_at=alarms[kind]["began_at"], ended_at=alarms[kind]["ended_at"])
        for kind in AlarmKind
        if kind in alarms
    ]
