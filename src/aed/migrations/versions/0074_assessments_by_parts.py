"""Assessments by parts with retakes, presence, and grades of trainers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
FLAGS = ("assessor_not_trainer", "requires_trainer_grade")


def upgrade() -> None:
    for flag in FLAGS:
        op.add_column("issuers", sa.Column(flag, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("courses", sa.Column("assessment", sa.JSON(), nullable=True))
    op.add_column("courses", sa.Column("parts", sa.Integer(), server_default="1", nullable=False))
    for name in ("min_presence_percent", "learners_per_trainer", "learners_per_manikin"):
        op.add_column("courses", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column(
        "training_sessions", sa.Column("trainers", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column("training_sessions", sa.Column("manikins", sa.Integer(), nullable=True))
    op.add_column("attendances", sa.Column("parts_present", sa.Integer(), nullable=True))
    op.create_table(
        "assessment_attempts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assessed_by", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("number BETWEEN 1 AND 10", name=op.f("ck_assessment_attempts_number")),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_assessment_attempts_enrolment_id_enrolments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment_attempts")),
        sa.UniqueConstraint(
            "enrolment_id", "number", name=op.f("uq_assessment_attempts_enrolment_id_number")
        ),
    )
    op.create_table(
        "trainer_grades",
        sa.Column("id", KEY, nullable=False),
        sa.Column("issuer_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("grade", sa.String(length=100), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_trainer_grades_issuer_id_issuers")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_trainer_grades_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainer_grades")),
        sa.UniqueConstraint("issuer_id", "person_id", name=op.f("uq_trainer_grades_issuer_id_person_id")),
    )
    op.create_index(op.f("ix_trainer_grades_person_id"), "trainer_grades", ["person_id"])


def downgrade() -> None:
    op.drop_table("trainer_grades")
    op.drop_table("assessment_attempts")
    op.drop_column("attendances", "parts_present")
    op.drop_column("training_sessions", "manikins")
    op.drop_column("training_sessions", "trainers")
    for name in (
        "learners_per_manikin",
        "learners_per_trainer",
        "min_presence_percent",
        "parts",
        "assessment",
    ):
        op.drop_column("courses", name)
    for flag in reversed(FLAGS):
        op.drop_column("issuers", flag)
