"""Feeds: lists that are followed on a timetable."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("form", sa.String(length=32), nullable=True),
        sa.Column("mapping", sa.Text(), nullable=True),
        sa.Column("region", sa.String(length=32), nullable=True),
        sa.Column("every_hours", sa.Integer(), nullable=False),
        sa.Column("next_due_at", MOMENT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_tried_at", MOMENT, nullable=True),
        sa.Column(
            "last_result",
            sa.Enum(
                "taken",
                "unchanged",
                "held_back",
                "failed",
                name="feedresult",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("last_said", sa.Text(), nullable=True),
        sa.Column("last_taken_at", MOMENT, nullable=True),
        sa.Column("etag", sa.String(length=512), nullable=True),
        sa.Column("last_modified", sa.String(length=512), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.CheckConstraint("every_hours BETWEEN 1 AND 744", name=op.f("ck_feeds_every_hours")),
        sa.CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", name=op.f("ck_feeds_claimed")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feeds")),
    )


def downgrade() -> None:
    op.drop_table("feeds")
