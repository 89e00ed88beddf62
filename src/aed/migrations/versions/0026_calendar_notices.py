"""Thresholds before the end of a holiday calendar of which administrators were notified."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holiday_calendar_notices",
        sa.Column(
            "calendar_name",
            sa.String(32),
            sa.ForeignKey(
                "holiday_calendars.name",
                name=op.f("fk_holiday_calendar_notices_calendar_name_holiday_calendars"),
            ),
            nullable=False,
        ),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("threshold_days", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "calendar_name", "ends_on", "threshold_days", name=op.f("pk_holiday_calendar_notices")
        ),
    )


def downgrade() -> None:
    op.drop_table("holiday_calendar_notices")
