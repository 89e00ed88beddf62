"""Training, awards and evaluation beside the service on a proof."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("service_certificates", sa.Column("training", sa.JSON(), nullable=True))
    op.add_column("service_certificates", sa.Column("awards", sa.Text(), nullable=True))
    op.add_column("service_certificates", sa.Column("mean_rating", sa.Double(), nullable=True))
    op.add_column("service_certificates", sa.Column("ratings", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("ratings", "mean_rating", "awards", "training"):
        op.drop_column("service_certificates", name)
