"""Tables of inspection rounds and their stops."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.accounts.regions.models import Region
from aed.database.types import BigIntId, Table
from aed.registry.estates.models import Estate


class InspectionRound(Table):
    """The devices that one person is to check on one day, in walking order. Its state is derived."""

    __tablename__ = "inspection_rounds"
    __table_args__ = (
        CheckConstraint("every_days BETWEEN 1 AND 366", name="every_days"),
        CheckConstraint("starts_at < ends_by", name="in_order"),
        CheckConstraint("(start_lat IS NULL) = (start_lon IS NULL)", name="start"),
        CheckConstraint("(end_lat IS NULL) = (end_lon IS NULL)", name="end"),
        Index(  # one round at a time
            "uq_inspection_rounds_at",
            "inspector_id",
            "starts_at",
            unique=True,
            postgresql_where=text("cancelled_at IS NULL"),
            sqlite_where=text("cancelled_at IS NULL"),
        ),
        Index("ix_inspection_rounds_day", "day"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """None for a round through a region."""
    inspector_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    assigned_by: Mapped[str] = mapped_column(String(200))
    assigned_at: Mapped[datetime]
    day: Mapped[date]
    """The local date."""
    starts_at: Mapped[datetime]
    ends_by: Mapped[datetime]
    ends_at: Mapped[datetime]
    """When it is over by the plan."""
    every_days: Mapped[int | None]
    """After how many days it is repeated; None: never."""
    check_minutes: Mapped[int]
    walking_seconds: Mapped[int]
    start_lat: Mapped[float | None]
    """WGS-84, like the next three columns. None once the inspector's data was erased."""
    start_lon: Mapped[float | None]
    end_lat: Mapped[float | None]
    """None: the round ends at its last device."""
    end_lon: Mapped[float | None]
    repeats_id: Mapped[int | None] = mapped_column(ForeignKey("inspection_rounds.id"), unique=True)
    """The round that this one repeats."""
    cancelled_at: Mapped[datetime | None]

    inspector: Mapped[Person] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")
    estate: Mapped[Estate | None] = relationship(lazy="raise")


class RoundStop(Table):
    """A device of an inspection round. That it is checked is derived from the checks."""

    __tablename__ = "round_stops"
    __table_args__ = (
        CheckConstraint("(begins_at IS NULL) = (not_visited_reason IS NOT NULL)", name="visited_or_not"),
    )

    round_id: Mapped[int] = mapped_column(
        ForeignKey("inspection_rounds.id"), primary_key=True, autoincrement=False
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1, in walking order; devices that cannot be visited come last."""
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    begins_at: Mapped[datetime | None]
    """When the check begins by the plan; None: it cannot be visited."""
    closes_at: Mapped[datetime | None]
    """When the device's hours end on that day; None: not before midnight."""
    hours_known: Mapped[bool]
    """False if the device may be closed at that time, because its hours are unknown."""
    not_visited_reason: Mapped[str | None] = mapped_column(String(32))
    """A value of `NotVisitedReason`."""
