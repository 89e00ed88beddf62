"""The program's own tables, and their row counts."""

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
        "replication_heartbeat",
        "holiday_calendars",
        "holiday_days",
        "holiday_years",
        "job_runs",
        "leases",
        "security_events",
    }
)
"""Tables that have rows in every new installation."""

# Tables that belong to an extension are those of PostGIS.
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
    """Return the names of the program's tables, without those of PostGIS, SpatiaLite and their indexes."""
    if connection.dialect.name == "postgresql":
        return sorted(connection.scalars(_POSTGRES))
    return sorted(name for name in connection.scalars(_SQLITE) if not _SPATIALITES.fullmatch(name))


def count_rows(connection: Connection, tables: Iterable[str]) -> dict[str, int]:
    return {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in tables
    }


def schema_revision(connection: Connection, tables: Iterable[str]) -> str | None:
    """Return the revision of the schema; None for a database without one."""
    if "alembic_version" not in tables:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def is_as_new(connection: Connection) -> bool:
    """Return True if nobody has entered data: no tables, or only the holidays that every installation has."""
    rows = count_rows(connection, own_tables(connection))
    if any(count for name, count in rows.items() if name not in SEEDED):
        return False
    return rows.get("registry_changes", 0) == 0 or _only_seeded(connection, rows)


def _only_seeded(connection: Connection, rows: Mapping[str, int]) -> bool:
    """Return True if the only calendar is as installed: each year added once, and never amended.

    visibility: for restores on the machine itself; it only counts.
    """
    others = connection.scalar(
        text("SELECT count(*) FROM registry_changes WHERE subject <> 'holiday_calendars'")
    )
    return (
        others == 0
        and rows.get("holiday_calendars") == 1
        and rows["registry_changes"] == rows.get("holiday_years")
    )
