"""Name the index that allows a person one active enrolment in a session `…_active`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0095"
down_revision = "0094"
branch_labels = None
depends_on = None

ACTIVE = sa.text("state = 'enrolled' OR state = 'waiting' OR state = 'offered'")


def upgrade() -> None:
    _rename("standing", "active")


def downgrade() -> None:
    _rename("active", "standing")


def _rename(old: str, new: str) -> None:
    """Rename the index, which no statement names. SQLite cannot rename one."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX uq_enrolments_{old} RENAME TO uq_enrolments_{new}")
    else:
        op.drop_index(f"uq_enrolments_{old}", "enrolments")
        op.create_index(
            f"uq_enrolments_{new}",
            "enrolments",
            ["session_id", "person_id"],
            unique=True,
            sqlite_where=ACTIVE,
        )
