"""How the storeys of a region are counted: whether its ground floor is called the first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

COUNTED_FROM_ONE = "'CN', 'TW', 'JP', 'KR', 'US', 'CA', 'RU', 'NO'"


def upgrade() -> None:
    op.add_column(
        "regions", sa.Column("counts_ground_as_one", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.execute(f"UPDATE regions SET counts_ground_as_one = false WHERE country NOT IN ({COUNTED_FROM_ONE})")  # noqa: S608 - constants


def downgrade() -> None:
    op.drop_column("regions", "counts_ground_as_one")
