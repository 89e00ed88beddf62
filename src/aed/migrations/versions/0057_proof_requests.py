"""Requests of volunteers for a proof of their service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
TABLE = "proof_requests"


def _refers(column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{TABLE}_{column}_{to}"))


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("includes_identity", sa.Boolean(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("certificate_id", KEY, nullable=True),
        sa.Column("declined_at", MOMENT, nullable=True),
        sa.Column("declined_by", sa.String(200), nullable=True),
        sa.Column("decline_reason", sa.Text(), nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.CheckConstraint("until_on >= from_on", name=op.f(f"ck_{TABLE}_period")),
        sa.CheckConstraint(
            "(declined_at IS NULL) = (declined_by IS NULL)", name=op.f(f"ck_{TABLE}_declined_by_somebody")
        ),
        _refers("person_id", "people"),
        _refers("estate_id", "estates"),
        _refers("region_id", "regions"),
        _refers("certificate_id", "service_certificates"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("person_id", "key", name=op.f(f"uq_{TABLE}_person_id_key")),
        sa.UniqueConstraint("certificate_id", name=op.f(f"uq_{TABLE}_certificate_id")),
    )
    op.create_index(op.f(f"ix_{TABLE}_estate_id"), TABLE, ["estate_id"])


def downgrade() -> None:
    op.drop_table(TABLE)
