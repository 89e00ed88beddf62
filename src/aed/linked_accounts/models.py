"""The table of links between accounts in two cells."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table

_ACTIVE_REFERENCE = text("NOT is_home AND ended_at IS NULL")


class LinkedAccount(Table):
    """A link between the account of a person here and their account in another cell."""

    __tablename__ = "linked_accounts"
    __table_args__ = (
        UniqueConstraint("cell", "key"),
        Index(
            "uq_linked_accounts_home",
            "person_id",
            unique=True,
            postgresql_where=_ACTIVE_REFERENCE,
            sqlite_where=_ACTIVE_REFERENCE,
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    cell: Mapped[str] = mapped_column(String(20))
    """The code of the other cell."""
    key: Mapped[str] = mapped_column(String(24))
    """The same in both cells; it means nothing elsewhere."""
    is_home: Mapped[bool]
    """The home account is here; otherwise it is in the other cell."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """Until when the person may confirm the link in the other cell; None for a reference."""
    confirmed_at: Mapped[datetime | None]
    """Since when both cells know the link."""
    ended_at: Mapped[datetime | None]
    is_erasure: Mapped[bool]
    """It ended because the person had their data erased in the home cell: the other cell erases it too."""
    settled_at: Mapped[datetime | None]
    """When the other cell confirmed the end, or the erasure; None: it is notified again."""
    tried_at: Mapped[datetime | None]
    """When the other cell was last notified without success: others come first."""
    failure: Mapped[str | None] = mapped_column(String(200))
    """Why the last request to the other cell failed; None: it did not."""
