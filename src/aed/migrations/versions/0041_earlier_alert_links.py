"""Links of earlier messages of an alert, which stay valid when its person is alerted again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "earlier_alert_links",
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("alert_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_earlier_alert_links_alert_id_alerts")
        ),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_earlier_alert_links")),
    )
    op.create_index("ix_earlier_alert_links_alert_id", "earlier_alert_links", ["alert_id"])


def downgrade() -> None:
    """Drop the table. visibility: a schema's own step, which nobody is shown."""
    op.drop_table("earlier_alert_links")
