"""Who keeps the list that a feed brings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feeds", sa.Column("source", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("feeds", "source")
