"""Where and when services of members are, who proposed the time, and how they were rated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("service_offers", sa.Column("times", sa.String(200), nullable=True))
    op.add_column("service_offers", sa.Column("place", sa.String(200), nullable=True))
    op.add_column(
        "service_exchanges",
        sa.Column("is_proposed_by_provider", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("service_exchanges", sa.Column("address", sa.Text(), nullable=True))
    rated = "rating BETWEEN 1 AND 5"
    if op.get_bind().dialect.name == "sqlite":  # it adds a check only together with its column
        name = op.f("ck_service_exchanges_rating")
        op.execute(
            f"ALTER TABLE service_exchanges ADD COLUMN rating INTEGER CONSTRAINT {name} CHECK ({rated})"
        )
    else:
        op.add_column("service_exchanges", sa.Column("rating", sa.Integer(), nullable=True))
        op.create_check_constraint(op.f("ck_service_exchanges_rating"), "service_exchanges", rated)


def downgrade() -> None:
    for column in ("rating", "address", "is_proposed_by_provider"):
        op.drop_column("service_exchanges", column)
    for column in ("place", "times"):
        op.drop_column("service_offers", column)
