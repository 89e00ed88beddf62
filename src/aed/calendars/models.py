"""Private calendar addresses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table, enum_column


class CalendarKind(StrEnum):
    """What a calendar shows."""

    PERSON = "person"
    """Sessions in which the person has a place, an offer, or a waiting-list entry."""
    TRAINER = "trainer"
    """Sessions that the person teaches."""
    ESTATE = "estate"
    """Sessions of the estate."""
    DUE = "due"
    """Due upkeep of the devices that the person keeps, manages or dispatches."""


class CalendarAddress(Table):
    """A private address that serves a calendar as iCalendar. Only the key's hash is stored.

    Revoked rows are kept.
    """

    __tablename__ = "calendar_addresses"
    __table_args__ = (
        CheckConstraint("(person_id IS NULL) = (kind = 'estate')", name="person_or_estate"),
        CheckConstraint("kind = 'due' OR (estate_id IS NULL) = (kind <> 'estate')", name="estate_or_person"),
        CheckConstraint("kind = 'due' OR (region_id IS NULL AND NOT is_mine)", name="limits"),
        # At most one active address for each kind and owner, but for due upkeep. 0 replaces NULL.
        Index(
            "uq_calendar_addresses_active",
            "kind",
            text("coalesce(person_id, 0)"),
            text("coalesce(estate_id, 0)"),
            unique=True,
            postgresql_where=text("revoked_at IS NULL AND kind <> 'due'"),
            sqlite_where=text("revoked_at IS NULL AND kind <> 'due'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    kind: Mapped[CalendarKind] = mapped_column(enum_column(CalendarKind))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """Limits due upkeep to an estate, as `region_id` does to a region; with neither it covers all devices."""
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    is_mine: Mapped[bool] = mapped_column(default=False)
    """Limits due upkeep to devices that the person keeps."""
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Hexadecimal SHA-256 of a 256-bit random key."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(String(200))
