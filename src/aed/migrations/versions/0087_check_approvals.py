"""Approval of passed checks by a second person, where the policy asks for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
STATES = "'waiting', 'approved', 'refused', 'failed', 'overtaken'"
WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.add_column("policies", sa.Column("approval_days", sa.Integer(), nullable=True))
    op.create_table(
        "check_approvals",
        sa.Column("check_id", ID, autoincrement=False, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("lifts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by_id", ID, nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reminded_at", MOMENT, nullable=True),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_check_approvals_approvalstate")),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)",
            name=op.f("ck_check_approvals_waiting_until_decided"),
        ),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_check_approvals_check_id_checks")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_check_approvals_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["people.id"], name=op.f("fk_check_approvals_decided_by_id_people")
        ),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_check_approvals")),
    )
    op.create_index(
        "ix_check_approvals_waiting",
        "check_approvals",
        ["device_id"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.create_index(op.f("ix_check_approvals_decided_by_id"), "check_approvals", ["decided_by_id"])


def downgrade() -> None:
    op.drop_table("check_approvals")
    op.drop_column("policies", "approval_days")
