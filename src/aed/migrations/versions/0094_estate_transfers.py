"""Estates imported from another cell, and where devices went that another cell has taken over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0094"
down_revision = "0093"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "imported_estates",
        sa.Column("cell", sa.String(20), nullable=False),
        sa.Column("number_there", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("estate_id", ID, nullable=False),
        sa.Column("exported_at", MOMENT, nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_imported_estates_estate_id_estates")
        ),
        sa.PrimaryKeyConstraint("cell", "number_there", name=op.f("pk_imported_estates")),
    )
    op.create_index("ix_imported_estates_estate_id", "imported_estates", ["estate_id"])
    op.create_table(
        "imported_rows",
        sa.Column("cell", sa.String(20), nullable=False),
        sa.Column("table_name", sa.String(64), nullable=False),
        sa.Column("number_there", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number_here", sa.BigInteger(), nullable=False),
        sa.Column("estate_there", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("cell", "table_name", "number_there", name=op.f("pk_imported_rows")),
    )
    op.create_table(
        "moved_devices",
        sa.Column("device_id", ID, autoincrement=False, nullable=False),
        sa.Column("cell", sa.String(20), nullable=False),
        sa.Column("number_there", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_moved_devices_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_moved_devices")),
    )


def downgrade() -> None:
    op.drop_table("moved_devices")
    op.drop_table("imported_rows")
    op.drop_table("imported_estates")
