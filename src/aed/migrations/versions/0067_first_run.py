"""The one-time code of a new installation; the administrator of a demo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

PARTS = ("resident", "volunteer", "keeper", "trainer", "dispatcher", "manager")


def upgrade() -> None:
    op.create_table(
        "first_run_codes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_first_run_codes_only_one")),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_first_run_codes_tries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_first_run_codes")),
    )
    _parts_may_be(*PARTS, "administrator")


def downgrade() -> None:
    op.execute("DELETE FROM demo_people WHERE role = 'administrator'")
    _parts_may_be(*PARTS)
    op.drop_table("first_run_codes")


def _parts_may_be(*parts: str) -> None:
    """Replace the CHECK of a part in the demo. No table refers to this one, and it has no geometry."""
    values = ", ".join(f"'{each}'" for each in parts)
    # People are not reflected: they have an index of an expression.
    with op.batch_alter_table("demo_people", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_demo_people_demorole"), type_="check")
        batch.create_check_constraint(op.f("ck_demo_people_demorole"), f"role IN ({values})")
