"""Tables of the time bank: accounts and entries, rules of regions, mandates, webhooks and apps."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.database.types import BigIntId, Table, enum_column
from aed.notifications.models import EndpointRow
from aed.timebank.rules import (
    ONCE_KINDS,
    REGIONAL_KINDS,
    AccountKind,
    Currency,
    LedgerKind,
    PriorityGroup,
    Relation,
)

IS_REGIONAL = text("({})".format(" OR ".join(f"kind = '{kind}'" for kind in REGIONAL_KINDS)))
"""The condition of the index by region: SQLite uses it only for queries that repeat the condition.

Not `IN`, which PostgreSQL writes differently after a backup was restored.
"""
_OF_ESTATE = text("kind = 'estate'")
_ONCE = text("({})".format(" OR ".join(f"kind = '{kind}'" for kind in ONCE_KINDS)))


class LedgerAccount(Table):
    """An account of one currency. Triggers of the database keep `balance` the sum of its entries."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        UniqueConstraint("id", "currency"),
        CheckConstraint("(kind = 'person') = (person_id IS NOT NULL)", name="person"),
        CheckConstraint("kind <> 'estate' OR estate_id IS NOT NULL", name="estate"),
        Index("uq_ledger_accounts_person", "person_id", "currency", unique=True),
        Index(
            "uq_ledger_accounts_region",
            "region_id",
            "kind",
            "currency",
            unique=True,
            sqlite_where=IS_REGIONAL,
            postgresql_where=IS_REGIONAL,
        ),
        Index(
            "uq_ledger_accounts_estate",
            "estate_id",
            "currency",
            unique=True,
            sqlite_where=_OF_ESTATE,
            postgresql_where=_OF_ESTATE,
        ),
        Index("ix_ledger_accounts_active_at", "active_at"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    kind: Mapped[AccountKind] = mapped_column(enum_column(AccountKind))
    currency: Mapped[Currency] = mapped_column(enum_column(Currency))
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    """The region whose rules and pools apply."""
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str | None] = mapped_column(String(200))
    """Of a family, group or sponsor."""
    balance: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """In minutes, or in units of 1/600 point. Only the trigger of a new entry changes it."""
    minimum: Mapped[int | None] = mapped_column(BigInteger)
    """No entry but a reversal takes the balance below this; None: no limit."""
    last_entry: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """Number of the last entry that is in the balance."""
    active_at: Mapped[datetime | None]
    """When its holder last earned or used points; kept by the trigger."""
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    """Its holder died: only an heir or the pool receives what is on it."""


class LedgerEntry(Table):
    """A movement between two accounts of one currency, in both of their statements.

    Entries are never changed or deleted: a correction is a new entry. They are numbered without gaps, and
    each is signed with the one before, as in the audit log.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["from_account_id", "currency"],
            ["ledger_accounts.id", "ledger_accounts.currency"],
            name="fk_ledger_entries_from_account_id_ledger_accounts",
        ),
        ForeignKeyConstraint(
            ["to_account_id", "currency"],
            ["ledger_accounts.id", "ledger_accounts.currency"],
            name="fk_ledger_entries_to_account_id_ledger_accounts",
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("from_account_id <> to_account_id", name="two_accounts"),
        CheckConstraint("(kind = 'reverse') = (reverses IS NOT NULL)", name="reverses"),
        Index("ix_ledger_entries_from_account_id", "from_account_id", "number"),
        Index("ix_ledger_entries_to_account_id", "to_account_id", "number"),
        Index("ix_ledger_entries_record", "record"),
        Index(
            "uq_ledger_entries_once",
            "record",
            "kind",
            "currency",
            unique=True,
            sqlite_where=_ONCE,
            postgresql_where=_ONCE,
        ),
        Index(
            "ix_ledger_entries_subject",
            "subject",
            "served_on",
            sqlite_where=text("subject IS NOT NULL"),
            postgresql_where=text("subject IS NOT NULL"),
        ),
    )

    number: Mapped[int] = mapped_column(BigIntId, primary_key=True, autoincrement=False)
    """Without gaps, from 1."""
    at: Mapped[datetime]
    kind: Mapped[LedgerKind] = mapped_column(enum_column(LedgerKind))
    currency: Mapped[Currency] = mapped_column(enum_column(Currency))
    from_account_id: Mapped[int] = mapped_column(BigIntId)
    to_account_id: Mapped[int] = mapped_column(BigIntId)
    amount: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[str] = mapped_column(String(80))
    """What it is for, such as `service:7` or `order:3`."""
    reverses: Mapped[int | None] = mapped_column(ForeignKey("ledger_entries.number"), unique=True)
    """The entry that this one undoes."""
    subject: Mapped[str | None] = mapped_column(String(64))
    """What the service was done to, such as `device:5`, if the rules limit its minutes a day."""
    served_on: Mapped[date | None]
    rules_version: Mapped[str] = mapped_column(String(64))
    posted_by: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(300))
    """In words without names, since entries are never changed."""
    hash: Mapped[str] = mapped_column(String(64))
    """HMAC-SHA256 over the previous entry's hash and this entry."""
    key_id: Mapped[str] = mapped_column(String(8))


class RegionalRules(Table):
    """The rules of a region's time bank from a moment on. Never amended: later ones replace them."""

    __tablename__ = "time_bank_rules"
    __table_args__ = (UniqueConstraint("region_id", "starts_at"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    starts_at: Mapped[datetime]
    version: Mapped[str] = mapped_column(String(64), unique=True)
    numbers: Mapped[dict[str, Any]] = mapped_column(JSON)
    """See `regional_rules.schemas.RulesIn`."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))


class ExpiryNotice(Table):
    """A notice to the holder of an account that its points will expire: each is sent once."""

    __tablename__ = "expiry_notices"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("ledger_accounts.id"), primary_key=True, autoincrement=False
    )
    active_at: Mapped[datetime] = mapped_column(primary_key=True)
    """The last activity, from which the points expire."""
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sent_at: Mapped[datetime]


class Relative(Table):
    """A relative that a person declared: gifts go between them once the relative has confirmed it."""

    __tablename__ = "relatives"
    __table_args__ = (
        CheckConstraint("person_id <> relative_id", name="two_people"),
        Index(
            "uq_relatives_open",
            "person_id",
            "relative_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_relatives_relative_id", "relative_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    relative_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    relation: Mapped[Relation] = mapped_column(enum_column(Relation))
    """What the relative is to the person."""
    declared_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class FamilyMember(Table):
    """A member of a family account: may pay into it, and spend from it."""

    __tablename__ = "family_members"
    __table_args__ = (
        Index(
            "uq_family_members_active",
            "person_id",
            unique=True,
            sqlite_where=text("left_at IS NULL"),
            postgresql_where=text("left_at IS NULL"),
        ),
        Index("ix_family_members_account_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class NamedHeir(Table):
    """The relative to whom a person wants their points to go. The heir still claims them, with proof."""

    __tablename__ = "named_heirs"
    __table_args__ = (CheckConstraint("person_id <> heir_id", name="two_people"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    heir_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    named_at: Mapped[datetime]


class Inheritance(Table):
    """The points of a person who died: for the heir who claims in time, or else for the region's pool."""

    __tablename__ = "inheritances"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), unique=True)
    died_on: Mapped[date]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(200))
    heir_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    settled_at: Mapped[datetime | None]
    """When an heir claimed, or the time for it was over."""
    settled_by: Mapped[str | None] = mapped_column(String(200))


class Mandate(Table):
    """The permission to use another person's points for them, such as an elderly neighbour's."""

    __tablename__ = "mandates"
    __table_args__ = (
        CheckConstraint("principal_id <> agent_id", name="two_people"),
        CheckConstraint("ends_at > starts_at", name="period"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    principal_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(200))
    """The person themself, or the manager who has seen the signed mandate."""
    revoked_at: Mapped[datetime | None]


class PriorityMember(Table):
    """A person whom goods are kept for at first, such as those over 80; confirmed by a manager."""

    __tablename__ = "priority_members"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    priority_group: Mapped[PriorityGroup] = mapped_column(enum_column(PriorityGroup))
    confirmed_at: Mapped[datetime]
    confirmed_by: Mapped[str] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]


class WebhookEventType(StrEnum):
    SERVICE_CONFIRMED = "service.confirmed"
    POINTS_CHANGED = "points.changed"
    ORDER_PLACED = "order.placed"


class WebhookSubscription(Table):
    """A program that is notified of events of an estate, or of a region and all regions below.

    Its address and secret are those of the endpoint. It is active until the endpoint is closed.
    """

    __tablename__ = "webhook_subscriptions"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"), unique=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    """The region itself, or that of the estate."""
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """None: for the whole region."""
    events: Mapped[list[str]]
    """Values of WebhookEventType."""
    created_by: Mapped[str] = mapped_column(String(200))

    endpoint: Mapped[EndpointRow] = relationship(lazy="raise")

    @property
    def is_active(self) -> bool:
        return self.endpoint.closed_at is None


class ClientApp(Table):
    """An app of an estate or region that shows people their time bank in a web view."""

    __tablename__ = "client_apps"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    client_id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 in hexadecimal of a secret of 256 random bits."""
    origins: Mapped[list[str]]
    """Sites that may show the view in a frame, such as `https://app.example.org`."""
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    """The region itself, or that of the estate."""
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """None: of the whole region."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    removed_at: Mapped[datetime | None]


class EmbeddedView(Table):
    """A read-only view of one person's time bank in an app, by the hash of the key in its address.

    It is made with the key of a link that opens it once; then the key becomes that of the open view.
    """

    __tablename__ = "embedded_views"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("client_apps.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    app: Mapped[ClientApp] = relationship(lazy="raise")
