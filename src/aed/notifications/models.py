"""The outbox, and the endpoints to which messages go."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.people.rules import Language
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column
from aed.notifications.rules import Channel

_WAITING = text("sent_at IS NULL AND given_up_at IS NULL")
_SENT = text("sent_at IS NOT NULL")
_DEAD = text("given_up_at IS NOT NULL")
_TRIED = text("endpoint_id IS NOT NULL")


class OutboxMessage(Table):
    """A message to send, or that was sent. It is written in the transaction that gives rise to it."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(
            "person_id IS NOT NULL OR endpoint_id IS NOT NULL OR is_secret", name="to_somebody"
        ),  # a code for signing up goes to a number that nobody has yet
        CheckConstraint("sent_at IS NULL OR given_up_at IS NULL", name="one_end"),
        Index(
            "ix_outbox_due",
            "channel",
            "is_secret",
            "due_at",
            "id",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        Index(
            "ix_outbox_ordering_key", "ordering_key", "id", postgresql_where=_WAITING, sqlite_where=_WAITING
        ),
        Index("ix_outbox_dead", "id", postgresql_where=_DEAD, sqlite_where=_DEAD),
        Index("ix_outbox_tried", "endpoint_id", "tried_at", postgresql_where=_TRIED, sqlite_where=_TRIED),
        Index("ix_outbox_sent", "channel", "sent_at", postgresql_where=_SENT, sqlite_where=_SENT),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True, default=lambda: uuid4().hex)
    """Idempotency key: receivers detect duplicates by it."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    endpoint_id: Mapped[int | None] = mapped_column(ForeignKey("endpoints.id"))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    recipient: Mapped[str] = mapped_column(Encrypted("outbox.recipient"))
    """E.164; an endpoint's e-mail address, or its name."""
    ordering_key: Mapped[str | None] = mapped_column(String(80))
    """Messages with the same key are sent one after the other. None: in any order."""
    language: Mapped[Language] = mapped_column(enum_column(Language))
    subject_en: Mapped[str | None] = mapped_column(String(200))
    subject_zh: Mapped[str | None] = mapped_column(String(200))
    text_en: Mapped[str | None] = mapped_column(Text)
    text_zh: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    """JSON for a program, sent as it is in place of the texts; for WeChat, the id of the template."""
    is_secret: Mapped[bool]
    """Its texts are deleted as soon as it is sent or given up."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(server_default=text("CURRENT_TIMESTAMP"))
    """It is not sent before this moment, which moves with each failed attempt."""
    expires_at: Mapped[datetime | None]
    """It is not sent after this moment."""
    claim: Mapped[str | None] = mapped_column(String(64))
    """The worker that is sending it, until `claimed_until`."""
    claimed_until: Mapped[datetime | None]
    tries: Mapped[int]
    tried_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(300))
    """The reason of the last failed attempt."""
    is_channel_down: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The last attempt failed for a reason that concerns the whole channel."""
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]


class WechatConsent(Table):
    """A consent to one subscribe message: the person tapped "allow" in the mini program."""

    __tablename__ = "wechat_consents"
    __table_args__ = (
        Index("uq_wechat_consents_key", "endpoint_id", "template_id", "key", unique=True),
        Index(
            "ix_wechat_consents_left",
            "endpoint_id",
            "template_id",
            "id",
            postgresql_where=text("used_at IS NULL"),
            sqlite_where=text("used_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"))
    template_id: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    """The app's key of the tap: sent again, it is not counted again."""
    given_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    """When a message was enqueued for it; None again if WeChat did not take that message."""


class EndpointRow(Table):
    """A recipient without a phone number: a chat group, a webhook, a mailbox or a browser.

    Its address and secret are never shown.
    """

    __tablename__ = "endpoints"
    __table_args__ = (
        CheckConstraint("channel NOT IN ('sms', 'voice')", name="needs_more_than_a_number"),
        Index(
            "uq_endpoints_name",
            "name",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
            sqlite_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    """The person that it belongs to, if any."""
    language: Mapped[Language] = mapped_column(enum_column(Language))
    address: Mapped[str] = mapped_column(Encrypted("endpoints.address"))
    secret: Mapped[str | None] = mapped_column(Encrypted("endpoints.secret"))
    old_secret: Mapped[str | None] = mapped_column(Encrypted("endpoints.old_secret"))
    """The previous secret, valid beside the new one until `old_secret_until`."""
    old_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    """No message is sent there after this moment."""
    is_closed_when_gone: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """An answer of 410 closes it also after JSON of `enqueue_body`. Not so for dispatch centres: their
    reports about patients still count."""

    def old_secret_at(self, at: datetime) -> str | None:
        """Return the previous secret if it is still valid."""
        is_good = self.old_secret_until is not None and at < self.old_secret_until
        return self.old_secret if is_good else None
