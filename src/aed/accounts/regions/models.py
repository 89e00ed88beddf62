"""Regions: a tree of provinces and cities above estates."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ForeignKey, String, text, true
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.trust import CertificateTrust
from aed.database.types import BigIntId, Table, Versioned, enum_column

COUNTRIES_WITH_GROUND_AS_ONE: Final = frozenset({"CN", "TW", "JP", "KR", "US", "CA", "RU", "NO"})


def counts_ground_as_one(country: str) -> bool:
    """Return True if the ground floor is storey 1 by default in that country. (Hong Kong counts from G.)"""
    return country in COUNTRIES_WITH_GROUND_AS_ONE


class Region(Versioned, Table):
    """A province or city, in a tree above estates. Roles on a region cover all below it."""

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
    trust_needed: Mapped[CertificateTrust | None] = mapped_column(
        enum_column(CertificateTrust, name="trust_needed")
    )
    """The trust that a certificate needs before its holder is alerted; None: as in the region above, or
    `verified`.
    """
    needs_second_factor: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Administrators and dispatchers here and below must give a second factor when they sign in."""
    trust_in_force: Mapped[CertificateTrust] = mapped_column(
        enum_column(CertificateTrust, name="trust_in_force"),
        default=CertificateTrust.VERIFIED,
        server_default=text("'verified'"),
    )
    """The effective `trust_needed`, stored so that the lookup need not climb the tree. Kept in step by
    `put_region`, which alone changes the tree."""
