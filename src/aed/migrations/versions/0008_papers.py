"""Attendance by a code on the trainer's screen; private addresses of calendars."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _attendance_known_by("'hand', 'list', 'code'")
    op.create_table(
        "presence_codes_used",
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_presence_codes_used_enrolment_id_enrolments")
        ),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_presence_codes_used")),
    )
    op.create_index(op.f("ix_presence_codes_used_enrolment_id"), "presence_codes_used", ["enrolment_id"])
    op.create_table(
        "calendar_addresses",
        sa.Column("id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "person",
                "trainer",
                "estate",
                name="calendarkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(person_id IS NULL) = (kind = 'estate')", name=op.f("ck_calendar_addresses_person_or_estate")
        ),
        sa.CheckConstraint(
            "(estate_id IS NULL) = (kind <> 'estate')", name=op.f("ck_calendar_addresses_estate_or_person")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_calendar_addresses_person_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_calendar_addresses_estate_id_estates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_addresses")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_calendar_addresses_key_hash")),
    )
    op.create_index(op.f("ix_calendar_addresses_person_id"), "calendar_addresses", ["person_id"])
    op.create_index(op.f("ix_calendar_addresses_estate_id"), "calendar_addresses", ["estate_id"])
    op.create_index(
        "uq_calendar_addresses_standing",
        "calendar_addresses",
        ["kind", sa.text("coalesce(person_id, 0)"), sa.text("coalesce(estate_id, 0)")],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
        sqlite_where=sa.text("revoked_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("calendar_addresses")
    op.drop_table("presence_codes_used")
    op.execute("UPDATE attendances SET how = 'list' WHERE how = 'code'")
    _attendance_known_by("'hand', 'list'")


def _attendance_known_by(values: str) -> None:
    """How attendance may have become known. No table refers to this one, and it has no geometry."""
    # What it refers to is left unread: people have an index of an expression, which cannot be.
    with op.batch_alter_table("attendances", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_attendances_markedby"), type_="check")
        batch.create_check_constraint(op.f("ck_attendances_markedby"), f"how IN ({values})")
