"""Links between accounts of one person in two cells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0096"
down_revision = "0095"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
ACTIVE_REFERENCE = sa.text("NOT is_home AND ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "linked_accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("cell", sa.String(20), nullable=False),
        sa.Column("key", sa.String(24), nullable=False),
        sa.Column("is_home", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("is_erasure", sa.Boolean(), nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("failure", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_linked_accounts_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linked_accounts")),
        sa.UniqueConstraint("cell", "key", name=op.f("uq_linked_accounts_cell_key")),
    )
    op.create_index("ix_linked_accounts_person_id", "linked_accounts", ["person_id"])
    op.create_index(
        "uq_linked_accounts_home",
        "linked_accounts",
        ["person_id"],
        unique=True,
        postgresql_where=ACTIVE_REFERENCE,
        sqlite_where=ACTIVE_REFERENCE,
    )


def downgrade() -> None:
    op.drop_table("linked_accounts")
