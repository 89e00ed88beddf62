"""Goods that come in and go out otherwise than by orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "stock_changes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("goods_id", KEY, nullable=False),
        sa.Column("key", sa.String(36), nullable=True),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
        sa.CheckConstraint("change <> 0", name=op.f("ck_stock_changes_change")),
        sa.ForeignKeyConstraint(["goods_id"], ["goods.id"], name=op.f("fk_stock_changes_goods_id_goods")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_changes")),
        sa.UniqueConstraint("goods_id", "key", name=op.f("uq_stock_changes_goods_id_key")),
    )


def downgrade() -> None:
    op.drop_table("stock_changes")
