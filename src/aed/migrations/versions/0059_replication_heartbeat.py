"""A row that the primary renews, which shows on each standby how old its data is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    heartbeat = op.create_table(
        "replication_heartbeat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timeline", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replication_heartbeat")),
        sa.CheckConstraint("id = 1", name=op.f("ck_replication_heartbeat_one_row")),
    )
    op.execute(heartbeat.insert().values(id=1, at=sa.func.current_timestamp(), timeline=0))


def downgrade() -> None:
    op.drop_table("replication_heartbeat")
