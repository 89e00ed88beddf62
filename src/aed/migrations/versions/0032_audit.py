"""The audit log of roles, people and tokens; records of incidents are signed with a key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
SUBJECTS = ("role", "person", "token", "agreement", "log")


def upgrade() -> None:
    op.create_table(
        "audit_keys",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_keys")),
        sa.UniqueConstraint("key_id", name=op.f("uq_audit_keys_key_id")),
    )
    op.create_table(
        "audit_log",
        sa.Column("number", KEY, autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column(
            "subject",
            sa.Enum(*SUBJECTS, name="auditsubject", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_subject", "audit_log", ["subject", "subject_id"], unique=False)
    op.add_column("incident_events", sa.Column("key_id", sa.String(8), nullable=True))


def downgrade() -> None:
    op.drop_column("incident_events", "key_id")
    op.drop_table("audit_log")
    op.drop_table("audit_keys")
