"""Inspection rounds: who checks which devices on a day, in walking order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "inspection_rounds",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("inspector_id", KEY, nullable=False),
        sa.Column("assigned_by", sa.String(200), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=True),
        sa.Column("check_minutes", sa.Integer(), nullable=False),
        sa.Column("walking_seconds", sa.Integer(), nullable=False),
        sa.Column("start_lat", sa.Float(), nullable=True),
        sa.Column("start_lon", sa.Float(), nullable=True),
        sa.Column("end_lat", sa.Float(), nullable=True),
        sa.Column("end_lon", sa.Float(), nullable=True),
        sa.Column("repeats_id", KEY, nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("every_days BETWEEN 1 AND 366", name=op.f("ck_inspection_rounds_every_days")),
        sa.CheckConstraint("starts_at < ends_by", name=op.f("ck_inspection_rounds_in_order")),
        sa.CheckConstraint(
            "(start_lat IS NULL) = (start_lon IS NULL)", name=op.f("ck_inspection_rounds_start")
        ),
        sa.CheckConstraint("(end_lat IS NULL) = (end_lon IS NULL)", name=op.f("ck_inspection_rounds_end")),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_inspection_rounds_region_id_regions")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_inspection_rounds_estate_id_estates")
        ),
        sa.ForeignKeyConstraint(
            ["inspector_id"], ["people.id"], name=op.f("fk_inspection_rounds_inspector_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["repeats_id"],
            ["inspection_rounds.id"],
            name=op.f("fk_inspection_rounds_repeats_id_inspection_rounds"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection_rounds")),
        sa.UniqueConstraint("repeats_id", name=op.f("uq_inspection_rounds_repeats_id")),
    )
    op.create_index(op.f("ix_inspection_rounds_region_id"), "inspection_rounds", ["region_id"])
    op.create_index(op.f("ix_inspection_rounds_estate_id"), "inspection_rounds", ["estate_id"])
    op.create_index("ix_inspection_rounds_day", "inspection_rounds", ["day"])
    op.create_index(
        "uq_inspection_rounds_at",
        "inspection_rounds",
        ["inspector_id", "starts_at"],
        unique=True,
        postgresql_where=sa.text("cancelled_at IS NULL"),
        sqlite_where=sa.text("cancelled_at IS NULL"),
    )
    op.create_table(
        "round_stops",
        sa.Column("round_id", KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hours_known", sa.Boolean(), nullable=False),
        sa.Column("not_visited_reason", sa.String(32), nullable=True),
        sa.CheckConstraint(
            "(begins_at IS NULL) = (not_visited_reason IS NOT NULL)",
            name=op.f("ck_round_stops_visited_or_not"),
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["inspection_rounds.id"], name=op.f("fk_round_stops_round_id_inspection_rounds")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_round_stops_device_id_devices")),
        sa.PrimaryKeyConstraint("round_id", "position", name=op.f("pk_round_stops")),
    )
    op.create_index(op.f("ix_round_stops_device_id"), "round_stops", ["device_id"])


def downgrade() -> None:
    op.drop_table("round_stops")
    op.drop_table("inspection_rounds")
