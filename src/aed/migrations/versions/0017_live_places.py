"""Live places of responders on duty, and the consent to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "live_places",
        sa.Column("responder_id", KEY, autoincrement=False, nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_live_places_exact_or_not")),
        sa.CheckConstraint("at < expires_at", name=op.f("ck_live_places_holds_for_some_time")),
        sa.ForeignKeyConstraint(
            ["responder_id"], ["responders.id"], name=op.f("fk_live_places_responder_id_responders")
        ),
        sa.PrimaryKeyConstraint("responder_id", name=op.f("pk_live_places")),
        # Who stays in the same cell writes a new row into the same page, and no index is touched.
        postgresql_with={"fillfactor": 60},
    )
    op.create_index("ix_live_places_cell", "live_places", ["cell"], unique=False)
    _consents_may_be("'being_called', 'place_on_duty', 'live_place'")


def downgrade() -> None:
    """visibility: a schema's own step, which nobody is shown."""
    op.execute("DELETE FROM consents WHERE kind = 'live_place'")
    _consents_may_be("'being_called', 'place_on_duty'")
    op.drop_table("live_places")


def _consents_may_be(values: str) -> None:
    """What can be agreed to. No table refers to this one, and it has no geometry."""
    # SQLite makes the table anew: an index of some rows would come back as one of all.
    op.drop_index("uq_consents_standing", table_name="consents")
    # What it refers to is left unread: people have an index of an expression, which cannot be.
    with op.batch_alter_table("consents", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_consents_consentkind"), type_="check")
        batch.create_check_constraint(op.f("ck_consents_consentkind"), f"kind IN ({values})")
    op.create_index(
        "uq_consents_standing",
        "consents",
        ["person_id", "kind"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
        sqlite_where=sa.text("withdrawn_at IS NULL"),
    )
