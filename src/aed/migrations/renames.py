"""Rename tables, columns, stored values, constraints and indexes, on SQLite and on PostgreSQL.

Each engine carries a renamed table or column into the indexes, triggers and foreign keys that refer to it.
What neither does, and is done here:

- a constraint or an index named after its table or column gets the name that the naming convention gives it;
- a stored value of an enumeration changes together with the CHECK and the partial indexes that name it;
- the keys of JSON objects that are named after columns.

SQLite cannot alter a constraint. Its documentation ("Making Other Kinds Of Table Schema Changes") allows
editing the text of the schema where what is stored does not change: a constraint's name, or a CHECK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, inspect

type Names = Mapping[str, str]

_NAME_PREFIXES: Final = ("pk", "fk", "uq", "ck", "ix")
_BATCH_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Renames:
    """Old name to new name. Tables and columns are keyed by their old names throughout."""

    tables: Names = field(default_factory=dict)
    columns: Mapping[str, Names] = field(default_factory=dict)
    """By table."""
    values: Mapping[str, Mapping[str, Names]] = field(default_factory=dict)
    """By table and column. A CHECK `column IN (...)` and partial indexes that name the value follow."""
    json_keys: Mapping[str, Mapping[str, Names]] = field(default_factory=dict)
    """By table and column: the keys of the object that is stored there, at its top level."""
    names: Names = field(default_factory=dict)
    """Constraints and indexes whose new name does not follow from those of tables and columns."""

    def inverted(self) -> Renames:
        """Return the renames that undo these."""

        def turned[T](by_table: Mapping[str, T]) -> dict[str, T]:
            return {self.tables.get(table, table): of_table for table, of_table in by_table.items()}

        def swapped(names: Names) -> dict[str, str]:
            return {new: old for old, new in names.items()}

        def by_column(given: Mapping[str, Mapping[str, Names]]) -> dict[str, dict[str, Names]]:
            return {
                self.tables.get(table, table): {
                    self.columns.get(table, {}).get(column, column): swapped(names)
                    for column, names in columns.items()
                }
                for table, columns in given.items()
            }

        return Renames(
            tables=swapped(self.tables),
            columns=turned({table: swapped(names) for table, names in self.columns.items()}),
            values=by_column(self.values),
            json_keys=by_column(self.json_keys),
            names=swapped(self.names),
        )


def rename(connection: Connection, renames: Renames) -> None:
    """Apply the renames, in this transaction.

    1. Values, with the CHECKs and partial indexes that name them.
    2. Keys of JSON objects.
    3. Columns, then tables.
    4. Constraints and indexes.

    Raises LookupError where a constraint or an index that is named explicitly does not exist.
    """
    for table, columns in renames.values.items():
        for column, values in columns.items():
            _rename_values(connection, table, column, values)
    for table, columns in renames.json_keys.items():
        for column, keys in columns.items():
            _rename_json_keys(connection, table, column, keys)
    for table, names in renames.columns.items():
        for old, new in names.items():
            connection.exec_driver_sql(f'ALTER TABLE "{table}" RENAME COLUMN "{old}" TO "{new}"')
    for old, new in renames.tables.items():
        connection.exec_driver_sql(f'ALTER TABLE "{old}" RENAME TO "{new}"')
    _rename_constraints_and_indexes(connection, renames)


# --- values ---------------------------------------------------------------------------------------------


def _rename_values(connection: Connection, table: str, column: str, values: Names) -> None:
    def renamed(sql: str) -> str:
        return re.sub(r"'([^']*)'", lambda found: f"'{values.get(found[1], found[1])}'", sql)

    indexes = [
        (name, sql)
        for name, sql in _indexes(connection, table)
        if re.search(rf"\b{column}\b", sql) and renamed(sql) != sql
    ]
    for name, _ in indexes:
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
    checks = {
        str(check["name"]): str(check["sqltext"])
        for check in inspect(connection).get_check_constraints(table)
        if re.search(rf"\b{column}\b", str(check["sqltext"]))
        and renamed(str(check["sqltext"])) != check["sqltext"]
    }
    if connection.dialect.name == "postgresql":
        for name in checks:
            connection.exec_driver_sql(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
    else:
        edit_schema(connection, table, {sql: renamed(sql) for sql in checks.values()})
    for old, new in values.items():
        stored = sa.table(table, sa.column(column))
        connection.execute(stored.update().where(stored.c[column] == old).values({column: new}))
    if connection.dialect.name == "postgresql":
        for name, sql in checks.items():
            connection.exec_driver_sql(
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" CHECK ({renamed(sql)})'.replace("%", "%%")
            )
    for _, sql in indexes:
        connection.exec_driver_sql(renamed(sql).replace("%", "%%"))


def _rename_json_keys(connection: Connection, table: str, column: str, keys: Names) -> None:
    stored = sa.table(table, sa.column("id", sa.BigInteger), sa.column(column, sa.JSON))
    last = 0
    while True:
        rows = connection.execute(
            sa.select(stored).where(stored.c.id > last).order_by(stored.c.id).limit(_BATCH_ROWS)
        ).all()
        if not rows:
            return
        last = rows[-1][0]
        for number, value in rows:
            if isinstance(value, dict) and not keys.keys().isdisjoint(value):
                renamed = {keys.get(key, key): each for key, each in value.items()}
                connection.execute(stored.update().where(stored.c.id == number).values({column: renamed}))


# --- constraints and indexes ----------------------------------------------------------------------------


def _rename_constraints_and_indexes(connection: Connection, renames: Renames) -> None:
    """Rename what is named after an old table or column, and what `renames.names` lists."""
    waiting = dict(renames.names)
    old_of = {new: old for old, new in renames.tables.items()}
    for table in sorted(inspect(connection).get_table_names()):
        before = old_of.get(table, table)
        for name in list(_constraints(connection, table)):
            new = waiting.pop(name, "") or _renamed(name, before, renames)
            if new != name:
                _rename_constraint(connection, table, name, new)
        for name, sql in _indexes(connection, table):
            new = waiting.pop(name, "") or _renamed(name, before, renames)
            if new != name:
                _rename_index(connection, name, sql, new)
    if connection.dialect.name == "postgresql":
        for old, new in renames.tables.items():
            connection.exec_driver_sql(f'ALTER SEQUENCE IF EXISTS "{old}_id_seq" RENAME TO "{new}_id_seq"')
    if waiting:
        raise LookupError(f"There is no constraint or index named {', '.join(sorted(waiting))}.")


def _renamed(name: str, table: str, renames: Renames) -> str:
    """Return what the naming convention makes of a name, `table` being the table's old name."""
    kind, _, rest = name.partition("_")
    if kind not in _NAME_PREFIXES or not (rest == table or rest.startswith(table + "_")):
        return name
    parts = rest[len(table) :]
    for old, new in renames.columns.get(table, {}).items():
        parts = re.sub(rf"_{old}(?=_|$)", f"_{new}", parts)
    if kind == "fk":
        for old, new in renames.tables.items():
            if parts.endswith("_" + old):
                parts = parts[: -len(old)] + new
                break
    return f"{kind}_{renames.tables.get(table, table)}{parts}"


def _constraints(connection: Connection, table: str) -> Iterator[str]:
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(
            "SELECT conname FROM pg_constraint WHERE conrelid = CAST(%s AS regclass) "
            "AND contype IN ('p', 'f', 'u', 'c') ORDER BY conname",
            (f'"{table}"',),
        )
        yield from [str(row[0]) for row in rows]
        return
    sql = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
    ).scalar_one()
    yield from [found[1] for found in re.finditer(r'CONSTRAINT "?(\w+)"?', str(sql))]


def _indexes(connection: Connection, table: str) -> list[tuple[str, str]]:
    """Name and SQL of each index that no constraint made."""
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
            "WHERE i.indrelid = CAST(%s AS regclass) "
            "AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
            (f'"{table}"',),
        )
    else:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
            (table,),
        )
    return [(str(name).strip('"'), str(sql)) for name, sql in rows]


def _rename_constraint(connection: Connection, table: str, old: str, new: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f'ALTER TABLE "{table}" RENAME CONSTRAINT "{old}" TO "{new}"')
        return
    edit_schema(
        connection,
        table,
        {f"CONSTRAINT {old} ": f"CONSTRAINT {new} ", f'CONSTRAINT "{old}" ': f'CONSTRAINT "{new}" '},
        times=1,
    )


def _rename_index(connection: Connection, old: str, sql: str, new: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f'ALTER INDEX "{old}" RENAME TO "{new}"')
        return
    connection.exec_driver_sql(f'DROP INDEX "{old}"')
    connection.exec_driver_sql(re.sub(rf"\b{old}\b", new, sql, count=1))


def edit_schema(
    connection: Connection, table: str, replacements: Mapping[str, str], *, times: int | None = None
) -> None:
    """Replace text in the statement that SQLite keeps of a table.

    `times` is how many replacements must take effect; by default all of them.
    Raises LookupError where another number did.
    """
    sql = str(
        connection.exec_driver_sql(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
        ).scalar_one()
    )
    done = 0
    for old, new in replacements.items():
        done += old in sql
        sql = sql.replace(old, new)
    if done != (len(replacements) if times is None else times):
        raise LookupError(f"The table {table} is not as expected: {sql}")
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", (sql, table)
    )
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")
