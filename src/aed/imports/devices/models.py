"""Tables: sources of lists, their latest records, and reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.encryption.columns import EncryptedFields
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.imports.devices.rules import DEFAULT_RANK, HAND_RANK, Decision, ReviewKind

# --- Sources and their records --------------------------------------------------------------------------


class ListSource(Versioned, Table):
    """A source of devices with settings of its own. A source without a row has the default rank."""

    __tablename__ = "sources"
    __table_args__ = (CheckConstraint(f"rank BETWEEN 0 AND {HAND_RANK}", name="rank"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str | None] = mapped_column(String(200))
    country: Mapped[str | None] = mapped_column(String(2))
    rank: Mapped[int] = mapped_column(default=DEFAULT_RANK)
    """If two sources disagree about an attribute, the one with the higher rank wins."""


class SourceRecord(Table):
    """The latest statement of a source about a device. A row is not written if the statement is unchanged."""

    __tablename__ = "source_records"
    __table_args__ = (
        UniqueConstraint("source", "source_id"),
        Index("ix_source_records_device_id", "device_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.id"))
    """None until a person decides whether the record describes a registered device."""
    fields: Mapped[dict[str, Any]] = mapped_column(EncryptedFields("source_records.fields", "keeper_phone"))
    """The given fields of a `DeviceRow`, as JSON."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of `fields`."""
    first_seen_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]
    """Set if the last complete list lacked the record, and so many others that a person must confirm."""
    gone_since: Mapped[datetime | None]
    """Since when the source no longer lists it."""


_OPEN = text("decision IS NULL")


class Review(Table):
    """A question to a person. The decision is stored; it is asked again only if the evidence changes."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("kind", "source", "source_id", "device_id", "attribute"),
        Index("ix_reviews_device_id", "device_id"),
        Index("ix_reviews_open", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="decided"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    kind: Mapped[ReviewKind] = mapped_column(enum_column(ReviewKind))
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    """The id of the record that raised it; empty if it is about the whole list."""
    device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.id"))
    attribute: Mapped[str] = mapped_column(String(32))
    """The attribute in conflict; empty if it is about the whole device."""
    evidence: Mapped[dict[str, Any]] = mapped_column(EncryptedFields("reviews.evidence", "keeper_phone"))
    opened_at: Mapped[datetime]
    decision: Mapped[Decision | None] = mapped_column(enum_column(Decision))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(200))
