"""The relatives to whom people want their points to go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TABLE = "named_heirs"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("person_id", KEY, autoincrement=False, nullable=False),
        sa.Column("heir_id", KEY, nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("person_id <> heir_id", name=op.f(f"ck_{TABLE}_two_people")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f(f"fk_{TABLE}_person_id_people")),
        sa.ForeignKeyConstraint(["heir_id"], ["people.id"], name=op.f(f"fk_{TABLE}_heir_id_people")),
        sa.PrimaryKeyConstraint("person_id", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index(op.f(f"ix_{TABLE}_heir_id"), TABLE, ["heir_id"])


def downgrade() -> None:
    op.drop_table(TABLE)
