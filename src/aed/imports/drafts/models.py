"""Table: uploaded lists that wait for their person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
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
    version: Mapped[int] = mapped_column(default=1)
    """Counts the amendments, so that nobody imports what they have not seen."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    imported_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Counts, and the reasons of refused rows by the row's number in the file."""
