"""SpatiaLite: where the devices are that anybody may see, without the others, as PostgreSQL has it since 0001."""

from __future__ import annotations

from alembic import op

from aed.database.schema import create_partial_window_index, drop_partial_window_index

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

NAME = "ix_devices_public_nearest"


def upgrade() -> None:
    create_partial_window_index(
        op.get_bind(),
        "devices",
        "position",
        name=NAME,
        where={"audience": "public", "state": "in_service"},
    )


def downgrade() -> None:
    drop_partial_window_index(op.get_bind(), name=NAME)
