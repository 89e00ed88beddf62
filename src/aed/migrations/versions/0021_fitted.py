"""What is fitted in a device, read from its index alone: which kind of thing, too."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_consumables_fitted", table_name="consumables")
    op.create_index("ix_consumables_fitted", "consumables", ["device_id", "state", "expires_on", "kind"])


def downgrade() -> None:
    op.drop_index("ix_consumables_fitted", table_name="consumables")
    op.create_index("ix_consumables_fitted", "consumables", ["device_id", "state", "expires_on"])
