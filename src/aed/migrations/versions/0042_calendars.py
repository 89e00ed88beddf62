"""Calendars of due upkeep and of training sessions become one table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
KINDS = ("person", "trainer", "estate")
TABLE = "calendar_addresses"
OWNER = "(estate_id IS NULL) = (kind <> 'estate')"


def upgrade() -> None:
    """Move the addresses of due upkeep. visibility: a schema's own step, which nobody is shown."""
    op.drop_index("uq_calendar_addresses_standing", TABLE)
    with op.batch_alter_table(TABLE, reflect_kwargs={"resolve_fks": False}) as batch:
        batch.add_column(sa.Column("region_id", KEY, nullable=True))
        batch.add_column(sa.Column("is_mine", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.create_foreign_key(
            op.f("fk_calendar_addresses_region_id_regions"), "regions", ["region_id"], ["id"]
        )
        _replace_checks(batch, (*KINDS, "due"), f"kind = 'due' OR {OWNER}")
        batch.create_check_constraint(
            op.f("ck_calendar_addresses_limits"), "kind = 'due' OR (region_id IS NULL AND NOT is_mine)"
        )
    op.create_index(op.f("ix_calendar_addresses_region_id"), TABLE, ["region_id"])
    _create_unique_index("uq_calendar_addresses_active", "revoked_at IS NULL AND kind <> 'due'")
    op.execute(
        "INSERT INTO calendar_addresses (kind, person_id, estate_id, region_id, is_mine, key_hash, created_at, "
        "created_by, revoked_at, revoked_by) SELECT 'due', person_id, estate_id, region_id, is_mine, key_hash, "
        "created_at, 'person:' || person_id, revoked_at, "
        "CASE WHEN revoked_at IS NOT NULL THEN 'person:' || person_id END FROM due_calendars ORDER BY id"
    )
    op.drop_table("due_calendars")


def downgrade() -> None:
    """Move the addresses of due upkeep back. visibility: a schema's own step, which nobody is shown."""
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
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{table}.id"], name=op.f(f"fk_due_calendars_{column}_{table}")
            )
            for column, table in (("person_id", "people"), ("estate_id", "estates"), ("region_id", "regions"))
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_due_calendars")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_due_calendars_key_hash")),
    )
    for column in ("estate_id", "person_id", "region_id"):
        op.create_index(op.f(f"ix_due_calendars_{column}"), "due_calendars", [column])
    op.execute(
        "INSERT INTO due_calendars (key_hash, person_id, estate_id, region_id, is_mine, created_at, revoked_at) "
        "SELECT key_hash, person_id, estate_id, region_id, is_mine, created_at, revoked_at "
        "FROM calendar_addresses WHERE kind = 'due' ORDER BY id"
    )
    op.execute("DELETE FROM calendar_addresses WHERE kind = 'due'")
    op.drop_index("uq_calendar_addresses_active", TABLE)
    op.drop_index(op.f("ix_calendar_addresses_region_id"), TABLE)
    with op.batch_alter_table(TABLE, reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_calendar_addresses_limits"), type_="check")
        batch.drop_constraint(op.f("fk_calendar_addresses_region_id_regions"), type_="foreignkey")
        batch.drop_column("is_mine")
        batch.drop_column("region_id")
        _replace_checks(batch, KINDS, OWNER)
    _create_unique_index("uq_calendar_addresses_standing", "revoked_at IS NULL")


def _replace_checks(batch: BatchOperations, kinds: tuple[str, ...], owner: str) -> None:
    listed = ", ".join(f"'{each}'" for each in kinds)
    for name, condition in (("calendarkind", f"kind IN ({listed})"), ("estate_or_person", owner)):
        batch.drop_constraint(op.f(f"ck_calendar_addresses_{name}"), type_="check")
        batch.create_check_constraint(op.f(f"ck_calendar_addresses_{name}"), condition)


def _create_unique_index(name: str, where: str) -> None:
    op.create_index(
        name,
        TABLE,
        ["kind", sa.text("coalesce(person_id, 0)"), sa.text("coalesce(estate_id, 0)")],
        unique=True,
        postgresql_where=sa.text(where),
        sqlite_where=sa.text(where),
    )
