"""Recalls of lots of pads and batteries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recalls", sa.Column("lots", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("recalls", "lots")
