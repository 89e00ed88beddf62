"""Name the index of recipients of reminders that no message has carried yet `…_unsent`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0091"
branch_labels = None
depends_on = None

UNSENT = sa.text("message_id IS NULL")


def upgrade() -> None:
    _rename("untold", "unsent")


def downgrade() -> None:
    _rename("unsent", "untold")


def _rename(old: str, new: str) -> None:
    """Rename the index, which no statement names. SQLite cannot rename one."""
    table = "reminder_recipients"
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX ix_{table}_{old} RENAME TO ix_{table}_{new}")
    else:
        op.drop_index(f"ix_{table}_{old}", table)
        op.create_index(f"ix_{table}_{new}", table, ["person_id"], sqlite_where=UNSENT)
