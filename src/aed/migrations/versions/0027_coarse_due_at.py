"""When those who were called are expected, as it may be shown before they accept.

Of older alerts it stays unknown: it cannot be reckoned any more from where people were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("coarse_due_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("alerts", "coarse_due_at")
