"""Give tables, columns, values, constraints and indexes plain names.

A block per package. Tables and columns are keyed by their old names throughout. Constraints and indexes that are
named after a table or column follow by themselves (see `aed.migrations.renames`); NAMES lists the others.
Encrypted columns keep the text `table.column` that their values are bound to.
"""

from __future__ import annotations

from typing import Final

from alembic import op

from aed.migrations.renames import Renames, rename

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

ACCOUNTS_AND_REGISTRY: Final = Renames()

UPKEEP_AND_TRAINING: Final = Renames()

INCIDENTS_AND_RESPONDERS: Final = Renames()

IMPORTS: Final = Renames()

ALL: Final = (ACCOUNTS_AND_REGISTRY, UPKEEP_AND_TRAINING, INCIDENTS_AND_RESPONDERS, IMPORTS)


def upgrade() -> None:
    for renames in ALL:
        rename(op.get_bind(), renames)


def downgrade() -> None:
    for renames in reversed(ALL):
        rename(op.get_bind(), renames.inverted())
