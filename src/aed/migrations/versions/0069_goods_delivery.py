"""Delivery and review of orders of goods, and photos of goods."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("goods", sa.Column("photo_sha256", sa.String(length=64), nullable=True))
    op.create_table(
        "goods_photos",
        sa.Column("goods_id", KEY, autoincrement=False, nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["goods_id"], ["goods.id"], name=op.f("fk_goods_photos_goods_id_goods")),
        sa.PrimaryKeyConstraint("goods_id", name=op.f("pk_goods_photos")),
    )
    op.add_column("goods_orders", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("goods_orders", sa.Column("delivered_by", sa.String(length=200), nullable=True))
    op.add_column("goods_orders", sa.Column("is_received", sa.Boolean(), nullable=True))
    op.add_column("goods_orders", sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("goods_orders", "reviewed_at")
    op.drop_column("goods_orders", "is_received")
    op.drop_column("goods_orders", "delivered_by")
    op.drop_column("goods_orders", "address")
    op.drop_table("goods_photos")
    op.drop_column("goods", "photo_sha256")
