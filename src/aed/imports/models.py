"""Tables: uploaded lists that wait for their person, and saved mappings of lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table


class ImportDraft(Table):
    """An uploaded list with its mapping, kept until it is imported, and its result after that."""

    __tablename__ = "import_drafts"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    file_name: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes] = mapped_column(deferred=True)
    mapping: Mapped[str] = mapped_column(Text)
    """The text of a mapping file."""
    fixes: Mapped[list[str]] = mapped_column(JSON)
    """The kinds of findings to mend."""
    answers: Mapped[dict[str, dict[str, str]]] = mapped_column(JSON, server_default=text("'{}'"))
    """Answers about duplicates, see `aed.imports.devices.answers`."""
    version: Mapped[int] = mapped_column(default=1)
    """Counts the amendments, so that nobody imports what they have not seen."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    imported_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Counts, and the reasons of refused rows by the row's number in the file."""


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
