"""Reminders: what was due when, whom it is for, in which message it was sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    op.create_index(
        "ix_consumables_expiring",
        "consumables",
        ["expires_on", "device_id", "kind"],
        postgresql_where=sa.text("state = 'fitted'"),
        sqlite_where=sa.text("state = 'fitted'"),
    )
    op.create_table(
        "reminders",
        sa.Column("id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column(
            "matter",
            one_of("matter", "glance", "check", "service", "pads", "child_pads", "battery", "return"),
            nullable=False,
        ),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("threshold_days", sa.Integer(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("addressed_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        refers("reminders", "device_id", "devices"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
    )
    op.create_index(
        "uq_reminders_once", "reminders", ["device_id", "matter", "due_on", "threshold_days"], unique=True
    )
    op.create_index(
        "ix_reminders_open",
        "reminders",
        ["id"],
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_reminders_unaddressed",
        "reminders",
        ["id"],
        postgresql_where=sa.text("closed_at IS NULL AND addressed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL AND addressed_at IS NULL"),
    )
    op.create_table(
        "reminder_preferences",
        sa.Column("person_id", KEY, autoincrement=False, nullable=False),
        sa.Column("from_hour", sa.Integer(), nullable=True),
        sa.Column("until_hour", sa.Integer(), nullable=True),
        sa.Column("days_before", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(from_hour IS NULL) = (until_hour IS NULL)", name=op.f("ck_reminder_preferences_both_hours")
        ),
        sa.CheckConstraint(
            "from_hour >= 0 AND from_hour < until_hour AND until_hour <= 24",
            name=op.f("ck_reminder_preferences_hours"),
        ),
        sa.CheckConstraint("days_before BETWEEN 0 AND 366", name=op.f("ck_reminder_preferences_days_before")),
        refers("reminder_preferences", "person_id", "people"),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_reminder_preferences")),
    )
    op.create_table(
        "reminder_messages",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("put_at", MOMENT, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        refers("reminder_messages", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder_messages")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_reminder_messages_key_hash")),
        sa.UniqueConstraint("person_id", "day", name=op.f("uq_reminder_messages_person_id_day")),
    )
    op.create_table(
        "reminders_for",
        sa.Column("reminder_id", KEY, autoincrement=False, nullable=False),
        sa.Column("person_id", KEY, autoincrement=False, nullable=False),
        sa.Column("level", one_of("level", "keeper", "manager", "region"), nullable=False),
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("answer", one_of("answer", "done", "not_me", "later"), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(answer IS NULL) = (answered_at IS NULL)", name=op.f("ck_reminders_for_answered_at_a_moment")
        ),
        refers("reminders_for", "reminder_id", "reminders"),
        refers("reminders_for", "person_id", "people"),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["reminder_messages.id"],
            name=op.f("fk_reminders_for_message_id_reminder_messages"),
        ),
        sa.PrimaryKeyConstraint("reminder_id", "person_id", name=op.f("pk_reminders_for")),
    )
    op.create_index("ix_reminders_for_message_id", "reminders_for", ["message_id"], unique=False)
    op.create_index(
        "ix_reminders_for_untold",
        "reminders_for",
        ["person_id"],
        postgresql_where=sa.text("message_id IS NULL"),
        sqlite_where=sa.text("message_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("reminders_for")
    op.drop_table("reminder_messages")
    op.drop_table("reminder_preferences")
    op.drop_table("reminders")
    op.drop_index("ix_consumables_expiring", "consumables")
