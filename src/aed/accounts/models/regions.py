"""Regions."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, text, true
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.rules.trust import Trust
from aed.database.types import BigIntId, Table, Versioned, enum_column


class Region(Versioned, Table):
    """A province or city above estates; a tree. Roles are held on one and cover what is below."""

    __tablename__ = "regions"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    country: Mapped[str] = mapped_column(String(2))
    """ISO 3166-1 alpha-2."""
    time_zone: Mapped[str] = mapped_column(String(64))
    emergency_number: Mapped[str] = mapped_column(String(16))
    counts_ground_as_one: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether the ground floor is storey 1 there (China), or the one above is (most of Europe). Floors in
    the database count from 0 everywhere."""
    holiday_calendar: Mapped[str | None] = mapped_column(ForeignKey("holiday_calendars.name"))
    trust_needed: Mapped[Trust | None] = mapped_column(enum_column(Trust, name="trust_needed"))
    """How far a certificate must be believed before its holder is called; None: as in the region above, and
    verified where there is none."""
    needs_second_factor: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Administrators and dispatchers here and below must give a second factor when they sign in."""
    trust_in_force: Mapped[Trust] = mapped_column(
        enum_column(Trust, name="trust_in_force"),
        default=Trust.VERIFIED,
        server_default=text("'verified'"),
    )
    """The same for every region, so that the lookup need not climb. Kept in step by
    `actions.regions.put_region`, which alone changes the tree."""
