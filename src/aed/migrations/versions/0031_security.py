"""Second factors, sessions that know when they were last used, and security events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
FALSE = sa.text("false")
FACTORS = ("totp", "passkey")
EVENTS = (
    "sign_in", "sign_in_failed", "locked_out", "sign_out", "password_set", "second_factor",
    "second_factor_failed", "second_factor_added", "second_factor_removed", "recovery_code_used",
    "role_granted", "role_revoked", "token_made", "token_revoked", "token_expired_used",
)  # fmt: skip


def upgrade() -> None:
    for column in (
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.Column("user_agent", sa.String(200), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("is_limited", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("second_factor_at", MOMENT, nullable=True),
        sa.Column("challenge", sa.String(128), nullable=True),
        sa.Column("challenge_until", MOMENT, nullable=True),
    ):
        op.add_column("sign_ins", column)
    op.add_column(
        "regions", sa.Column("needs_second_factor", sa.Boolean(), server_default=FALSE, nullable=False)
    )
    op.create_table(
        "second_factors",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*FACTORS, name="factorkind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=True),
        sa.Column("sign_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=True),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(kind = 'passkey') = (credential_id IS NOT NULL)",
            name=op.f("ck_second_factors_credential_of_a_passkey"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_second_factors_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_second_factors_credential_id")),
    )
    op.create_index("ix_second_factors_person_id", "second_factors", ["person_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_recovery_codes_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    op.create_index("ix_recovery_codes_person_id", "recovery_codes", ["person_id"], unique=False)
    op.create_table(
        "security_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*EVENTS, name="securityeventkind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("account_key", sa.String(64), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("detail", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_security_events_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_events")),
    )
    op.create_index("ix_security_events_at", "security_events", ["at"], unique=False)
    op.create_index("ix_security_events_account_key", "security_events", ["account_key"], unique=False)
    op.create_index("ix_security_events_person_id", "security_events", ["person_id"], unique=False)


def downgrade() -> None:
    op.drop_table("security_events")
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
    op.drop_column("regions", "needs_second_factor")
    for name in (
        "challenge_until", "challenge", "second_factor_at", "is_limited", "address", "user_agent", "last_seen_at"
    ):  # fmt: skip
        op.drop_column("sign_ins", name)
