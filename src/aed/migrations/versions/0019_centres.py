"""Dispatch centres, what they have reported, and messages and secrets for programs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("outbox", sa.Column("body", sa.Text(), nullable=True))
    op.add_column("endpoints", sa.Column("old_secret", sa.Text(), nullable=True))
    op.add_column("endpoints", sa.Column("old_secret_until", MOMENT, nullable=True))
    op.create_table(
        "centres",
        sa.Column("id", KEY, nullable=False),
        sa.Column("endpoint_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_centres_endpoint_id_endpoints")
        ),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_centres_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centres")),
        sa.UniqueConstraint("endpoint_id", name=op.f("uq_centres_endpoint_id")),
    )
    op.create_index(op.f("ix_centres_region_id"), "centres", ["region_id"], unique=False)
    op.create_table(
        "incident_messages",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("told_by", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_messages_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_messages")),
        sa.UniqueConstraint("told_by", "key", name=op.f("uq_incident_messages_told_by_key")),
    )
    op.create_index(
        op.f("ix_incident_messages_incident_id"), "incident_messages", ["incident_id"], unique=False
    )


def downgrade() -> None:
    """visibility: a schema's own step, which nobody is shown."""
    op.drop_table("incident_messages")
    op.drop_table("centres")
    op.drop_column("endpoints", "old_secret_until")
    op.drop_column("endpoints", "old_secret")
    op.drop_column("outbox", "body")
