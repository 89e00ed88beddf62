"""How many of those who were asked to a patient came, per region and time of day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIMES = ("night", "morning", "day", "evening")


def upgrade() -> None:
    op.create_table(
        "show_up_counts",
        sa.Column("region_id", KEY, autoincrement=False, nullable=False),
        sa.Column(
            "time_of_day",
            sa.Enum(*TIMES, name="timeofday", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("asked", "seen", "accepted", "due", "there")
        ),
        sa.CheckConstraint(
            "there <= due AND due <= accepted AND seen <= asked", name=op.f("ck_show_up_counts_in_order")
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_show_up_counts_region_id_regions")
        ),
        sa.PrimaryKeyConstraint("region_id", "time_of_day", name=op.f("pk_show_up_counts")),
    )


def downgrade() -> None:
    op.drop_table("show_up_counts")
