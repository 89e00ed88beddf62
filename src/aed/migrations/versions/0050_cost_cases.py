"""What uses of shared devices cost, and who pays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
PAYERS = ("party_committee", "owners_committee", "service_centre", "government", "donor", "insurer")


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_cost_cases_{name}"))


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(each) for each in values)})"


def _refers(column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_cost_cases_{column}_{to}"))


def upgrade() -> None:
    op.create_table(
        "cost_cases",
        sa.Column("id", KEY, nullable=False),
        sa.Column("agreement_id", KEY, nullable=False),
        sa.Column("share_id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("use_id", KEY, nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.Column("payer", sa.String(32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("reminded_days", sa.Integer(), nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("settled_by", sa.String(200), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=True),
        sa.Column("payment_reference", sa.Text(), nullable=True),
        sa.Column("waiver_reason", sa.Text(), nullable=True),
        _check("payer", _one_of("payer", PAYERS)),
        _check("costcasestate", _one_of("state", ("open", "paid", "waived"))),
        _check("amount", "amount_minor >= 0"),
        _check("open_until_settled", "(state = 'open') = (settled_at IS NULL)"),
        _check("settled_by_somebody", "(settled_at IS NULL) = (settled_by IS NULL)"),
        _check("paid_amount", "(state = 'paid') = (paid_minor IS NOT NULL)"),
        _check("waived_for_a_reason", "(state = 'waived') = (waiver_reason IS NOT NULL)"),
        _refers("agreement_id", "agreements"),
        _refers("share_id", "device_shares"),
        _refers("device_id", "devices"),
        _refers("use_id", "quarantines"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_cases")),
        sa.UniqueConstraint("use_id", name=op.f("uq_cost_cases_use_id")),
    )
    op.create_index("ix_cost_cases_of_agreement", "cost_cases", ["agreement_id", "used_at"])
    op.create_index(op.f("ix_cost_cases_device_id"), "cost_cases", ["device_id"])


def downgrade() -> None:
    op.drop_table("cost_cases")
