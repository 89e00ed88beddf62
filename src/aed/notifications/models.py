"""The outbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.rules.person import Channel, Language
from aed.db import Key, Table, stored_by_value
from aed.sealing import Sealed


class Outgoing(Table):
    """A message that is to be sent, or was. Written in the transaction that has the reason for it."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_waiting",
            "id",
            postgresql_where=text("sent_at IS NULL AND given_up_at IS NULL"),
            sqlite_where=text("sent_at IS NULL AND given_up_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    channel: Mapped[Channel] = mapped_column(stored_by_value(Channel))
    recipient: Mapped[str] = mapped_column(Sealed("outbox.recipient"))
    """E.164."""
    language: Mapped[Language] = mapped_column(stored_by_value(Language))
    text_en: Mapped[str | None] = mapped_column(Text)
    text_zh: Mapped[str | None] = mapped_column(Text)
    is_secret: Mapped[bool]
    """Then its texts are emptied as soon as it is sent or given up."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """Nobody wants it after that."""
    claimed_until: Mapped[datetime | None]
    tries: Mapped[int]
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
