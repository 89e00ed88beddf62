"""Accounts: people's channel and version, accounts, roles, sign-ins, the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    # With defaults of the database's own: the previous release's code writes people without them. In SQL,
    # since SQLite takes a CHECK only together with its new column.
    op.execute(
        "ALTER TABLE people ADD COLUMN channel VARCHAR(32) DEFAULT 'sms' NOT NULL "
        "CONSTRAINT ck_people_channel CHECK (channel IN ('sms', 'voice'))"
    )
    op.add_column("people", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_table(
        "accounts",
        sa.Column("person_id", KEY, nullable=False, autoincrement=False),
        sa.Column("phone", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("password_set_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_accounts_person_id_people")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("phone", name=op.f("uq_accounts_phone")),
    )
    op.create_table(
        "person_changes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_person_changes_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_changes")),
    )
    op.create_index(op.f("ix_person_changes_person_id"), "person_changes", ["person_id"], unique=False)
    op.create_table(
        "role_grants",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column(
            "role",
            _one_of(
                "heldrole",
                "resident",
                "responder",
                "keeper",
                "lead",
                "estate_manager",
                "training_officer",
                "dispatcher",
                "administrator",
            ),
            nullable=False,
        ),
        sa.Column("region_id", KEY, nullable=True),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("granted_by", sa.String(length=200), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("region_id IS NULL OR estate_id IS NULL", name=op.f("ck_role_grants_one_place")),
        sa.CheckConstraint(
            "role = 'administrator' OR region_id IS NOT NULL OR estate_id IS NOT NULL",
            name=op.f("ck_role_grants_some_place"),
        ),
        sa.CheckConstraint(
            "role <> 'dispatcher' OR region_id IS NOT NULL",
            name=op.f("ck_role_grants_dispatcher_of_a_region"),
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by IS NULL)", name=op.f("ck_role_grants_revoked_by_somebody")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_role_grants_person_id_people")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_role_grants_region_id_regions")),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_role_grants_estate_id_estates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grants")),
    )
    op.create_index(
        "uq_role_grants_standing",
        "role_grants",
        ["person_id", "role", sa.text("coalesce(region_id, 0)"), sa.text("coalesce(estate_id, 0)")],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
        sqlite_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index("ix_role_grants_estate_id", "role_grants", ["estate_id"], unique=False)
    op.create_index("ix_role_grants_region_id", "role_grants", ["region_id"], unique=False)
    op.create_table(
        "sign_ins",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sign_ins_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_sign_ins_key_hash")),
    )
    op.create_index(op.f("ix_sign_ins_person_id"), "sign_ins", ["person_id"], unique=False)
    op.create_table(
        "sign_in_codes",
        sa.Column("account_key", sa.String(length=64), nullable=False),
        sa.Column("code_hash", sa.String(length=255), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_sign_in_codes_tries")),
        sa.PrimaryKeyConstraint("account_key", name=op.f("pk_sign_in_codes")),
    )
    op.create_table(
        "sign_in_tries",
        sa.Column("what", sa.String(length=128), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_sign_in_tries")),
    )
    op.create_index(op.f("ix_sign_in_tries_since"), "sign_in_tries", ["since"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("channel", _one_of("channel", "sms", "voice"), nullable=False),
        sa.Column("recipient", sa.String(length=32), nullable=False),
        sa.Column("language", _one_of("language", "zh", "en"), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=True),
        sa.Column("text_zh", sa.Text(), nullable=True),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("given_up_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_outbox_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_person_id"), "outbox", ["person_id"], unique=False)
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
        sqlite_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
    )


def downgrade() -> None:
    for table in (
        "outbox",
        "sign_in_tries",
        "sign_in_codes",
        "sign_ins",
        "role_grants",
        "person_changes",
        "accounts",
    ):
        op.drop_table(table)
    op.drop_column("people", "version")
    op.drop_column("people", "channel")
