"""Mappings of lists, saved with a name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "saved_mappings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("region_id", KEY, nullable=True),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "estate_id IS NULL OR region_id IS NULL", name=op.f("ck_saved_mappings_one_place")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_saved_mappings_estate_id_estates")
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_saved_mappings_region_id_regions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_mappings")),
    )
    op.create_index(op.f("ix_saved_mappings_name"), "saved_mappings", ["name"])
    op.create_index(op.f("ix_saved_mappings_estate_id"), "saved_mappings", ["estate_id"])
    op.create_index(op.f("ix_saved_mappings_region_id"), "saved_mappings", ["region_id"])


def downgrade() -> None:
    op.drop_table("saved_mappings")
