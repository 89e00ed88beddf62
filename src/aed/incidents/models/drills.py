"""Drills: fetches that somebody has timed, or that an exercise has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Double, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.session import Key, Table, stored_by_value
from aed.lookup.arrival import Basis


class Drill(Table):
    """One timed fetch, from a start to the device and back; with the walk as the lookup had it then."""

    __tablename__ = "drills"
    __table_args__ = (
        CheckConstraint("seconds > 0", name="seconds"),
        CheckConstraint("walk_metres >= 0", name="walk_metres"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn_by_somebody"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    """Made up by whoever tells of it, once for each."""
    digest: Mapped[str] = mapped_column(String(64))
    """Of what was said: the same again is the same drill."""
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    """The device's at the time."""
    start_lat: Mapped[float] = mapped_column(Double)
    """Degrees, WGS-84; so the next."""
    start_lon: Mapped[float] = mapped_column(Double)
    start_floor: Mapped[int]
    device_floor: Mapped[int]
    seconds: Mapped[float] = mapped_column(Double)
    """From the start to the device and back at the start, as timed."""
    walk_metres: Mapped[float] = mapped_column(Double)
    """One way; in an exercise half of the way by the device to the patient."""
    basis: Mapped[Basis] = mapped_column(stored_by_value(Basis))
    floor_seconds: Mapped[float] = mapped_column(Double)
    """There and back on stairs and in lifts, as the lookup reckons."""
    ran_at: Mapped[datetime]
    told_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    by_name: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(500))
    withdrawn_at: Mapped[datetime | None]
    """It was no such fetch after all: it does not count."""
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))
