"""Batches of results for issuers, and the identity numbers and photos that they want."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
STATES = ("waiting", "accepted", "rejected")


def upgrade() -> None:
    op.add_column("issuers", sa.Column("batch_format", sa.JSON(), nullable=True))
    op.add_column("assessments", sa.Column("issuer_number", sa.String(length=100), nullable=True))
    op.create_table(
        "learner_identities",
        sa.Column("enrolment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=True),
        sa.Column("jpeg", sa.LargeBinary(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_learner_identities_enrolment_id_enrolments")
        ),
        sa.PrimaryKeyConstraint("enrolment_id", name=op.f("pk_learner_identities")),
    )
    op.create_table(
        "issuer_batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("issuer_id", KEY, nullable=False),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_issuer_batches_issuer_id_issuers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer_batches")),
        sa.UniqueConstraint("issuer_id", "reference", name=op.f("uq_issuer_batches_issuer_id_reference")),
    )
    op.create_table(
        "issuer_batch_rows",
        sa.Column("batch_id", KEY, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("assessment_id", KEY, nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="batchrowstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'rejected') = (reason IS NOT NULL)",
            name=op.f("ck_issuer_batch_rows_reason_if_rejected"),
        ),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessments.id"], name=op.f("fk_issuer_batch_rows_assessment_id_assessments")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["issuer_batches.id"], name=op.f("fk_issuer_batch_rows_batch_id_issuer_batches")
        ),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_issuer_batch_rows")),
    )
    op.create_index("ix_issuer_batch_rows_assessment_id", "issuer_batch_rows", ["assessment_id"])
    op.create_index(
        "uq_issuer_batch_rows_once",
        "issuer_batch_rows",
        ["assessment_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'rejected'"),
        sqlite_where=sa.text("state <> 'rejected'"),
    )


def downgrade() -> None:
    op.drop_table("issuer_batch_rows")
    op.drop_table("issuer_batches")
    op.drop_table("learner_identities")
    op.drop_column("assessments", "issuer_number")
    op.drop_column("issuers", "batch_format")
