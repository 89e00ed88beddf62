"""Index the serial numbers of devices, by which their vendors name them."""

from __future__ import annotations

from alembic import op

from aed.migrations.indexes import create_index_online

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_online("ix_devices_serial", "devices", ["serial"])


def downgrade() -> None:
    op.drop_index("ix_devices_serial", table_name="devices")
