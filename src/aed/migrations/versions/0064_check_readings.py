"""What an inspector reads and does besides answering: seal number, battery level, action taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checks", sa.Column("readings", sa.JSON(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("checks", "readings")
