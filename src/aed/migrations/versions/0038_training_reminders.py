"""Reminders of sessions, of certificates that expire, and to practise again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "training_reminders",
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_training_reminders_person_id_people")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_training_reminders")),
    )
    op.create_index(op.f("ix_training_reminders_person_id"), "training_reminders", ["person_id"])


def downgrade() -> None:
    op.drop_table("training_reminders")
