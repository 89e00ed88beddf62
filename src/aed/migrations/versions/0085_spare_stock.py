"""Spare pads, batteries and cartridges of estates: what is kept, and what went in and out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
KINDS = "'pads', 'child_pads', 'battery', 'cartridge'"
REASONS = "'received', 'fitted', 'discarded', 'passed_on', 'counted'"
KEPT = sa.text("state = 'kept'")


def upgrade() -> None:
    op.create_table(
        "spare_stocks",
        sa.Column("id", ID, nullable=False),
        sa.Column("estate_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("maker", sa.String(length=100), nullable=True),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("reorder_point", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_spare_stocks_sparekind")),
        sa.CheckConstraint("state IN ('kept', 'withdrawn')", name=op.f("ck_spare_stocks_sparestate")),
        sa.CheckConstraint(
            "model IS NULL OR maker IS NOT NULL", name=op.f("ck_spare_stocks_model_of_a_maker")
        ),
        sa.CheckConstraint("reorder_point BETWEEN 0 AND 10000", name=op.f("ck_spare_stocks_reorder_point")),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_spare_stocks_estate_id_estates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spare_stocks")),
    )
    op.create_index(
        "uq_spare_stocks_kept",
        "spare_stocks",
        ["estate_id", "scope"],
        unique=True,
        postgresql_where=KEPT,
        sqlite_where=KEPT,
    )
    op.create_table(
        "spare_movements",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("stock_id", ID, nullable=False),
        sa.Column("lot", sa.String(length=100), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("device_id", ID, nullable=True),
        sa.Column("check_id", ID, nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by_id", ID, nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_spare_movements_quantity")),
        sa.CheckConstraint(f"reason IN ({REASONS})", name=op.f("ck_spare_movements_sparereason")),
        sa.ForeignKeyConstraint(
            ["stock_id"], ["spare_stocks.id"], name=op.f("fk_spare_movements_stock_id_spare_stocks")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_spare_movements_device_id_devices")
        ),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_spare_movements_check_id_checks")),
        sa.ForeignKeyConstraint(["by_id"], ["people.id"], name=op.f("fk_spare_movements_by_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spare_movements")),
        sa.UniqueConstraint("key", name=op.f("uq_spare_movements_key")),
    )
    op.create_index("ix_spare_movements_of_stock", "spare_movements", ["stock_id", "expires_on", "lot"])
    for name in ("by_id", "check_id", "device_id"):
        op.create_index(op.f(f"ix_spare_movements_{name}"), "spare_movements", [name])
    op.create_table(
        "spare_notices",
        sa.Column("stock_id", ID, autoincrement=False, nullable=False),
        sa.Column("lot", sa.String(length=100), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["stock_id"], ["spare_stocks.id"], name=op.f("fk_spare_notices_stock_id_spare_stocks")
        ),
        sa.PrimaryKeyConstraint("stock_id", "lot", "expires_on", name=op.f("pk_spare_notices")),
    )


def downgrade() -> None:
    op.drop_table("spare_notices")
    op.drop_table("spare_movements")
    op.drop_table("spare_stocks")
