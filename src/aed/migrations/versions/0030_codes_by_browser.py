"""Codes for signing in belong to the browser that asked for them. Those under way, ten minutes long, are void."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_table("sign_in_codes")
    op.create_table(
        "sign_in_codes",
        sa.Column("account_key", sa.String(64), nullable=False),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("code_hash", sa.String(255), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("others_tries", sa.Integer(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_sign_in_codes_tries")),
        sa.CheckConstraint("others_tries BETWEEN 0 AND 5", name=op.f("ck_sign_in_codes_others_tries")),
        sa.PrimaryKeyConstraint("account_key", "browser_hash", name=op.f("pk_sign_in_codes")),
    )


def downgrade() -> None:
    op.drop_table("sign_in_codes")
    op.create_table(
        "sign_in_codes",
        sa.Column("account_key", sa.String(64), nullable=False),
        sa.Column("code_hash", sa.String(255), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_sign_in_codes_tries")),
        sa.PrimaryKeyConstraint("account_key", name=op.f("pk_sign_in_codes")),
    )
