"""Regions, people and tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.rules import Role
from aed.db import Key, Table, Versioned, stored_by_value


class Region(Versioned, Table):
    """A province or city above estates; a tree. Roles are held on one and cover what is below."""

    __tablename__ = "regions"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    country: Mapped[str] = mapped_column(String(2))
    """ISO 3166-1 alpha-2."""
    time_zone: Mapped[str] = mapped_column(String(64))
    emergency_number: Mapped[str] = mapped_column(String(16))
    holiday_calendar: Mapped[str | None] = mapped_column(ForeignKey("holiday_calendars.name"))


class Person(Table):
    """Somebody: a keeper, a responder."""

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(32), index=True)
    language: Mapped[str] = mapped_column(String(8), default="zh")


class Token(Table):
    """A program's key to the API. Only its hash is stored; the key is shown once."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("(role = 'member') = (estate_id IS NOT NULL)", name="member_of_an_estate"),
        CheckConstraint("(role = 'dispatcher') = (region_id IS NOT NULL)", name="dispatcher_of_a_region"),
        Index("uq_tokens_name", "name", unique=True),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 in hexadecimal of a key of 256 random bits: nothing slower is needed for such a key."""
    role: Mapped[Role] = mapped_column(stored_by_value(Role))
    scopes: Mapped[list[str]]
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
