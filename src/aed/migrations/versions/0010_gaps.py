"""Buildings of estates: where it is counted who can come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

from aed.database.schema import add_geometry_column, drop_spatial_table

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "buildings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column("floors", sa.Integer(), nullable=True),
        sa.CheckConstraint("floors BETWEEN 1 AND 200", name=op.f("ck_buildings_floors")),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_buildings_estate_id_estates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buildings")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_buildings_source_source_id")),
    )
    op.create_index(op.f("ix_buildings_estate_id"), "buildings", ["estate_id"], unique=False)
    add_geometry_column(op.get_bind(), "buildings", sa.Column("position", Geometry("POINT", srid=4326)))


def downgrade() -> None:
    drop_spatial_table(op.get_bind(), "buildings", ["position"])
