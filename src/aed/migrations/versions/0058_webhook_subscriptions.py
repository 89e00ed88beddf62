"""Programs that are notified of the time bank, and endpoints that an answer of 410 closes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TABLE = "webhook_subscriptions"


def _refers(column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{TABLE}_{column}_{to}"))


def upgrade() -> None:
    op.add_column(
        "endpoints",
        sa.Column("is_closed_when_gone", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_table(
        TABLE,
        sa.Column("id", KEY, nullable=False),
        sa.Column("endpoint_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        _refers("endpoint_id", "endpoints"),
        _refers("region_id", "regions"),
        _refers("estate_id", "estates"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("endpoint_id", name=op.f(f"uq_{TABLE}_endpoint_id")),
    )
    for column in ("region_id", "estate_id"):
        op.create_index(op.f(f"ix_{TABLE}_{column}"), TABLE, [column])


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_column("endpoints", "is_closed_when_gone")
