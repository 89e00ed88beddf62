"""The bridge to an MQTT broker, and the keys of the last signals of each monitor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "signal_bridges",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.Column("connected_since", MOMENT, nullable=True),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.Column("heard_at", MOMENT, nullable=True),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("is_new", sa.BigInteger(), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.Column("unknown_serials", sa.BigInteger(), nullable=False),
        sa.Column("malformed", sa.BigInteger(), nullable=False),
        sa.Column("malformed_at", MOMENT, nullable=True),
        sa.Column("malformed_topic", sa.Text(), nullable=True),
        sa.Column("malformed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_signal_bridges")),
    )
    op.add_column("device_monitors", sa.Column("recent_keys", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("device_monitors", "recent_keys")
    op.drop_table("signal_bridges")
