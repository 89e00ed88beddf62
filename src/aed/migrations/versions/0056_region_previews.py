"""Previews of a step by every estate of a region."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
STATES = ("waiting", "running", "done", "failed")


def upgrade() -> None:
    state = sa.Enum(*STATES, name="regionpreviewstate", native_enum=False, create_constraint=True, length=32)
    op.create_table(
        "region_previews",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("step", sa.JSON(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("estates_done", sa.Integer(), nullable=False),
        sa.Column("estates_total", sa.Integer(), nullable=True),
        sa.Column("week_from", sa.Date(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_region_previews_region_id_regions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_region_previews")),
    )
    op.create_index(op.f("ix_region_previews_region_id"), "region_previews", ["region_id"])


def downgrade() -> None:
    op.drop_table("region_previews")
