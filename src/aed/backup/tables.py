"""Which tables are the program's own, and how many rows they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, select, table, text

_SPATIALITES = re.compile(
    "sqlite_.*|spatial_ref_sys.*|spatialite_history|sql_statements_log|data_licenses"
    "|(views_|virts_)?geometry_columns.*",
    re.IGNORECASE,
)
SEEDED = frozenset(
    {
        "alembic_version",
        "audit_keys",
        "audit_log",
        "registry_changes",
        "holiday_calendars",
        "holiday_days",
        "holiday_years",
        "job_runs",
        "leases",
        "security_events",
    }
)
"""What every new installation has rows in: it is seeded, and its worker works."""

# What an extension brought is PostGIS's.
_POSTGRES = text(
    """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
      AND NOT EXISTS (
          SELECT 1 FROM pg_depend
          WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
      )
    """
)
_SQLITE = text("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")


def own_tables(connection: Connection) -> list[str]:
    """By name; the catalogues of PostGIS and SpatiaLite, and the insides of their indexes, are not ours."""
    if connection.dialect.name == "postgresql":
        return sorted(connection.scalars(_POSTGRES))
    return sorted(name for name in connection.scalars(_SQLITE) if not _SPATIALITES.fullmatch(name))


def count_rows(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    return {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in tables
    }


def schema_revision(connection: Connection, tables: Iterable[str]) -> str | None:
    """Where the schema's history stands, or None for a database that has none."""
    if "alembic_version" not in tables:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def is_as_new(connection: Connection) -> bool:
    """Whether nobody has entered anything: no tables, or a schema with the holidays that ship with it."""
    rows = count_rows(connection, own_tables(connection))
    if any(count for name, count in rows.items() if name not in SEEDED):
        return False
    return rows.get("registry_changes", 0) == 0 or _only_seeded(connection, rows)


def _only_seeded(connection: Connection, rows: Mapping[str, int]) -> bool:
    """Each year of the one calendar was put once, and amended never.

    visibility: for whoever restores, on the machine itself; it only counts.
    """
    others = connection.scalar(
        text("SELECT count(*) FROM registry_changes WHERE subject <> 'holiday_calendars'")
    )
    return (
        others == 0
        and rows.get("holiday_calendars") == 1
        and rows["registry_changes"] == rows.get("holiday_years")
    )
