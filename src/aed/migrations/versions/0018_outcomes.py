"""What became of the patients of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
HELD = sa.text("age IS NOT NULL OR sex IS NOT NULL")
YES_NO = ("yes", "no", "unknown")


def _one_of(column: str, *values: str, name: str | None = None) -> sa.Column[str]:
    kind = sa.Enum(*values, name=name or column, native_enum=False, create_constraint=True, length=32)
    return sa.Column(column, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "patient_outcomes",
        sa.Column("incident_id", KEY, autoincrement=False, nullable=False),
        _one_of("arrest", *YES_NO),
        _one_of("resuscitation", *YES_NO),
        _one_of(
            "pathogenesis",
            "medical",
            "trauma",
            "overdose",
            "drowning",
            "electrocution",
            "asphyxial",
            "unknown",
        ),
        _one_of("witnessed", "bystander", "ems", "unwitnessed", "unknown"),
        _one_of(
            "location",
            "home",
            "workplace",
            "sports",
            "street",
            "public_building",
            "care_home",
            "education",
            "other",
            "unknown",
        ),
        sa.Column("age", sa.Text(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        _one_of(
            "bystander_cpr",
            "none",
            "compressions",
            "with_breaths",
            "of_some_kind",
            "unknown",
            name="bystandercpr",
        ),
        _one_of("dispatcher_cpr", *YES_NO),
        _one_of("bystander_aed", "not_used", "no_shock", "shock", "unknown", name="bystanderaed"),
        _one_of(
            "first_rhythm",
            "vf",
            "pulseless_vt",
            "pea",
            "asystole",
            "bradycardia",
            "aed_shockable",
            "aed_not_shockable",
            "unknown",
            name="rhythm",
        ),
        sa.Column("first_shock_at", MOMENT, nullable=True),
        _one_of("rosc", *YES_NO),
        _one_of("survived_event", *YES_NO),
        _one_of("survived", *YES_NO),
        sa.Column("cpc", sa.Integer(), nullable=True),
        sa.Column("mrs", sa.Integer(), nullable=True),
        sa.Column("told_by", sa.String(length=200), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("forgotten_at", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("cpc BETWEEN 1 AND 5", name=op.f("ck_patient_outcomes_cpc")),
        sa.CheckConstraint("mrs BETWEEN 0 AND 6", name=op.f("ck_patient_outcomes_mrs")),
        sa.CheckConstraint(
            "forgotten_at IS NULL OR (age IS NULL AND sex IS NULL)",
            name=op.f("ck_patient_outcomes_forgotten_is_forgotten"),
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_patient_outcomes_incident_id_incidents")
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_patient_outcomes")),
    )
    op.create_index(
        "ix_patient_outcomes_held",
        "patient_outcomes",
        ["incident_id"],
        postgresql_where=HELD,
        sqlite_where=HELD,
    )


def downgrade() -> None:
    op.drop_table("patient_outcomes")
