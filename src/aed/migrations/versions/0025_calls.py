"""Calls: which device is out because of whom, taps that count once, who was stood down, how many show up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
STATES = ("asked", "seen", "accepted", "on_the_way", "there", "declined", "stopped")
REASONS = ("used", "failed_check", "missing", "recall", "failed_fetches", "not_returned")
SAID = (
    "seen",
    "accept",
    "decline",
    "on_the_way",
    "there",
    "device_taken",
    "device_not_there",
    "cannot_open",
    "device_returned",
    "device_attached",
    "shock_given",
    "handed_over",
)
IS_OUT = sa.text("out_device_id IS NOT NULL AND device_settled_at IS NULL")


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _may_be(table: str, constraint: str, column: str, *values: str) -> None:
    listed = ", ".join(f"'{each}'" for each in values)
    with op.batch_alter_table(table, reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f(constraint), type_="check")
        batch.create_check_constraint(op.f(constraint), f"{column} IN ({listed})")


def _reasons_may_be(*reasons: str) -> None:
    """SQLite makes the table anew, and reflects no index of an expression: it is made anew by hand."""
    op.drop_index("uq_quarantines_standing", table_name="quarantines")
    _may_be("quarantines", "ck_quarantines_reason", "reason", *reasons)
    is_in_force = sa.text("lifted_at IS NULL")
    op.create_index(
        "uq_quarantines_standing",
        "quarantines",
        ["device_id", "reason", sa.text("coalesce(recall_id, 0)")],
        unique=True,
        postgresql_where=is_in_force,
        sqlite_where=is_in_force,
    )


def upgrade() -> None:
    _may_be("alerts", "ck_alerts_alertstate", "state", *STATES, "stood_down")
    _reasons_may_be(*REASONS, "cannot_open")
    with op.batch_alter_table("alerts", reflect_kwargs={"resolve_fks": False}) as batch:
        for name in ("device_taken_at", "device_used_at", "device_returned_at"):
            batch.add_column(sa.Column(name, MOMENT, nullable=True))
        batch.add_column(
            sa.Column("fetch_failure", _one_of("fetchfailure", "not_there", "cannot_open"), nullable=True)
        )
        batch.add_column(sa.Column("out_device_id", KEY, nullable=True))
        batch.add_column(sa.Column("device_settled_at", MOMENT, nullable=True))
        batch.create_foreign_key(
            op.f("fk_alerts_out_device_id_devices"), "devices", ["out_device_id"], ["id"]
        )
    op.create_index(
        "ix_alerts_out", "alerts", ["out_device_id"], postgresql_where=IS_OUT, sqlite_where=IS_OUT
    )
    op.create_table(
        "alert_answers",
        sa.Column("alert_id", KEY, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("said", _one_of("said", *SAID), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_answers_alert_id_alerts")),
        sa.PrimaryKeyConstraint("alert_id", "key", name=op.f("pk_alert_answers")),
    )
    op.add_column("call_outs", sa.Column("over_at", MOMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("call_outs", "over_at")
    op.drop_table("alert_answers")
    op.drop_index("ix_alerts_out", table_name="alerts")
    op.execute("UPDATE alerts SET state = 'stopped' WHERE state = 'stood_down'")
    op.execute("UPDATE quarantines SET reason = 'failed_fetches' WHERE reason = 'cannot_open'")
    with op.batch_alter_table("alerts", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("fk_alerts_out_device_id_devices"), type_="foreignkey")
        batch.drop_constraint(op.f("ck_alerts_fetchfailure"), type_="check")
        for name in (
            "device_settled_at",
            "out_device_id",
            "fetch_failure",
            "device_returned_at",
            "device_used_at",
            "device_taken_at",
        ):
            batch.drop_column(name)
    _reasons_may_be(*REASONS)
    _may_be("alerts", "ck_alerts_alertstate", "state", *STATES)
