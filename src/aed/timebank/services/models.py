"""Tables of services that members offer each other."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column
from aed.timebank.rules import ExchangeState, OfferKind


class ServiceOffer(Table):
    """What a member offers to do for others, such as a lesson."""

    __tablename__ = "service_offers"
    __table_args__ = (CheckConstraint("price > 0", name="price"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    kind: Mapped[OfferKind] = mapped_column(enum_column(OfferKind))
    title: Mapped[str] = mapped_column(String(200))
    times: Mapped[str | None] = mapped_column(String(200))
    """When, in the member's words."""
    place: Mapped[str | None] = mapped_column(String(200))
    """Roughly where: everyone in the region sees it."""
    price: Mapped[int] = mapped_column(BigInteger)
    """Units for an hour."""
    offered_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class ServiceExchange(Table):
    """A service that was asked for. The points are held from the agreement until both confirm it."""

    __tablename__ = "service_exchanges"
    __table_args__ = (
        UniqueConstraint("payer_account_id", "key"),
        CheckConstraint("minutes > 0", name="minutes"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    offer_id: Mapped[int] = mapped_column(ForeignKey("service_offers.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    """Whom it is done for."""
    payer_account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"))
    key: Mapped[str] = mapped_column(String(36))
    starts_at: Mapped[datetime]
    minutes: Mapped[int]
    is_proposed_by_provider: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Who proposed the time: the other side agrees to it."""
    address: Mapped[str | None] = mapped_column(Encrypted("service_exchanges.address"))
    """Where it is done; the provider sees it once the time is agreed on."""
    amount: Mapped[int] = mapped_column(BigInteger)
    """Units."""
    state: Mapped[ExchangeState] = mapped_column(enum_column(ExchangeState))
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(200))
    agreed_at: Mapped[datetime | None]
    given_at: Mapped[datetime | None]
    """When the provider confirmed that it was done."""
    received_at: Mapped[datetime | None]
    """When the other side confirmed it."""
    rating: Mapped[int | None]
    """By the side that received it."""
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(200))
