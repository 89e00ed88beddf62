"""Combined cartridges: pads and battery in one, with one expiry date."""

from __future__ import annotations

from alembic import op

from aed.migrations.constraints import allow_values

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

KINDS = ("pads", "child_pads", "battery")
DUE_KINDS = ("glance", "check", "service", "pads", "child_pads", "battery", "return", "end_of_life")


def upgrade() -> None:
    allow_values("consumables", "consumablekind", "kind", (*KINDS, "cartridge"))
    allow_values("reminders", "due_kind", "due_kind", (*DUE_KINDS, "cartridge"))


def downgrade() -> None:
    """Delete what the release before does not know.

    visibility: it shows nothing to anybody.
    """
    op.execute("DELETE FROM reminder_recipients WHERE reminder_id IN "
               "(SELECT id FROM reminders WHERE due_kind = 'cartridge')")  # fmt: skip
    op.execute("DELETE FROM reminders WHERE due_kind = 'cartridge'")
    op.execute("UPDATE consumables SET kind = 'battery' WHERE kind = 'cartridge'")
    allow_values("reminders", "due_kind", "due_kind", DUE_KINDS)
    allow_values("consumables", "consumablekind", "kind", KINDS)
