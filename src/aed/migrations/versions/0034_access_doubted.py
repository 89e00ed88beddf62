"""When access was found not as described; where the devices are that are out of service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aed.database.schema import create_nearest_index, create_partial_window_index, drop_partial_window_index

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_NEAREST = "ix_devices_out_of_service_nearest"


def upgrade() -> None:
    op.add_column("devices", sa.Column("access_doubted_at", sa.DateTime(timezone=True)))
    create_nearest_index(
        op.get_bind(), "devices", "position", name=_NEAREST, where="state = 'out_of_service'"
    )
    create_partial_window_index(
        op.get_bind(), "devices", "position", name=_NEAREST, where={"state": "out_of_service"}
    )


def downgrade() -> None:
    drop_partial_window_index(op.get_bind(), name=_NEAREST)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(_NEAREST, table_name="devices")
    op.drop_column("devices", "access_doubted_at")
