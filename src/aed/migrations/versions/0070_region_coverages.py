"""The coverage of each region; the region's administrator in a demo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

PARTS = ("resident", "volunteer", "keeper", "trainer", "dispatcher", "manager", "administrator")


def upgrade() -> None:
    op.create_table(
        "region_coverages",
        sa.Column(
            "region_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_region_coverages_region_id_regions")
        ),
        sa.PrimaryKeyConstraint("region_id", name=op.f("pk_region_coverages")),
    )
    _parts_may_be(*PARTS, "region")


def downgrade() -> None:
    op.execute("DELETE FROM demo_people WHERE role = 'region'")
    _parts_may_be(*PARTS)
    op.drop_table("region_coverages")


def _parts_may_be(*parts: str) -> None:
    """Replace the CHECK of a part in the demo. No table refers to this one, and it has no geometry."""
    values = ", ".join(f"'{each}'" for each in parts)
    # People are not reflected: they have an index of an expression.
    with op.batch_alter_table("demo_people", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_demo_people_demorole"), type_="check")
        batch.create_check_constraint(op.f("ck_demo_people_demorole"), f"role IN ({values})")
