"""Index the UDI-DI of devices, by which recalls and people find them."""

from __future__ import annotations

from alembic import op

from aed.migrations.indexes import create_index_online

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_online("ix_devices_udi_di", "devices", ["udi_di"])


def downgrade() -> None:
    op.drop_index("ix_devices_udi_di", table_name="devices")
