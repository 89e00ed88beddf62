"""Previews of what opening devices buys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "coverage_previews",
        sa.Column("id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inputs_hash", sa.String(64), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_coverage_previews_estate_id_estates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage_previews")),
    )
    op.create_index(op.f("ix_coverage_previews_estate_id"), "coverage_previews", ["estate_id"])


def downgrade() -> None:
    op.drop_table("coverage_previews")
