"""Tables of signals: the monitor of each device, the series of its signals, and vendors' sources."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table


class DeviceMonitor(Table):
    """What the monitor of a device or of its cabinet last said, and what follows from it."""

    __tablename__ = "device_monitors"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True, autoincrement=False)
    key_hash: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the device's token, which may send signals and do nothing else; None: there is none."""
    key_made_at: Mapped[datetime | None]
    key_made_by: Mapped[str | None] = mapped_column(String(200))
    heard_at: Mapped[datetime | None]
    """When the latest signal was made; before the first, when the token was."""
    is_clock_right: Mapped[bool] = mapped_column(default=True)
    """False if the last signal carried a time that cannot be."""
    last: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The last reading of each kind: {kind: {"value", "at"}}. Kept when the series is pruned."""
    alarms: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """{kind: {"began_at", "ended_at", "notified_at"}}, see `rules.Alarm`."""
    evaluate_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the job `signals` evaluates it next, see `rules.next_evaluation_at`."""


class DeviceSignal(Table):
    """One signal as received. Deleted after `actions.KEPT_FOR`."""

    __tablename__ = "device_signals"
    __table_args__ = (UniqueConstraint("device_id", "key"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    key: Mapped[str] = mapped_column(String(64))
    """Made by the sender; the same key again is the same signal."""
    at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)
    readings: Mapped[dict[str, Any]]


class SignalSource(Table):
    """A vendor that forwards the signals of many devices, found by their serial numbers."""

    __tablename__ = "signal_sources"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    """In the address of the endpoint."""
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    """It may report devices of this region and those below."""
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """It may report devices of this estate alone; None: of the whole region."""
    secret: Mapped[str] = mapped_column(Encrypted("signal_sources.secret"))
    mapping: Mapped[dict[str, Any]]
    """Where the vendor's messages have what, see `mapping.SourceMapping`."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    revoked_at: Mapped[datetime | None]
