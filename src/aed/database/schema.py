"""Create and drop geometry columns and their indexes, for migrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    Column,
    Connection,
)

from aed.database.geometry import WGS84
from aed.database.nearest import mercator_point


def add_geometry_column(connection: Connection, table_name: str, column_: Column[Any]) -> None:
    """Add a NOT NULL geometry column and its index to an empty table, on either database."""
    kind = column_.type
    assert isinstance(kind, Geometry)
    name = column_.name
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"SELECT AddGeometryColumn('{table_name}', '{name}', {WGS84}, '{kind.geometry_type}', 'XY', 1)"
        )
        connection.exec_driver_sql(f"SELECT CreateSpatialIndex('{table_name}', '{name}')")
    else:
        connection.exec_driver_sql(
            f"ALTER TABLE {table_name} ADD COLUMN {name} geometry({kind.geometry_type}, {WGS84}) NOT NULL"
        )
        connection.exec_driver_sql(f"CREATE INDEX ix_{table_name}_{name} ON {table_name} USING gist ({name})")


def drop_spatial_table(connection: Connection, table_name: str, geometry_columns: Sequence[str]) -> None:
    """Drop a table with geometry columns, and SpatiaLite's index tables and catalogue rows for them."""
    if connection.dialect.name == "sqlite":
        for name in geometry_columns:
            connection.exec_driver_sql(f"SELECT DisableSpatialIndex('{table_name}', '{name}')")
            connection.exec_driver_sql(f"DROP TABLE idx_{table_name}_{name}")
            connection.exec_driver_sql(f"SELECT DiscardGeometryColumn('{table_name}', '{name}')")
    connection.exec_driver_sql(f"DROP TABLE {table_name}")


def create_nearest_index(
    connection: Connection, table_name: str, column_name: str, *, name: str, where: str | None = None
) -> None:
    """Create the SP-GiST index for `nearest_first` on PostgreSQL; do nothing on SQLite.

    SpatiaLite uses its R*Tree, or a partial one created by `create_partial_window_index`.
    """
    if connection.dialect.name == "postgresql":
        only = f" WHERE {where}" if where else ""
        expression = mercator_point(column_name)
        connection.exec_driver_sql(f"CREATE INDEX {name} ON {table_name} USING spgist (({expression})){only}")


def create_partial_window_index(
    connection: Connection, table_name: str, column_name: str, *, name: str, where: Mapping[str, str]
) -> None:
    """Create a partial R*Tree on SpatiaLite for rows with the values in `where`, maintained by triggers.

    If few rows have these values, the full R*Tree would return many rows that are then discarded. Does
    nothing on PostgreSQL, which uses the partial index of `create_nearest_index`.
    """
    if connection.dialect.name != "sqlite":
        return

    def kept(row: str, source: str = "") -> str:
        x, y = (f"{part}({row}.{column_name})" for part in ("ST_X", "ST_Y"))
        conditions = " AND ".join(f"{row}.{column} = '{value}'" for column, value in where.items())
        return f"INSERT INTO {name} SELECT {row}.id, {x}, {x}, {y}, {y} {source} WHERE {conditions}"

    def forgotten(row: str) -> str:
        return f"DELETE FROM {name} WHERE pkid = {row}.id"  # noqa: S608 - constant names

    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE {name} USING rtree(pkid, xmin, xmax, ymin, ymax)")
    connection.exec_driver_sql(kept(table_name, f"FROM {table_name}"))
    columns = ", ".join(["id", column_name, *where])
    for moment, event, steps in (
        ("insert", "INSERT", [forgotten("NEW"), kept("NEW")]),
        ("update", f"UPDATE OF {columns}", [forgotten("OLD"), forgotten("NEW"), kept("NEW")]),
        ("delete", "DELETE", [forgotten("OLD")]),
    ):
        done = " ".join(f"{step};" for step in steps)
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name}_{moment} AFTER {event} ON {table_name} BEGIN {done} END"
        )


def drop_partial_window_index(connection: Connection, *, name: str) -> None:
    """Drop the index and triggers created by `create_partial_window_index`."""
    if connection.dialect.name == "sqlite":
        for moment in ("insert", "update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {name}_{moment}")
        connection.exec_driver_sql(f"DROP TABLE {name}")


def prepare_database(connection: Connection) -> None:
    """Create the PostGIS extension or SpatiaLite's catalogue if it is missing."""
    if connection.dialect.name == "sqlite":
        known = connection.exec_driver_sql(
            "SELECT count(*) FROM sqlite_master WHERE name = 'spatial_ref_sys'"
        ).scalar_one()
        if not known:
            connection.exec_driver_sql("SELECT InitSpatialMetaData(0, 'WGS84')")
    else:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS postgis")
