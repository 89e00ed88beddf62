"""Where alembic learns the model and the database from: `aed.migrations.migrate` passes a connection."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection

from aed.database.types import Table


def _ours(object_: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Own tables only: PostGIS and SpatiaLite keep theirs beside them.

    Spatial indexes are made by aed.database, which knows the dialect; alembic compares the others.
    """
    if kind == "table":
        return name in Table.metadata.tables
    if kind == "index" and name is not None:
        return not name.endswith(("_position", "_boundary", "_nearest"))
    return True


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        include_object=_ours,
        compare_type=True,
        transaction_per_migration=True,
        transactional_ddl=connection.dialect.name == "postgresql",
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
