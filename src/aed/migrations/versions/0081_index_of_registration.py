"""Index the registration numbers of devices, by which recalls and people find them."""

from __future__ import annotations

from alembic import op

from aed.migrations.indexes import create_index_online

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_online("ix_devices_registration_number", "devices", ["registration_number"])


def downgrade() -> None:
    op.drop_index("ix_devices_registration_number", table_name="devices")
