"""Apps of estates, and the views of the time bank that they open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def _unique(table: str, column: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(column, name=op.f(f"uq_{table}_{column}"))


def _table(name: str, *parts: sa.Column[object] | sa.Constraint) -> None:
    op.create_table(name, *parts, sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")))


def _indexes(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def upgrade() -> None:
    _table(
        "client_apps",
        sa.Column("id", KEY, nullable=False),
        sa.Column("client_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("removed_at", MOMENT, nullable=True),
        _refers("client_apps", "region_id", "regions"),
        _refers("client_apps", "estate_id", "estates"),
        _unique("client_apps", "client_id"),
    )
    _indexes("client_apps", "region_id", "estate_id")
    _table(
        "embedded_views",
        sa.Column("id", KEY, nullable=False),
        sa.Column("app_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        _refers("embedded_views", "app_id", "client_apps"),
        _refers("embedded_views", "person_id", "people"),
        _unique("embedded_views", "key_hash"),
    )
    _indexes("embedded_views", "app_id", "person_id", "expires_at")


def downgrade() -> None:
    op.drop_table("embedded_views")
    op.drop_table("client_apps")
