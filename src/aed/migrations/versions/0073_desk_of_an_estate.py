"""Filters of the estate's desk that a person saved; requests of residents that wait for a manager."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("answered_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "residence_requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("estate_id", ID, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_resident", sa.Boolean(), nullable=True),
        sa.Column("answered_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (is_resident IS NULL)", name=op.f("ck_residence_requests_answered")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_residence_requests_estate_id_estates")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_residence_requests_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_residence_requests")),
    )
    op.create_index(op.f("ix_residence_requests_person_id"), "residence_requests", ["person_id"])
    op.create_index(
        "uq_residence_requests_open",
        "residence_requests",
        ["estate_id", "person_id"],
        unique=True,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )
    op.create_table(
        "saved_filters",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("estate_id", ID, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("query", sa.String(length=500), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_saved_filters_estate_id_estates")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_saved_filters_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filters")),
        sa.UniqueConstraint(
            "person_id", "estate_id", "name", name=op.f("uq_saved_filters_person_id_estate_id_name")
        ),
    )
    op.create_index(op.f("ix_saved_filters_estate_id"), "saved_filters", ["estate_id"])


def downgrade() -> None:
    op.drop_table("saved_filters")
    op.drop_table("residence_requests")
