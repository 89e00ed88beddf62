"""On the way to a patient: where people are, what a guide saves them, the codes of cabinets; all incidents as
they go on. Live places are cells and nothing finer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alert_places",
        sa.Column("id", KEY, nullable=False),
        sa.Column("alert_id", KEY, nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_alert_places_exact_or_not")),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_places_alert_id_alerts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_places")),
        sa.UniqueConstraint("alert_id", "at", name=op.f("uq_alert_places_alert_id_at")),
    )
    op.create_index("ix_alert_places_at", "alert_places", ["at"], unique=False)
    op.create_index("ix_incident_events_at", "incident_events", ["at"], unique=False)
    op.create_table(
        "cabinet_codes",
        sa.Column("device_id", KEY, autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.Column("set_by", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_cabinet_codes_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_cabinet_codes")),
    )
    op.add_column("alerts", sa.Column("saved", sa.Double(), server_default=sa.text("0"), nullable=False))
    with op.batch_alter_table("live_places", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_live_places_exact_or_not"), type_="check")
        batch.drop_column("lat")
        batch.drop_column("lon")


def downgrade() -> None:
    with op.batch_alter_table("live_places", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.add_column(sa.Column("lat", sa.Double(), nullable=True))
        batch.add_column(sa.Column("lon", sa.Double(), nullable=True))
        batch.create_check_constraint(op.f("ck_live_places_exact_or_not"), "(lat IS NULL) = (lon IS NULL)")
    op.drop_column("alerts", "saved")
    op.drop_index("ix_incident_events_at", table_name="incident_events")
    op.drop_table("cabinet_codes")
    op.drop_table("alert_places")
