"""Outbox: codes for signing up go to numbers that belong to nobody yet."""

from __future__ import annotations

from typing import Final

from alembic import op

from aed.migrations.renames import edit_schema

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_NAME: Final = "ck_outbox_to_somebody"
_BEFORE: Final = "person_id IS NOT NULL OR endpoint_id IS NOT NULL"
_AFTER: Final = f"{_BEFORE} OR is_secret"


def upgrade() -> None:
    _replace_check(_BEFORE, _AFTER)


def downgrade() -> None:
    """visibility: a schema's own step, which nobody is shown."""
    op.execute("DELETE FROM outbox WHERE person_id IS NULL AND endpoint_id IS NULL")
    _replace_check(_AFTER, _BEFORE)


def _replace_check(before: str, after: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f(_NAME), "outbox", type_="check")
        op.create_check_constraint(op.f(_NAME), "outbox", after)
        return
    edit_schema(op.get_bind(), "outbox", {f"({before})": f"({after})"})
