"""Signals of devices: monitors, the series of signals, vendors' sources, limits by policy, silent devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
REASONS = ("used", "failed_check", "missing", "recall", "failed_fetches", "cannot_open", "not_returned")


def _reasons_may_be(*reasons: str) -> None:
    """Replace the constraint on reasons. SQLite copies the table and loses its index of an expression."""
    op.drop_index("uq_quarantines_active", table_name="quarantines")
    listed = ", ".join(f"'{each}'" for each in reasons)
    with op.batch_alter_table("quarantines", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_quarantines_reason"), type_="check")
        batch.create_check_constraint(op.f("ck_quarantines_reason"), f"reason IN ({listed})")
    active = sa.text("lifted_at IS NULL")
    op.create_index(
        "uq_quarantines_active",
        "quarantines",
        ["device_id", "reason", sa.text("coalesce(recall_id, 0)")],
        unique=True,
        postgresql_where=active,
        sqlite_where=active,
    )


def upgrade() -> None:
    op.create_table(
        "device_monitors",
        sa.Column("device_id", KEY, autoincrement=False, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=True),
        sa.Column("key_made_at", MOMENT, nullable=True),
        sa.Column("key_made_by", sa.String(length=200), nullable=True),
        sa.Column("heard_at", MOMENT, nullable=True),
        sa.Column("is_clock_right", sa.Boolean(), nullable=False),
        sa.Column("last", sa.JSON(), nullable=False),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.Column("look_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_monitors_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_monitors")),
    )
    op.create_index(op.f("ix_device_monitors_look_at"), "device_monitors", ["look_at"])
    op.create_table(
        "device_signals",
        sa.Column("id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("readings", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_signals_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_signals")),
        sa.UniqueConstraint("device_id", "key", name=op.f("uq_device_signals_device_id_key")),
    )
    op.create_index(op.f("ix_device_signals_received_at"), "device_signals", ["received_at"])
    op.create_table(
        "signal_sources",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_signal_sources_region_id_regions")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_signal_sources_estate_id_estates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_signal_sources_name")),
    )
    op.create_index(op.f("ix_signal_sources_region_id"), "signal_sources", ["region_id"])
    op.create_index(op.f("ix_signal_sources_estate_id"), "signal_sources", ["estate_id"])
    op.add_column("devices", sa.Column("silent_since", MOMENT, nullable=True))
    op.add_column("policies", sa.Column("silent_after_minutes", sa.Integer(), nullable=True))
    op.add_column("policies", sa.Column("low_battery_percent", sa.Integer(), nullable=True))
    op.add_column("policies", sa.Column("min_celsius", sa.Integer(), nullable=True))
    op.add_column("policies", sa.Column("max_celsius", sa.Integer(), nullable=True))
    _reasons_may_be(*REASONS, "failed_self_test")


def downgrade() -> None:
    op.execute("UPDATE quarantines SET reason = 'failed_check' WHERE reason = 'failed_self_test'")
    _reasons_may_be(*REASONS)
    for name in ("max_celsius", "min_celsius", "low_battery_percent", "silent_after_minutes"):
        op.drop_column("policies", name)
    op.drop_column("devices", "silent_since")
    op.drop_table("signal_sources")
    op.drop_table("device_signals")
    op.drop_table("device_monitors")
