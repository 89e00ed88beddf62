"""Name the time at which a monitor is evaluated next `evaluate_at`."""

from __future__ import annotations

from typing import Final

from alembic import op

from aed.migrations.renames import Renames, rename

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None

RENAMES: Final = Renames(columns={"device_monitors": {"look_at": "evaluate_at"}})


def upgrade() -> None:
    rename(op.get_bind(), RENAMES)


def downgrade() -> None:
    rename(op.get_bind(), RENAMES.inverted())
