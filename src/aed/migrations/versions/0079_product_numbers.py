"""Registration number, UDI-DI, production date and end of life of devices; recalls by those numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aed.migrations.constraints import allow_values

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

DUE_KINDS = ("glance", "check", "service", "pads", "child_pads", "battery", "return")


def upgrade() -> None:
    for table in ("devices", "recalls"):
        op.add_column(table, sa.Column("registration_number", sa.String(length=100), nullable=True))
        op.add_column(table, sa.Column("udi_di", sa.String(length=100), nullable=True))
    op.add_column("devices", sa.Column("manufactured_on", sa.Date(), nullable=True))
    op.add_column("devices", sa.Column("end_of_life_on", sa.Date(), nullable=True))
    op.add_column("policies", sa.Column("life_years", sa.Integer(), nullable=True))
    allow_values("reminders", "due_kind", "due_kind", (*DUE_KINDS, "end_of_life"))


def downgrade() -> None:
    """Delete what the release before does not know.

    visibility: it shows nothing to anybody.
    """
    op.execute("DELETE FROM reminder_recipients WHERE reminder_id IN "
               "(SELECT id FROM reminders WHERE due_kind = 'end_of_life')")  # fmt: skip
    op.execute("DELETE FROM reminders WHERE due_kind = 'end_of_life'")
    allow_values("reminders", "due_kind", "due_kind", DUE_KINDS)
    op.drop_column("policies", "life_years")
    op.drop_column("devices", "end_of_life_on")
    op.drop_column("devices", "manufactured_on")
    for table in ("recalls", "devices"):
        op.drop_column(table, "udi_di")
        op.drop_column(table, "registration_number")
