"""Volunteers and their service records, which the database keeps from being changed or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
FACTS = ("source", "source_id", "activity", "started_at", "ended_at", "minutes", "recorded_at", "corrects_id")
"""Columns of a record that never change. The person changes only if two entries of one person are merged."""


def _one_of(table: str, name: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{each}'" for each in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{name}"))


def _refers(table: str, column: str, to: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"), ondelete=ondelete
    )


def _refuse_changes() -> None:
    """Refuse to delete records and events, and to change what was recorded."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_service_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'service records are append-only' USING ERRCODE = '23514'; END $$"
        )
    for name, event, table in (
        ("service_records_kept", "DELETE", "service_records"),
        ("service_records_unchanged", f"UPDATE OF {', '.join(FACTS)}", "service_records"),
        ("service_events_kept", "DELETE", "service_events"),
        ("service_events_unchanged", "UPDATE OF record_id, kind, at, by", "service_events"),
    ):
        if op.get_bind().dialect.name == "postgresql":
            done = "FOR EACH ROW EXECUTE FUNCTION refuse_service_change()"
        else:
            done = "BEGIN SELECT RAISE(ABORT, 'service records are append-only'); END"
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} {done}")


def upgrade() -> None:
    op.create_table(
        "volunteers",
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("building_id", KEY, nullable=True),
        sa.Column("number", sa.String(64), nullable=True),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("id_type", sa.String(32), nullable=True),
        sa.Column("id_number", sa.Text(), nullable=True),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("registered_by", sa.String(200), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.UniqueConstraint("number", name=op.f("uq_volunteers_number")),
        _one_of(
            "volunteers",
            "idtype",
            "id_type",
            ("id_card", "passport", "hk_macao_permit", "taiwan_permit", "residence_permit"),
        ),
        sa.CheckConstraint("(id_type IS NULL) = (id_number IS NULL)", name=op.f("ck_volunteers_identity")),
        sa.CheckConstraint("birth_year BETWEEN 1900 AND 2100", name=op.f("ck_volunteers_birth_year")),
        _refers("volunteers", "building_id", "buildings", ondelete="SET NULL"),
        _refers("volunteers", "region_id", "regions"),
        _refers("volunteers", "estate_id", "estates"),
        _refers("volunteers", "person_id", "people"),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_volunteers")),
    )
    op.create_index("ix_volunteers_estate_id", "volunteers", ["estate_id"])
    op.create_index("ix_volunteers_region_id", "volunteers", ["region_id"])
    op.create_table(
        "lead_buildings",
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("building_id", KEY, nullable=False),
        _refers("lead_buildings", "person_id", "people"),
        _refers("lead_buildings", "building_id", "buildings", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id", "building_id", name=op.f("pk_lead_buildings")),
    )
    op.create_index("ix_lead_buildings_building_id", "lead_buildings", ["building_id"])
    op.create_table(
        "service_records",
        sa.Column("id", KEY, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("building_id", KEY, nullable=True),
        sa.Column("activity", sa.String(300), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", sa.String(200), nullable=False),
        sa.Column("recorded_by_id", KEY, nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("is_held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("confirmed_by", sa.String(200), nullable=True),
        sa.Column("confirmed_by_id", KEY, nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("notice_from", sa.Date(), nullable=True),
        sa.Column("notice_until", sa.Date(), nullable=True),
        sa.Column("corrects_id", KEY, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_service_records_rating")),
        sa.UniqueConstraint("corrects_id", name=op.f("uq_service_records_corrects_id")),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_service_records_minutes")),
        sa.CheckConstraint(
            "state = 'pending' OR state = 'void' OR confirmed_at IS NOT NULL",
            name=op.f("ck_service_records_confirmed"),
        ),
        _one_of("service_records", "servicestate", "state", ("pending", "confirmed", "disputed", "void")),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_service_records_in_order")),
        sa.CheckConstraint(
            "confirmed_by_id IS NULL OR confirmed_by_id <> person_id",
            name=op.f("ck_service_records_by_another"),
        ),
        _one_of(
            "service_records",
            "servicesource",
            "source",
            ("check", "drill", "session_taught", "session_helped", "call", "guide", "patrol", "other"),
        ),
        _refers("service_records", "confirmed_by_id", "people"),
        _refers("service_records", "building_id", "buildings", ondelete="SET NULL"),
        _refers("service_records", "estate_id", "estates"),
        _refers("service_records", "corrects_id", "service_records"),
        _refers("service_records", "recorded_by_id", "people"),
        _refers("service_records", "region_id", "regions"),
        _refers("service_records", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_records")),
    )
    op.create_index("ix_service_records_building_id", "service_records", ["building_id"])
    op.create_index(
        "ix_service_records_confirmed_by_id", "service_records", ["confirmed_by_id", "confirmed_at"]
    )
    op.create_index("ix_service_records_of_estate", "service_records", ["estate_id", "state"])
    op.create_index("ix_service_records_of_person", "service_records", ["person_id", "started_at"])
    op.create_index("ix_service_records_of_region", "service_records", ["region_id", "started_at"])
    op.create_index("ix_service_records_recorded_by_id", "service_records", ["recorded_by_id"])
    op.create_index(
        "uq_service_records_once",
        "service_records",
        ["source", "source_id", "person_id", sa.text("coalesce(corrects_id, 0)")],
        unique=True,
    )
    op.create_table(
        "service_proofs",
        sa.Column("record_id", KEY, nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.Column("photo_sha256", sa.String(64), nullable=True),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_service_proofs_position")),
        _refers("service_proofs", "record_id", "service_records"),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_service_proofs")),
    )
    op.create_index("ix_service_proofs_photo_sha256", "service_proofs", ["photo_sha256"])
    op.create_table(
        "service_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("record_id", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        _one_of(
            "service_events",
            "serviceeventkind",
            "kind",
            (
                "recorded",
                "confirmed",
                "flagged",
                "released",
                "disputed",
                "upheld",
                "voided",
                "appealed",
                "exported",
            ),
        ),
        _refers("service_events", "record_id", "service_records"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_events")),
    )
    op.create_index("ix_service_events_record_id", "service_events", ["record_id"])
    op.create_table(
        "service_flags",
        sa.Column("id", KEY, nullable=False),
        sa.Column("record_id", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("cleared_at", MOMENT, nullable=True),
        sa.Column("cleared_by", sa.String(200), nullable=True),
        sa.UniqueConstraint("record_id", "kind", name=op.f("uq_service_flags_record_id_kind")),
        _one_of(
            "service_flags",
            "flagkind",
            "kind",
            ("long_day", "two_sites", "ring", "position", "photo_time", "photo_reused", "objection"),
        ),
        _refers("service_flags", "record_id", "service_records"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_flags")),
    )
    _refuse_changes()


def downgrade() -> None:
    for table in (
        "service_flags",
        "service_events",
        "service_proofs",
        "service_records",
        "lead_buildings",
        "volunteers",
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_service_change()")
