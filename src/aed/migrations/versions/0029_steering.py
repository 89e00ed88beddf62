"""The dispatcher's hand on an incident, corrected places, estates that open their devices to emergencies, and
responders who are of age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "estates",
        sa.Column("emergency_override", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("responders", sa.Column("of_age", sa.Boolean(), nullable=True))
    op.add_column("incidents", sa.Column("place_corrected_at", MOMENT, nullable=True))
    op.add_column("incidents", sa.Column("calling_held_at", MOMENT, nullable=True))
    op.add_column("incidents", sa.Column("radius_metres", sa.Double(), nullable=True))
    op.add_column("incidents", _word("age_group", "unknown"))
    op.add_column("incidents", _word("hazard", "none"))
    op.add_column("incidents", sa.Column("hazard_note", sa.Text(), nullable=True))
    op.add_column("incident_reports", sa.Column("floor", sa.Integer(), nullable=True))
    op.add_column("incident_reports", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("incident_reports", sa.Column("door_code", sa.Text(), nullable=True))
    # Of an incident; SQLite adds no foreign key to a table that is there.
    op.add_column("incident_reports", sa.Column("split_from_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "incident_exclusions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("device_id", KEY, nullable=True),
        sa.Column("excluded_at", MOMENT, nullable=False),
        sa.Column("excluded_by", sa.String(200), nullable=False),
        sa.Column("lifted_at", MOMENT, nullable=True),
        sa.Column("lifted_by", sa.String(200), nullable=True),
        sa.CheckConstraint(
            "(person_id IS NULL) <> (device_id IS NULL)",
            name=op.f("ck_incident_exclusions_a_person_or_a_device"),
        ),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL)",
            name=op.f("ck_incident_exclusions_lifted_by_somebody"),
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_exclusions_incident_id_incidents")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_incident_exclusions_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_incident_exclusions_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_exclusions")),
    )
    for name in ("incident_id", "person_id", "device_id"):
        op.create_index(op.f(f"ix_incident_exclusions_{name}"), "incident_exclusions", [name])


def downgrade() -> None:
    op.drop_table("incident_exclusions")
    for name in ("split_from_id", "door_code", "address", "floor"):
        op.drop_column("incident_reports", name)
    for name in (
        "hazard_note",
        "hazard",
        "age_group",
        "radius_metres",
        "calling_held_at",
        "place_corrected_at",
    ):
        op.drop_column("incidents", name)
    op.drop_column("responders", "of_age")
    op.drop_column("estates", "emergency_override")


def _word(name: str, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(32), server_default=sa.text(f"'{default}'"), nullable=False)
