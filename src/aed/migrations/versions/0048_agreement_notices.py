"""Which notice of its end the parties of an agreement have had."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreements", sa.Column("notified_days", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("agreements", "notified_days")
