"""Indexes on big tables, which migrations build while requests read and write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from alembic.runtime.migration import MigrationContext

WITHIN_TRANSACTION: Final = "within_transaction"
"""Name of the attribute of Alembic's configuration that says so."""
_IS_INVALID = sa.text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def create_index_online(
    name: str, table: str, columns: Sequence[str | sa.TextClause], **options: Any
) -> None:
    """Create an index without blocking writes, on PostgreSQL; on SQLite, or as part of a restore, as usual.

    The migration's transaction is committed before, so let this be its only step if possible. An index that
    an interrupted upgrade has left incomplete is built again.
    """
    context = op.get_context()
    if context.dialect.name != "postgresql" or _belongs_to_the_caller(context):
        op.create_index(name, table, columns, **options)
        return
    with context.autocommit_block():
        if not context.as_sql and op.get_bind().scalar(_IS_INVALID, {"name": name}):
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options)


def _belongs_to_the_caller(context: MigrationContext) -> bool:
    """Return True if the caller of the upgrade has begun its transaction, and alone may commit it."""
    environment = context.environment_context
    return environment is not None and environment.config.attributes.get(WITHIN_TRANSACTION, False)
