"""Certificates that people declare, until they are decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

KINDS = ("first_aid", "cpr_aed", "professional")
STATES = ("pending", "confirmed", "refused")


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "certificate_declarations",
        sa.Column("id", big, nullable=False),
        sa.Column("person_id", big, nullable=False),
        sa.Column("estate_id", big, nullable=True),
        sa.Column("region_id", big, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*KINDS, name="certificatekind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("issuer", sa.String(200), nullable=False),
        sa.Column("number", sa.String(100), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=True),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="declarationstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(200), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)",
            name=op.f("ck_certificate_declarations_decided_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_certificate_declarations_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_certificate_declarations_estate_id_estates")
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_certificate_declarations_region_id_regions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_declarations")),
    )
    op.create_index("ix_certificate_declarations_person_id", "certificate_declarations", ["person_id"])
    op.create_index(
        "ix_certificate_declarations_pending", "certificate_declarations", ["state", "estate_id", "region_id"]
    )


def downgrade() -> None:
    op.drop_table("certificate_declarations")
