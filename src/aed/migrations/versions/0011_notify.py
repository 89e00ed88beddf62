"""The outbox with keys, lanes, claims and endpoints; the worker's lease and the runs of jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
CHANNELS = ("sms", "voice", "email", "web_push", "dingtalk", "wecom", "feishu", "webhook", "apprise")
WAITING = sa.text("sent_at IS NULL AND given_up_at IS NULL")
INDEXES = {
    "ix_outbox_due": (["channel", "is_secret", "due_at", "id"], WAITING),
    "ix_outbox_lane": (["lane", "id"], WAITING),
    "ix_outbox_dead": (["id"], sa.text("given_up_at IS NOT NULL")),
    "ix_outbox_tried": (["endpoint_id", "tried_at"], sa.text("endpoint_id IS NOT NULL")),
    "ix_outbox_sent": (["channel", "sent_at"], sa.text("sent_at IS NOT NULL")),
}


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _is_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    _new_tables()
    op.drop_index("ix_outbox_waiting", table_name="outbox")
    if _is_postgres():
        _upgrade_postgres()
    else:
        _upgrade_sqlite()
    for name, (columns, where) in INDEXES.items():
        op.create_index(name, "outbox", columns, postgresql_where=where, sqlite_where=where)


def _new_tables() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("channel", _one_of("channel", *CHANNELS), nullable=False),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("language", _one_of("language", "zh", "en"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "channel NOT IN ('sms', 'voice')", name=op.f("ck_endpoints_needs_more_than_a_number")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_endpoints_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
    )
    op.create_index(op.f("ix_endpoints_person_id"), "endpoints", ["person_id"])
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_endpoints_name",
        "endpoints",
        ["name"],
        unique=True,
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "job_runs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("is_by_hand", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("held_until", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("result", _one_of("result", "running", "done", "failed", "cut_off"), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (result = 'running')", name=op.f("ck_job_runs_ended")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
    )
    op.create_index("ix_job_runs_job", "job_runs", ["job", "id"])
    for name, columns, where in (
        ("uq_job_runs_due", ["job", "due_at"], sa.text("NOT is_by_hand")),
        ("uq_job_runs_running", ["job"], sa.text("ended_at IS NULL")),
    ):
        op.create_index(name, "job_runs", columns, unique=True, postgresql_where=where, sqlite_where=where)


def _upgrade_postgres() -> None:
    # The previous release's code writes no key, no lane and no due_at: they have defaults.
    op.execute(
        "ALTER TABLE outbox "
        "ADD COLUMN key VARCHAR(32) DEFAULT replace(gen_random_uuid()::text, '-', '') NOT NULL, "
        "ADD COLUMN endpoint_id BIGINT CONSTRAINT fk_outbox_endpoint_id_endpoints REFERENCES endpoints (id), "
        "ADD COLUMN lane VARCHAR(80), "
        "ADD COLUMN subject_en VARCHAR(200), ADD COLUMN subject_zh VARCHAR(200), "
        "ADD COLUMN due_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL, "
        "ADD COLUMN claim VARCHAR(64), ADD COLUMN tried_at TIMESTAMP WITH TIME ZONE, "
        "ADD COLUMN why VARCHAR(300), "
        "ALTER COLUMN person_id DROP NOT NULL, "
        "ADD CONSTRAINT uq_outbox_key UNIQUE (key), "
        "ADD CONSTRAINT ck_outbox_to_somebody CHECK (person_id IS NOT NULL OR endpoint_id IS NOT NULL), "
        "ADD CONSTRAINT ck_outbox_one_end CHECK (sent_at IS NULL OR given_up_at IS NULL), "
        f"DROP CONSTRAINT ck_outbox_channel, ADD CONSTRAINT ck_outbox_channel CHECK (channel IN ({_quoted()}))"
    )
    op.execute(
        "UPDATE outbox SET due_at = created_at, lane = channel || '/p' || person_id WHERE sent_at IS NULL"
    )


def _quoted() -> str:
    return ", ".join(f"'{channel}'" for channel in CHANNELS)


KEPT = (
    "id, person_id, channel, recipient, language, text_en, text_zh, is_secret, created_at, expires_at, "
    "claimed_until, tries, sent_at, given_up_at"
)


def _upgrade_sqlite() -> None:
    """SQLite changes no constraint of a table that is there: it is made anew.

    visibility: nothing is shown.
    """
    op.execute(f"CREATE TABLE outbox_kept AS SELECT {KEPT} FROM outbox")  # noqa: S608 - a constant
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column(
            "key",
            sa.String(length=32),
            server_default=sa.text("(lower(hex(randomblob(16))))"),
            nullable=False,
        ),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("endpoint_id", KEY, nullable=True),
        sa.Column("channel", _one_of("channel", *CHANNELS), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("lane", sa.String(length=80), nullable=True),
        sa.Column("language", _one_of("language", "zh", "en"), nullable=False),
        sa.Column("subject_en", sa.String(length=200), nullable=True),
        sa.Column("subject_zh", sa.String(length=200), nullable=True),
        sa.Column("text_en", sa.Text(), nullable=True),
        sa.Column("text_zh", sa.Text(), nullable=True),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("claim", sa.String(length=64), nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("why", sa.String(length=300), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("given_up_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "person_id IS NOT NULL OR endpoint_id IS NOT NULL", name=op.f("ck_outbox_to_somebody")
        ),
        sa.CheckConstraint("sent_at IS NULL OR given_up_at IS NULL", name=op.f("ck_outbox_one_end")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_outbox_person_id_people")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_outbox_endpoint_id_endpoints")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index(op.f("ix_outbox_person_id"), "outbox", ["person_id"])
    op.execute(
        f"INSERT INTO outbox ({KEPT}, due_at, lane) "  # noqa: S608 - constants
        f"SELECT {KEPT}, created_at, channel || '/p' || person_id FROM outbox_kept"
    )
    op.drop_table("outbox_kept")


def downgrade() -> None:
    """Messages that do not go to a telephone are lost: the schema before knows none.

    visibility: nothing is shown.
    """
    op.execute("DELETE FROM outbox WHERE person_id IS NULL OR channel NOT IN ('sms', 'voice')")
    for name in INDEXES:
        op.drop_index(name, table_name="outbox")
    if _is_postgres():
        op.execute(
            "ALTER TABLE outbox DROP CONSTRAINT ck_outbox_to_somebody, DROP CONSTRAINT ck_outbox_one_end, "
            "DROP CONSTRAINT ck_outbox_channel, "
            "ADD CONSTRAINT ck_outbox_channel CHECK (channel IN ('sms', 'voice')), "
            "DROP COLUMN key, DROP COLUMN endpoint_id, DROP COLUMN lane, DROP COLUMN subject_en, "
            "DROP COLUMN subject_zh, DROP COLUMN due_at, DROP COLUMN claim, DROP COLUMN tried_at, "
            "DROP COLUMN why, ALTER COLUMN person_id SET NOT NULL"
        )
    else:
        _downgrade_sqlite()
    op.create_index("ix_outbox_waiting", "outbox", ["id"], postgresql_where=WAITING, sqlite_where=WAITING)
    for table in ("job_runs", "leases", "endpoints"):
        op.drop_table(table)


def _downgrade_sqlite() -> None:
    """visibility: nothing is shown."""
    op.execute(f"CREATE TABLE outbox_kept AS SELECT {KEPT} FROM outbox")  # noqa: S608 - a constant
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("channel", _one_of("channel", "sms", "voice"), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
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
    op.create_index(op.f("ix_outbox_person_id"), "outbox", ["person_id"])
    op.execute(f"INSERT INTO outbox ({KEPT}) SELECT {KEPT} FROM outbox_kept")  # noqa: S608 - constants
    op.drop_table("outbox_kept")
