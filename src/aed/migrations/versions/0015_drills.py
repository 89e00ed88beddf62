"""Drills: fetches that somebody has timed, and the pace of an estate that follows from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    op.create_table(
        "drills",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("start_lat", sa.Double(), nullable=False),
        sa.Column("start_lon", sa.Double(), nullable=False),
        sa.Column("start_floor", sa.Integer(), nullable=False),
        sa.Column("device_floor", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("walk_metres", sa.Double(), nullable=False),
        sa.Column(
            "basis",
            sa.Enum(
                "walking_network",
                "straight_line",
                name="basis",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("floor_seconds", sa.Double(), nullable=False),
        sa.Column("ran_at", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("by_id", KEY, nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("withdrawn_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_drills_seconds")),
        sa.CheckConstraint("walk_metres >= 0", name=op.f("ck_drills_walk_metres")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_drills_withdrawn_by_somebody")
        ),
        refers("drills", "device_id", "devices"),
        refers("drills", "estate_id", "estates"),
        refers("drills", "by_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drills")),
        sa.UniqueConstraint("key", name=op.f("uq_drills_key")),
    )
    for column in ("device_id", "estate_id", "by_id"):
        op.create_index(f"ix_drills_{column}", "drills", [column], unique=False)
    op.create_table(
        "estate_paces",
        sa.Column("estate_id", KEY, autoincrement=False, nullable=False),
        sa.Column("seconds_per_metre", sa.Double(), nullable=False),
        sa.Column("pick_up_seconds", sa.Double(), nullable=False),
        sa.Column("drills", sa.Integer(), nullable=False),
        refers("estate_paces", "estate_id", "estates"),
        sa.PrimaryKeyConstraint("estate_id", name=op.f("pk_estate_paces")),
    )
    for column in ("seconds_per_metre", "pick_up_seconds"):
        op.create_index(f"ix_estate_paces_{column}", "estate_paces", [column], unique=False)


def downgrade() -> None:
    op.drop_table("estate_paces")
    op.drop_table("drills")
