"""Tokens of programs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.rules import Role
from aed.database.types import BigIntId, Table, enum_column


class Token(Table):
    """A program's key to the API. Only its hash is stored; the key is shown once."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("(role = 'member') = (estate_id IS NOT NULL)", name="member_of_an_estate"),
        CheckConstraint("(role = 'dispatcher') = (region_id IS NOT NULL)", name="dispatcher_of_a_region"),
        Index("uq_tokens_name", "name", unique=True),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 in hexadecimal of a key of 256 random bits: nothing slower is needed for such a key."""
    role: Mapped[Role] = mapped_column(enum_column(Role))
    scopes: Mapped[list[str]]
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
