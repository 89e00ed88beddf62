"""Upkeep: policies, checks, quarantines, photos, reports of passers-by, recalls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    # With a default of the database's own: the previous release's code writes devices without it.
    op.add_column(
        "devices", sa.Column("is_quarantined", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "policies",
        sa.Column("id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("maker", sa.String(length=100), nullable=True),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column("glance_days", sa.Integer(), nullable=True),
        sa.Column("check_days", sa.Integer(), nullable=True),
        sa.Column("service_months", sa.Integer(), nullable=True),
        sa.Column("pads_months", sa.Integer(), nullable=True),
        sa.Column("battery_months", sa.Integer(), nullable=True),
        sa.Column("asks", sa.JSON(), nullable=False),
        sa.Column("state", one_of("policystate", "in_force", "withdrawn"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("model IS NULL OR maker IS NOT NULL", name=op.f("ck_policies_model_of_a_maker")),
        sa.CheckConstraint("glance_days BETWEEN 1 AND 366", name=op.f("ck_policies_glance_days")),
        sa.CheckConstraint("check_days BETWEEN 1 AND 366", name=op.f("ck_policies_check_days")),
        sa.CheckConstraint("service_months BETWEEN 1 AND 120", name=op.f("ck_policies_service_months")),
        sa.CheckConstraint("pads_months BETWEEN 1 AND 120", name=op.f("ck_policies_pads_months")),
        sa.CheckConstraint("battery_months BETWEEN 1 AND 240", name=op.f("ck_policies_battery_months")),
        refers("policies", "estate_id", "estates"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
    )
    op.create_index(op.f("ix_policies_estate_id"), "policies", ["estate_id"], unique=False)
    op.create_index(
        "uq_policies_in_force",
        "policies",
        ["scope"],
        unique=True,
        postgresql_where=sa.text("state = 'in_force'"),
        sqlite_where=sa.text("state = 'in_force'"),
    )
    op.create_table(
        "checks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("kind", one_of("checkkind", "glance", "check", "service"), nullable=False),
        sa.Column("policy_id", KEY, nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("by_id", KEY, nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.Column("is_there", sa.Boolean(), nullable=False),
        sa.Column("was_used", sa.Boolean(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("replaced", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        refers("checks", "device_id", "devices"),
        refers("checks", "policy_id", "policies"),
        refers("checks", "by_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
        sa.UniqueConstraint("key", name=op.f("uq_checks_key")),
    )
    op.create_index(op.f("ix_checks_by_id"), "checks", ["by_id"], unique=False)
    op.create_index("ix_checks_of_device", "checks", ["device_id", "kind", "answered_at"], unique=False)
    op.create_table(
        "photos",
        sa.Column("id", KEY, nullable=False),
        sa.Column("check_id", KEY, nullable=False),
        sa.Column("sent_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        refers("photos", "check_id", "checks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
        sa.UniqueConstraint("check_id", "sent_sha256", name=op.f("uq_photos_check_id_sent_sha256")),
    )
    op.create_table(
        "reports",
        sa.Column("id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column(
            "kind",
            one_of(
                "reportkind", "missing", "beeping", "damaged", "no_access", "other", "used", "not_fetched"
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by_id", KEY, nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=True),
        sa.Column("from_key", sa.String(length=64), nullable=True),
        sa.Column(
            "state", one_of("reportstate", "open", "confirmed", "dismissed", "answered"), nullable=False
        ),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_reports_closed_by_somebody")
        ),
        sa.CheckConstraint(
            "(state = 'open') = (closed_at IS NULL)", name=op.f("ck_reports_open_until_closed")
        ),
        refers("reports", "device_id", "devices"),
        refers("reports", "by_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index(op.f("ix_reports_by_id"), "reports", ["by_id"], unique=False)
    op.create_index("ix_reports_from", "reports", ["from_key", "at"], unique=False)
    op.create_index("ix_reports_of_device", "reports", ["device_id", "at"], unique=False)
    op.create_table(
        "recalls",
        sa.Column("id", KEY, nullable=False),
        sa.Column("maker", sa.String(length=100), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("serial_from", sa.String(length=100), nullable=True),
        sa.Column("serial_to", sa.String(length=100), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("announced_on", sa.Date(), nullable=False),
        sa.Column("state", one_of("recallstate", "open", "closed"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(serial_from IS NULL) = (serial_to IS NULL)", name=op.f("ck_recalls_range_has_two_ends")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalls")),
        sa.UniqueConstraint("reference", name=op.f("uq_recalls_reference")),
    )
    op.create_table(
        "quarantines",
        sa.Column("id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column(
            "reason",
            one_of("reason", "used", "failed_check", "missing", "recall", "failed_fetches", "not_returned"),
            nullable=False,
        ),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("by_check_id", KEY, nullable=True),
        sa.Column("by_report_id", KEY, nullable=True),
        sa.Column("recall_id", KEY, nullable=True),
        sa.Column("reason_before", sa.Text(), nullable=True),
        sa.Column("lifted_at", MOMENT, nullable=True),
        sa.Column("lifted_by_check_id", KEY, nullable=True),
        sa.CheckConstraint("lifted_at IS NULL OR lifted_at >= since", name=op.f("ck_quarantines_in_order")),
        refers("quarantines", "device_id", "devices"),
        refers("quarantines", "by_check_id", "checks"),
        refers("quarantines", "by_report_id", "reports"),
        refers("quarantines", "recall_id", "recalls"),
        refers("quarantines", "lifted_by_check_id", "checks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantines")),
    )
    op.create_index(op.f("ix_quarantines_recall_id"), "quarantines", ["recall_id"], unique=False)
    op.create_index("ix_quarantines_of_device", "quarantines", ["device_id", "since"], unique=False)
    op.create_index(
        "uq_quarantines_standing",
        "quarantines",
        ["device_id", "reason", sa.text("coalesce(recall_id, 0)")],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
        sqlite_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "call_outs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("told_by", sa.String(length=200), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("ask_at", MOMENT, nullable=True),
        sa.Column(
            "outcome",
            one_of(
                "outcome",
                "returned",
                "used",
                "not_returned",
                "not_fetched",
                "not_needed",
                "checked",
                "silent",
            ),
            nullable=True,
        ),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(outcome IS NULL) = (closed_at IS NULL)", name=op.f("ck_call_outs_closed_with_an_outcome")
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (ask_at IS NOT NULL)", name=op.f("ck_call_outs_asked_while_open")
        ),
        refers("call_outs", "device_id", "devices"),
        refers("call_outs", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_outs")),
        sa.UniqueConstraint("key", name=op.f("uq_call_outs_key")),
    )
    op.create_index(op.f("ix_call_outs_person_id"), "call_outs", ["person_id"], unique=False)
    op.create_index("ix_call_outs_of_device", "call_outs", ["device_id", "sent_at"], unique=False)
    op.create_index(
        "ix_call_outs_open",
        "call_outs",
        ["ask_at"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
        sqlite_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "confirmed",
        sa.Column("device_id", KEY, autoincrement=False, nullable=False),
        sa.Column("fact", one_of("fact", "position", "hours", "readiness"), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by_id", KEY, nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        refers("confirmed", "device_id", "devices"),
        refers("confirmed", "by_id", "people"),
        sa.PrimaryKeyConstraint("device_id", "fact", name=op.f("pk_confirmed")),
    )
    op.create_index(op.f("ix_confirmed_by_id"), "confirmed", ["by_id"], unique=False)
    op.create_table(
        "errands",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("fact", one_of("fact", "position", "hours", "readiness"), nullable=True),
        sa.Column("call_out_id", KEY, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("lapses_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("answer", sa.String(length=16), nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.CheckConstraint("(fact IS NULL) <> (call_out_id IS NULL)", name=op.f("ck_errands_one_question")),
        sa.CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name=op.f("ck_errands_answered")),
        refers("errands", "device_id", "devices"),
        refers("errands", "person_id", "people"),
        refers("errands", "call_out_id", "call_outs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_errands")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_errands_key_hash")),
    )
    op.create_index(op.f("ix_errands_call_out_id"), "errands", ["call_out_id"], unique=False)
    op.create_index(op.f("ix_errands_device_id"), "errands", ["device_id"], unique=False)
    op.create_index("ix_errands_of_person", "errands", ["person_id", "asked_at"], unique=False)
    op.create_index(
        "uq_errands_asked",
        "errands",
        ["device_id", "fact"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL AND fact IS NOT NULL"),
        sqlite_where=sa.text("closed_at IS NULL AND fact IS NOT NULL"),
    )
    op.create_table(
        "due_calendars",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("region_id", KEY, nullable=True),
        sa.Column("is_mine", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        refers("due_calendars", "person_id", "people"),
        refers("due_calendars", "estate_id", "estates"),
        refers("due_calendars", "region_id", "regions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_due_calendars")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_due_calendars_key_hash")),
    )
    for column in ("estate_id", "person_id", "region_id"):
        op.create_index(op.f(f"ix_due_calendars_{column}"), "due_calendars", [column], unique=False)


def downgrade() -> None:
    for table in ("due_calendars", "errands", "confirmed", "call_outs"):
        op.drop_table(table)
    for table in ("quarantines", "recalls", "reports", "photos", "checks", "policies"):
        op.drop_table(table)
    op.drop_column("devices", "is_quarantined")
