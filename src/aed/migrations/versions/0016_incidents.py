"""Incidents: reports, plans, alerts, and the record of all of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
OPEN = sa.text("state = 'open'")
NOT_CARED = sa.text("closed_at IS NOT NULL AND (cared_at IS NULL OR asked_again_at IS NULL)")


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", _one_of("kind", "real", "exercise", "test"), nullable=False),
        sa.Column("state", _one_of("state", "open", "closed"), nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("door_code", sa.Text(), nullable=True),
        sa.Column("has_cpr", sa.Boolean(), nullable=False),
        sa.Column("collapsed_at", MOMENT, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("opened_by", sa.String(length=200), nullable=False),
        sa.Column("ambulance_at", MOMENT, nullable=False),
        sa.Column("ambulance_there_at", MOMENT, nullable=True),
        sa.Column("look_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", sa.String(length=200), nullable=True),
        sa.Column("outcome", _one_of("outcome", "handed_over", "false_alarm", "called_off"), nullable=True),
        sa.Column("cared_at", MOMENT, nullable=True),
        sa.Column("asked_again_at", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_incidents_closed_at_some_time")
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (outcome IS NULL)", name=op.f("ck_incidents_closed_somehow")
        ),
        refers("incidents", "region_id", "regions"),
        refers("incidents", "estate_id", "estates"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index("ix_incidents_region_id", "incidents", ["region_id"])
    op.create_index("ix_incidents_estate_id", "incidents", ["estate_id"])
    op.create_index("ix_incidents_open", "incidents", ["id"], postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_index(
        "ix_incidents_cared", "incidents", ["closed_at"], postgresql_where=NOT_CARED, sqlite_where=NOT_CARED
    )
    op.create_index("ix_incidents_look", "incidents", ["look_at"], postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_table(
        "incident_reports",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("case_number", sa.String(length=64), nullable=True),
        sa.Column("told_by", sa.String(length=200), nullable=False),
        sa.Column("by_id", KEY, nullable=True),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        refers("incident_reports", "incident_id", "incidents"),
        refers("incident_reports", "by_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_reports")),
        sa.UniqueConstraint("key", name=op.f("uq_incident_reports_key")),
        sa.UniqueConstraint("told_by", "case_number", name=op.f("uq_incident_reports_told_by_case_number")),
    )
    op.create_index("ix_incident_reports_incident_id", "incident_reports", ["incident_id"])
    op.create_index("ix_incident_reports_by_id", "incident_reports", ["by_id"])
    op.create_table(
        "alerts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("task", _one_of("task", "direct", "fetch", "guide"), nullable=False),
        sa.Column("device_id", KEY, nullable=True),
        sa.Column("works", sa.Double(), nullable=False),
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column(
            "state",
            _one_of("alertstate", "asked", "seen", "accepted", "on_the_way", "there", "declined", "stopped"),
            nullable=False,
        ),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.Column("there_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(task = 'fetch') = (device_id IS NOT NULL)", name=op.f("ck_alerts_a_device_to_fetch")
        ),
        refers("alerts", "incident_id", "incidents"),
        refers("alerts", "person_id", "people"),
        refers("alerts", "device_id", "devices"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("incident_id", "person_id", name=op.f("uq_alerts_incident_id_person_id")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_alerts_key_hash")),
    )
    op.create_index("ix_alerts_person_id", "alerts", ["person_id"])
    op.create_index("ix_alerts_device_id", "alerts", ["device_id"])
    op.create_table(
        "incident_plans",
        sa.Column("incident_id", KEY, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("because", sa.String(length=100), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        refers("incident_plans", "incident_id", "incidents"),
        sa.PrimaryKeyConstraint("incident_id", "number", name=op.f("pk_incident_plans")),
    )
    op.create_table(
        "incident_events",
        sa.Column("incident_id", KEY, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        refers("incident_events", "incident_id", "incidents"),
        sa.PrimaryKeyConstraint("incident_id", "number", name=op.f("pk_incident_events")),
    )


def downgrade() -> None:
    for table in ("incident_events", "incident_plans", "alerts", "incident_reports", "incidents"):
        op.drop_table(table)
