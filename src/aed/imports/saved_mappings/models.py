"""Table: saved mappings of lists."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table


class SavedMapping(Table):
    """How the list of an estate, a region or the whole network is read, under a name."""

    __tablename__ = "saved_mappings"
    __table_args__ = (CheckConstraint("estate_id IS NULL OR region_id IS NULL", name="one_place"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    """Neither: every importer of the network may use it."""
    mapping: Mapped[str] = mapped_column(Text)
    """The text of a mapping file."""
    version: Mapped[int] = mapped_column(default=1)
    """Counts the renamings."""
    saved_at: Mapped[datetime]
