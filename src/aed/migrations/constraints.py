"""Constraints on big tables, which migrations replace while requests read and write."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op


def allow_values(table: str, name: str, column: str, values: Sequence[str]) -> None:
    """Replace the CHECK `ck_TABLE_NAME`, which lists the values of a column.

    PostgreSQL checks the rows that exist afterwards, without blocking requests. SQLite copies the table.
    """
    constraint, listed = op.f(f"ck_{table}_{name}"), ", ".join(f"'{each}'" for each in values)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK ({column} IN ({listed})) NOT VALID"
        )
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
        return
    with op.batch_alter_table(table, reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(constraint, type_="check")
        batch.create_check_constraint(constraint, f"{column} IN ({listed})")
