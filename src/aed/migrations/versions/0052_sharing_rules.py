"""Rules of regions for agreements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "sharing_rules",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_sharing_rules_region_id_regions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_rules")),
    )
    op.create_index(op.f("ix_sharing_rules_region_id"), "sharing_rules", ["region_id"])


def downgrade() -> None:
    op.drop_table("sharing_rules")
