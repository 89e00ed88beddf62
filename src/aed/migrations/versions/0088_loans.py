"""Loans: a spare device stands in for one that is away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aed.migrations.constraints import allow_values

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
OPEN = sa.text("returned_at IS NULL")
DUE_KINDS = (
    "glance",
    "check",
    "service",
    "pads",
    "child_pads",
    "battery",
    "cartridge",
    "return",
    "end_of_life",
)


def upgrade() -> None:
    op.add_column("devices", sa.Column("loaner_id", ID, nullable=True))
    op.add_column("devices", sa.Column("stands_in_for_id", ID, nullable=True))
    op.create_table(
        "loans",
        sa.Column("id", ID, nullable=False),
        sa.Column("device_id", ID, nullable=False),
        sa.Column("loaner_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lent_at", MOMENT, nullable=False),
        sa.Column("lent_by", sa.String(length=200), nullable=False),
        sa.Column("due_back_on", sa.Date(), nullable=False),
        sa.Column("loaner_before", sa.JSON(), nullable=False),
        sa.Column("loaner_keeper_id", ID, nullable=True),
        sa.Column("returned_at", MOMENT, nullable=True),
        sa.Column("returned_by", sa.String(length=200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("device_id <> loaner_id", name=op.f("ck_loans_two_devices")),
        sa.CheckConstraint(
            "(returned_at IS NULL) = (returned_by IS NULL)", name=op.f("ck_loans_return_is_complete")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_loans_device_id_devices")),
        sa.ForeignKeyConstraint(["loaner_id"], ["devices.id"], name=op.f("fk_loans_loaner_id_devices")),
        sa.ForeignKeyConstraint(
            ["loaner_keeper_id"], ["people.id"], name=op.f("fk_loans_loaner_keeper_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loans")),
    )
    for name, column in (("uq_loans_device", "device_id"), ("uq_loans_loaner", "loaner_id")):
        op.create_index(name, "loans", [column], unique=True, postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_index(op.f("ix_loans_loaner_keeper_id"), "loans", ["loaner_keeper_id"])
    allow_values("reminders", "due_kind", "due_kind", (*DUE_KINDS, "loan"))


def downgrade() -> None:
    """Delete what the release before does not know.

    visibility: it shows nothing to anybody.
    """
    op.execute(
        "DELETE FROM reminder_recipients WHERE reminder_id IN "
        "(SELECT id FROM reminders WHERE due_kind = 'loan')"
    )
    op.execute("DELETE FROM reminders WHERE due_kind = 'loan'")
    allow_values("reminders", "due_kind", "due_kind", DUE_KINDS)
    op.drop_table("loans")
    op.drop_column("devices", "stands_in_for_id")
    op.drop_column("devices", "loaner_id")
