"""Name the time at which a monitor is evaluated next `evaluate_at`."""

from __future__ import annotations

from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("look_at", "evaluate_at")


def downgrade() -> None:
    _rename("evaluate_at", "look_at")


def _rename(old: str, new: str) -> None:
    """Rename the column and its index. SQLite cannot rename an index."""
    op.execute(f"ALTER TABLE device_monitors RENAME COLUMN {old} TO {new}")
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX ix_device_monitors_{old} RENAME TO ix_device_monitors_{new}")
    else:
        op.drop_index(f"ix_device_monitors_{old}", "device_monitors")
        op.create_index(f"ix_device_monitors_{new}", "device_monitors", [new])
