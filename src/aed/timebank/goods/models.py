"""Tables of sponsors, goods and orders."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column
from aed.timebank.rules import OrderState


class Sponsor(Table):
    """Who gives goods. Points that are paid for them go to the sponsor's account."""

    __tablename__ = "sponsors"
    __table_args__ = (CheckConstraint("committed >= 0 AND committed <= budget", name="budget"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"), unique=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    budget: Mapped[int] = mapped_column(BigInteger)
    """Units for which the sponsor gives goods in all."""
    committed: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """Units of orders that are open or collected."""


class Goods(Table):
    """Goods that points are exchanged for."""

    __tablename__ = "goods"
    __table_args__ = (
        CheckConstraint("stock >= 0", name="stock"),
        CheckConstraint("price > 0", name="price"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    """Where they are collected."""
    sponsor_id: Mapped[int] = mapped_column(ForeignKey("sponsors.id"))
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    price: Mapped[int] = mapped_column(BigInteger)
    """Units for one."""
    stock: Mapped[int]
    """How many can still be ordered."""
    first_for: Mapped[list[str]]
    """Values of `rules.PriorityGroup`; empty: for all."""
    first_until: Mapped[datetime | None]
    """From then on for all; None: for these groups only."""
    is_open: Mapped[bool]
    photo_sha256: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the JPEG in `GoodsPhoto`; None: there is no photo."""


class GoodsPhoto(Table):
    """The photo of goods, re-encoded without metadata. It is public."""

    __tablename__ = "goods_photos"

    goods_id: Mapped[int] = mapped_column(ForeignKey("goods.id"), primary_key=True, autoincrement=False)
    jpeg: Mapped[bytes]


class StockChange(Table):
    """Goods that came in or went out otherwise than by an order, and why."""

    __tablename__ = "stock_changes"
    __table_args__ = (
        CheckConstraint("change <> 0", name="change"),
        UniqueConstraint("goods_id", "key"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    goods_id: Mapped[int] = mapped_column(ForeignKey("goods.id"))
    key: Mapped[str | None] = mapped_column(String(36))
    """Chosen by the client: the same change sent again counts once."""
    change: Mapped[int]
    """How many came in, or went out (below 0)."""
    reason: Mapped[str] = mapped_column(String(300))
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(200))


class GoodsOrder(Table):
    """An order, whose points are held until the goods are handed over or the order is cancelled."""

    __tablename__ = "goods_orders"
    __table_args__ = (
        UniqueConstraint("payer_account_id", "key"),
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_goods_orders_goods_id", "goods_id"),
        Index("ix_goods_orders_person_id", "person_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    goods_id: Mapped[int] = mapped_column(ForeignKey("goods.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    """Whose order it is; another person may have placed it for them (`ordered_by`)."""
    payer_account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"))
    key: Mapped[str] = mapped_column(String(36))
    quantity: Mapped[int]
    amount: Mapped[int] = mapped_column(BigInteger)
    """Units held or paid."""
    state: Mapped[OrderState] = mapped_column(enum_column(OrderState))
    code: Mapped[str] = mapped_column(String(6))
    """Shown to the person, and said at the desk or at the door when the goods are handed over."""
    wrong_codes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Wrong codes that were entered so far."""
    address: Mapped[str | None] = mapped_column(Encrypted("goods_orders.address"))
    """Where the goods are delivered; None: the person collects them. Deleted when the order ends."""
    delivered_by: Mapped[str | None] = mapped_column(String(200))
    """Name of the person who delivered the goods."""
    ordered_at: Mapped[datetime]
    ordered_by: Mapped[str] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(200))
    is_received: Mapped[bool | None]
    """What the person says whose order it is, once it was handed over; None: nothing yet."""
    reviewed_at: Mapped[datetime | None]
