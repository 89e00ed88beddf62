"""Relatives, family accounts and inheritances of the time bank."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def _unique(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def upgrade() -> None:
    op.create_table(
        "relatives",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("relative_id", KEY, nullable=False),
        sa.Column("relation", sa.String(32), nullable=False),
        sa.Column("declared_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint("relation IN ('spouse', 'parent', 'child')", name=op.f("ck_relatives_relation")),
        sa.CheckConstraint("person_id <> relative_id", name=op.f("ck_relatives_two_people")),
        _refers("relatives", "person_id", "people"),
        _refers("relatives", "relative_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relatives")),
    )
    _unique("uq_relatives_open", "relatives", ["person_id", "relative_id"], "ended_at IS NULL")
    op.create_index("ix_relatives_relative_id", "relatives", ["relative_id"])
    op.create_table(
        "family_members",
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.Column("left_at", MOMENT, nullable=True),
        _refers("family_members", "account_id", "ledger_accounts"),
        _refers("family_members", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family_members")),
    )
    _unique("uq_family_members_active", "family_members", ["person_id"], "left_at IS NULL")
    op.create_index("ix_family_members_account_id", "family_members", ["account_id"])
    op.create_table(
        "inheritances",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("died_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", sa.String(200), nullable=False),
        sa.Column("heir_id", KEY, nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("settled_by", sa.String(200), nullable=True),
        _refers("inheritances", "person_id", "people"),
        _refers("inheritances", "heir_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inheritances")),
        sa.UniqueConstraint("person_id", name=op.f("uq_inheritances_person_id")),
    )
    op.create_index(op.f("ix_inheritances_heir_id"), "inheritances", ["heir_id"])


def downgrade() -> None:
    op.drop_table("inheritances")
    op.drop_table("family_members")
    op.drop_table("relatives")
