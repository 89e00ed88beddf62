"""Tables of signals: the monitor of each device, the series of its signals, and vendors' sources."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
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
    """When the job `signals` evaluates it next, see `rules.next_evaluation_at`; or earlier."""
    recent_keys: Mapped[list[str] | None]
    """The keys of its last signals, the latest last (`rules.RECENT_KEYS`); None before the first."""


class DeviceSignal(Table):
    """A signal that changed something, as received. Deleted after `actions.KEPT_FOR`.

    One that says the same as the signal before it is not stored: the monitor has its time and its key.
    """

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


class SignalBridge(Table):
    """The state of `aed signals mqtt`, which it writes itself."""

    __tablename__ = "signal_bridges"

    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Its name at the broker, which keeps a session for it."""
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    """When it last wrote its state."""
    connected_since: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    """When it was stopped by a signal; None while it runs, and after a crash."""
    heard_at: Mapped[datetime | None]
    """When the broker last sent it a message."""
    topics: Mapped[list[str]]
    """The topic filters to which it is subscribed."""
    is_new: Mapped[int] = mapped_column(BigInteger, default=0)
    """Signals received; like the other counts, of all time."""
    known: Mapped[int] = mapped_column(BigInteger, default=0)
    unknown_serials: Mapped[int] = mapped_column(BigInteger, default=0)
    malformed: Mapped[int] = mapped_column(BigInteger, default=0)
    """Messages that no mapping could read, or that no source expects."""
    malformed_at: Mapped[datetime | None]
    malformed_topic: Mapped[str | None] = mapped_column(Text)
    malformed_reason: Mapped[str | None] = mapped_column(Text)
