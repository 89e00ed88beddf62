"""GeoPackage 1.3: an SQLite file with one layer, `devices`."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from datetime import datetime
from pathlib import Path

from aed.exports.formats.tables import COLUMNS, Pages, own_row
from aed.exports.queries import PublishedDevice

_WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",'
    '0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]'
)
_SCHEMA = """
PRAGMA application_id = 1196444487;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE,
  max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL PRIMARY KEY REFERENCES gpkg_contents(table_name), column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id),
  z TINYINT NOT NULL, m TINYINT NOT NULL, UNIQUE (table_name, column_name));
"""
_SQL_TYPES = {"floor": "INTEGER", "lat": "DOUBLE", "lon": "DOUBLE"} | {
    column: "DATE" for column in COLUMNS if column.endswith("_on")
}


def geopackage(pages: Pages, to: Path, *, at: datetime) -> None:
    """Write a GeoPackage; `at` is stored as the time of its last change."""
    with closing(sqlite3.connect(to, isolation_level=None)) as file:
        # No journal: the file is discarded if anything fails.
        file.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        file.execute("BEGIN")
        file.executemany(
            "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)",
            [
                ("WGS 84", 4326, "EPSG", 4326, _WGS84_WKT, "longitude and latitude in degrees"),
                ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", None),
                ("Undefined geographic SRS", 0, "NONE", 0, "undefined", None),
            ],
        )
        columns = ", ".join(f'"{column}" {_SQL_TYPES.get(column, "TEXT")}' for column in COLUMNS)
        file.execute(f"CREATE TABLE devices (id INTEGER PRIMARY KEY, geom POINT NOT NULL, {columns})")
        file.execute(
            "INSERT INTO gpkg_contents VALUES "
            "('devices', 'features', 'devices', 'AEDs', ?, NULL, NULL, NULL, NULL, 4326)",
            (f"{at:%Y-%m-%dT%H:%M:%S.000Z}",),
        )
        file.execute("INSERT INTO gpkg_geometry_columns VALUES ('devices', 'geom', 'POINT', 4326, 0, 0)")
        west, south, east, north = 180.0, 90.0, -180.0, -90.0
        values = ", ".join("?" * (2 + len(COLUMNS)))
        for page in pages:
            file.executemany(
                f"INSERT INTO devices VALUES ({values})",  # noqa: S608 - only question marks
                [(device.row.id, _point(device), *own_row(device).values()) for device in page],
            )
            west, east = (
                min(west, *(device.row.lon for device in page)),
                max(east, *(device.row.lon for device in page)),
            )
            south, north = (
                min(south, *(device.row.lat for device in page)),
                max(north, *(device.row.lat for device in page)),
            )
        if west <= east:
            file.execute(
                "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?",
                (west, south, east, north),
            )
        file.execute("COMMIT")


def _point(device: PublishedDevice) -> bytes:
    """Return a point as a GeoPackage blob: header (little-endian, no envelope, EPSG 4326), then WKB."""
    return struct.pack("<2sBBiBIdd", b"GP", 0, 1, 4326, 1, 1, device.row.lon, device.row.lat)
