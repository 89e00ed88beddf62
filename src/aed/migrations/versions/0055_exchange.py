"""What points are spent on: sponsors, goods, orders, and services of members; mandates to act for others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def _one_of(table: str, name: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{each}'" for each in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{name}"))


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _table(name: str, *parts: sa.Column[object] | sa.Constraint) -> None:
    op.create_table(name, *parts, sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")))


def _indexes(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def upgrade() -> None:
    _table(
        "mandates",
        sa.Column("id", KEY, nullable=False),
        sa.Column("principal_id", KEY, nullable=False),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("recorded_by", sa.String(200), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        _check("mandates", "two_people", "principal_id <> agent_id"),
        _check("mandates", "period", "ends_at > starts_at"),
        _refers("mandates", "principal_id", "people"),
        _refers("mandates", "agent_id", "people"),
    )
    _indexes("mandates", "principal_id", "agent_id")
    _table(
        "priority_members",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("priority_group", sa.String(32), nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=False),
        sa.Column("confirmed_by", sa.String(200), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        _one_of("priority_members", "prioritygroup", "priority_group", ("over_60", "over_80", "disabled")),
        _refers("priority_members", "person_id", "people"),
    )
    _indexes("priority_members", "person_id")
    _table(
        "sponsors",
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _check("sponsors", "budget", "committed >= 0 AND committed <= budget"),
        _refers("sponsors", "account_id", "ledger_accounts"),
        _refers("sponsors", "region_id", "regions"),
        sa.UniqueConstraint("account_id", name=op.f("uq_sponsors_account_id")),
    )
    _indexes("sponsors", "region_id")
    _table(
        "goods",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("sponsor_id", KEY, nullable=False),
        sa.Column("name_en", sa.String(200), nullable=False),
        sa.Column("name_zh", sa.String(200), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("first_for", sa.JSON(), nullable=False),
        sa.Column("first_until", MOMENT, nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        _check("goods", "stock", "stock >= 0"),
        _check("goods", "price", "price > 0"),
        _refers("goods", "region_id", "regions"),
        _refers("goods", "estate_id", "estates"),
        _refers("goods", "sponsor_id", "sponsors"),
    )
    _indexes("goods", "region_id")
    _table(
        "goods_orders",
        sa.Column("id", KEY, nullable=False),
        sa.Column("goods_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("payer_account_id", KEY, nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("code", sa.String(6), nullable=False),
        sa.Column("ordered_at", MOMENT, nullable=False),
        sa.Column("ordered_by", sa.String(200), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(200), nullable=True),
        _check("goods_orders", "quantity", "quantity > 0"),
        _one_of("goods_orders", "orderstate", "state", ("held", "collected", "cancelled")),
        _refers("goods_orders", "goods_id", "goods"),
        _refers("goods_orders", "person_id", "people"),
        _refers("goods_orders", "payer_account_id", "ledger_accounts"),
        sa.UniqueConstraint("payer_account_id", "key", name=op.f("uq_goods_orders_payer_account_id_key")),
    )
    _indexes("goods_orders", "goods_id", "person_id")
    _table(
        "service_offers",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("offered_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        _check("service_offers", "price", "price > 0"),
        _one_of("service_offers", "offerkind", "kind", ("accompanying", "repair", "lesson", "other")),
        _refers("service_offers", "person_id", "people"),
        _refers("service_offers", "region_id", "regions"),
    )
    _indexes("service_offers", "person_id", "region_id")
    _table(
        "service_exchanges",
        sa.Column("id", KEY, nullable=False),
        sa.Column("offer_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("payer_account_id", KEY, nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("agreed_at", MOMENT, nullable=True),
        sa.Column("given_at", MOMENT, nullable=True),
        sa.Column("received_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(200), nullable=True),
        _check("service_exchanges", "minutes", "minutes > 0"),
        _one_of("service_exchanges", "exchangestate", "state", ("asked", "agreed", "settled", "cancelled")),
        _refers("service_exchanges", "offer_id", "service_offers"),
        _refers("service_exchanges", "person_id", "people"),
        _refers("service_exchanges", "payer_account_id", "ledger_accounts"),
        sa.UniqueConstraint(
            "payer_account_id", "key", name=op.f("uq_service_exchanges_payer_account_id_key")
        ),
    )
    _indexes("service_exchanges", "offer_id", "person_id")


def downgrade() -> None:
    for name in (
        "service_exchanges",
        "service_offers",
        "goods_orders",
        "goods",
        "sponsors",
        "priority_members",
        "mandates",
    ):
        op.drop_table(name)
