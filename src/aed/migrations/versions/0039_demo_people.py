"""People of a demo database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

ROLES = ("resident", "volunteer", "keeper", "trainer", "dispatcher", "manager")


def upgrade() -> None:
    op.create_table(
        "demo_people",
        sa.Column(
            "role",
            sa.Enum(*ROLES, name="demorole", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_demo_people_person_id_people")),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_demo_people")),
    )


def downgrade() -> None:
    op.drop_table("demo_people")
