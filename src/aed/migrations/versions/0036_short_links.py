"""Short links in messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "short_links",
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("encrypted_path", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_short_links")),
    )
    op.create_index(op.f("ix_short_links_expires_at"), "short_links", ["expires_at"])


def downgrade() -> None:
    op.drop_table("short_links")
