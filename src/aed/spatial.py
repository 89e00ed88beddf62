"""The one place that knows PostGIS from SpatiaLite: columns, indexes, and the questions asked of places."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoalchemy2 import Geometry, WKBElement, WKTElement
from geoalchemy2.shape import to_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Double,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import TypeEngine

from aed.errors import InvalidInput
from aed.geo import Position, mercator_degrees

WGS84 = 4326
METRES_PER_DEGREE = 6_371_008.8 * math.pi / 180  # mean sphere
_NO_MORE_THAN_SPHEROID = 0.99
"""Mercator on a sphere is off by at most 0.7 per cent on the spheroid; a bound stays a bound with 1."""

type GeometryColumn = InstrumentedAttribute[WKBElement | WKTElement]


def point_type() -> Geometry:
    """A WGS-84 point. Its indexes are made by migrations, with `create_place_index`."""
    return Geometry("POINT", srid=WGS84, spatial_index=False)


def area_type() -> Geometry:
    """A WGS-84 multipolygon."""
    return Geometry("MULTIPOLYGON", srid=WGS84, spatial_index=False)


def point(position: Position) -> WKTElement:
    """`position` as a value for a point column, to the last digit."""
    return WKTElement(f"POINT({position.lon!r} {position.lat!r})", srid=WGS84)


def position_of(value: WKBElement | WKTElement) -> Position:
    """The position in a point column of a loaded row."""
    if isinstance(value, WKTElement):  # not flushed yet
        lon, lat = value.data[6:-1].split()
        return Position(float(lat), float(lon))
    raw = bytes.fromhex(value.data) if isinstance(value.data, str) else bytes(value.data)
    order = "<" if raw[0] == 1 else ">"
    lon_lat: tuple[float, float] = struct.unpack(f"{order}dd", raw[-16:])
    return Position(lon_lat[1], lon_lat[0])


def area(shape: BaseGeometry) -> WKTElement:
    """A shapely polygon or multipolygon as a value for an area column."""
    if shape.geom_type == "Polygon":
        return WKTElement(f"MULTIPOLYGON({shape.wkt[len('POLYGON ') :]})", srid=WGS84)
    return WKTElement(shape.wkt, srid=WGS84)


def shape_of(value: WKBElement | WKTElement) -> BaseGeometry:
    """The shapely geometry in an area column."""
    return to_shape(value)


def latitude(place: GeometryColumn) -> ColumnElement[float]:
    return func.ST_Y(place, type_=Double())


def longitude(place: GeometryColumn) -> ColumnElement[float]:
    return func.ST_X(place, type_=Double())


def inside_box(
    session: Session, place: GeometryColumn, *, west: float, south: float, east: float, north: float
) -> ColumnElement[bool]:
    """Points within a box of degrees, by index on both databases. A box with west > east is refused."""
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InvalidInput(
            "bbox must be west,south,east,north in degrees, west not greater than east.", field="bbox"
        )
    if session.get_bind().dialect.name == "sqlite":
        window = {"west": west, "east": east, "south": south, "north": north}
        rows = _window_rows(place).params(**{f"nearest_{key}": value for key, value in window.items()})
        exact = latitude(place).between(south, north) & longitude(place).between(west, east)
        return and_(place.class_.id.in_(rows), exact)
    envelope = func.ST_MakeEnvelope(west, south, east, north, WGS84)
    return place.bool_op("&&")(envelope)


def constants(keys: Iterable[int]) -> list[ColumnElement[int]]:
    """Keys inside a statement that is compiled once for a viewer."""
    return [literal_column(str(int(key)), Integer) for key in keys]


def constant(value: str) -> ColumnElement[str]:
    """One of the program's own words inside a statement, so that a partial index can be recognised.

    A bound parameter would hide it from the planner of a prepared statement.
    """
    if not value.replace("_", "").isalnum():
        raise ValueError("only the program's own words may stand in a statement")
    return literal_column(f"'{value}'")


# --- nearest --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ring:
    """Rows around a place. Every eligible row nearer than `complete_within_metres` is among them."""

    rows: Sequence[Row[*tuple[Any, ...]]]
    complete_within_metres: float


@dataclass(frozen=True)
class Nearest:
    """A compiled "nearest first" statement; made once, asked often. See `nearest_first`."""

    sql: str
    constants: Mapping[str, object]
    lat: int
    lon: int
    """Where the row keeps its degrees."""
    is_sqlite: bool

    def ring(
        self,
        connection: Connection,
        here: Position,
        *,
        at_least: int,
        within_metres: float,
        **values: object,
    ) -> Ring:
        """The `at_least` nearest rows (and maybe more), or all within `within_metres`, in no promised order.

        PostGIS: one k-nearest statement over the Mercator index; what it promises to be complete is the
        last row's distance less what the projection may be off.
        SpatiaLite: a window of its R*Tree, doubled until enough rows lie inside its inscribed circle.
        """
        parameters = {**self.constants, **values}
        if not self.is_sqlite:
            x, y = mercator_degrees(here)
            parameters |= {"nearest_x": x, "nearest_y": y, "nearest_limit": at_least}
            rows = connection.exec_driver_sql(self.sql, parameters).fetchall()
            if len(rows) < at_least:
                return Ring(rows, math.inf)
            return Ring(rows, _surely_complete_within(here, [(row[self.lat], row[self.lon]) for row in rows]))
        radius = min(1_000.0, within_metres)
        while True:
            window = _window(here, radius)
            rows = connection.exec_driver_sql(self.sql, {**parameters, **window}).fetchall()
            if radius >= within_metres:
                return Ring(rows, within_metres)
            if len(rows) >= at_least:
                near = sum(
                    _roughly_metres(here, row[self.lat], row[self.lon]) <= radius * _NO_MORE_THAN_SPHEROID
                    for row in rows
                )
                if near >= at_least:
                    return Ring(rows, radius * _NO_MORE_THAN_SPHEROID)
            radius = min(radius * (1.5 if rows else 3.0), within_metres)


def nearest_first(
    dialect: Dialect, inner: Select[*tuple[Any, ...]], place: GeometryColumn, *, joined: Any = None
) -> Nearest:
    """Compiles `inner` (which must select columns named `lat` and `lon`) into a nearest-first statement.

    `joined(subquery)` may add what is joined to the few chosen rows only; it returns the outer Select.
    """
    is_sqlite = dialect.name == "sqlite"
    if is_sqlite:
        inner = inner.where(place.class_.id.in_(_window_rows(place)))
    else:
        here = func.point(_told_later("nearest_x"), _told_later("nearest_y"))
        inner = inner.order_by(
            literal_column(_mercator_point(f"{place.class_.__tablename__}.{place.key}")).op(
                "<->", return_type=Double()
            )(here)
        ).limit(_told_later("nearest_limit", Integer()))
    statement = inner if joined is None else joined(inner.subquery("near"))
    sql, constants = _compiled(dialect, statement)
    names = [item.name for item in statement.selected_columns]
    return Nearest(sql, constants, names.index("lat"), names.index("lon"), is_sqlite)


def _surely_complete_within(here: Position, seen: Sequence[tuple[float, float]]) -> float:
    """Metres within which the k nearest in Mercator, which `seen` are, hold everything.

    The farthest of them on the map says how far the map was searched. Over a long way the map's scale
    changes with the latitude: the smaller one is taken.
    """
    x, y = mercator_degrees(here)
    searched = 0.0
    for lat, lon in seen:
        east, north = mercator_degrees(Position(lat, lon))
        searched = max(searched, math.hypot(east - x, north - y))
    farthest = min(89.0, abs(here.lat) + searched)
    return searched * METRES_PER_DEGREE * math.cos(math.radians(farthest)) * _NO_MORE_THAN_SPHEROID


@dataclass(frozen=True)
class Around:
    """A compiled "all in a box around a place" statement. See `all_around`."""

    sql: str
    constants: Mapping[str, object]

    def rows(
        self, connection: Connection, here: Position, *, within_metres: float
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """Every row within the circle, and some in the corners of its box."""
        return connection.exec_driver_sql(
            self.sql, {**self.constants, **_window(here, within_metres)}
        ).fetchall()


def all_around(dialect: Dialect, statement: Select[*tuple[Any, ...]], place: GeometryColumn) -> Around:
    """Compiles `statement` with a box around a place as its last condition."""
    if dialect.name == "sqlite":
        boxed = statement.where(place.class_.id.in_(_window_rows(place)))
    else:
        edges = [_told_later(f"nearest_{side}") for side in ("west", "south", "east", "north")]
        boxed = statement.where(place.bool_op("&&")(func.ST_MakeEnvelope(*edges, WGS84)))
    sql, constants = _compiled(dialect, boxed)
    return Around(sql, constants)


def _compiled(dialect: Dialect, statement: Select[*tuple[Any, ...]]) -> tuple[str, dict[str, object]]:
    """The driver's own SQL, and the parameters whose values are known already."""
    target: Dialect = (
        SQLiteDialect_pysqlite(paramstyle="named") if dialect.name == "sqlite" else PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy gives its constructor no types
    )
    compiled = statement.compile(dialect=target)
    constants = {}
    for name, value in compiled.construct_params().items():
        if value is not None:
            process = compiled.binds[name].type.bind_processor(target)
            constants[name] = process(value) if process else value
    return str(compiled), constants


def _mercator_point(name: str) -> str:
    """SQL of a PostgreSQL `point` in conformal degrees; the index and the ordering must say the same.

    Ordering in plain degrees names a wrong nearest device in 5-8 per cent of questions.
    """
    return (
        f"point(ST_X({name}), "
        f"ln(tan(0.7853981633974483 + ST_Y({name}) * 0.008726646259971648)) * 57.29577951308232)"
    )


def _told_later(name: str, kind: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """A parameter that gets its value each time a compiled statement is asked."""
    return bindparam(name, type_=kind or Double(), required=False)


def _index_table(place: GeometryColumn) -> Any:
    """SpatiaLite's own R*Tree of a geometry column; it never uses it by itself."""
    name = f"idx_{place.class_.__tablename__}_{place.key}"
    return table(name, *(column(part) for part in ("pkid", "xmin", "xmax", "ymin", "ymax")))


def _window_rows(place: GeometryColumn) -> Select[*tuple[Any, ...]]:
    index = _index_table(place)
    return select(index.c.pkid).where(
        index.c.xmin >= _told_later("nearest_west"),
        index.c.xmax <= _told_later("nearest_east"),
        index.c.ymin >= _told_later("nearest_south"),
        index.c.ymax <= _told_later("nearest_north"),
    )


def _window(here: Position, metres: float) -> dict[str, float]:
    """The box around a circle, a little larger: the R*Tree keeps float32 (about a metre)."""
    dlat = (metres + 5.0) / (METRES_PER_DEGREE * _NO_MORE_THAN_SPHEROID)
    top = min(89.9, abs(here.lat) + dlat)
    dlon = dlat / math.cos(math.radians(top))
    return {
        "nearest_west": here.lon - dlon,
        "nearest_east": here.lon + dlon,
        "nearest_south": here.lat - dlat,
        "nearest_north": here.lat + dlat,
    }


def _roughly_metres(here: Position, lat: float, lon: float) -> float:
    dy = lat - here.lat
    dx = (lon - here.lon) * math.cos(math.radians((lat + here.lat) / 2))
    return math.hypot(dx, dy) * METRES_PER_DEGREE


# --- schema ---------------------------------------------------------------------------------------------


def add_geometry_column(connection: Connection, table_name: str, column_: Column[Any]) -> None:
    """Adds a NOT NULL geometry column with its index to an empty table, on either database."""
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
    """Drops a table with geometry columns; SpatiaLite keeps an index table and a catalogue row for each."""
    if connection.dialect.name == "sqlite":
        for name in geometry_columns:
            connection.exec_driver_sql(f"SELECT DisableSpatialIndex('{table_name}', '{name}')")
            connection.exec_driver_sql(f"DROP TABLE idx_{table_name}_{name}")
            connection.exec_driver_sql(f"SELECT DiscardGeometryColumn('{table_name}', '{name}')")
    connection.exec_driver_sql(f"DROP TABLE {table_name}")


def create_nearest_index(
    connection: Connection, table_name: str, column_name: str, *, name: str, where: str | None = None
) -> None:
    """PostgreSQL: the partial SP-GiST index behind `nearest_first`. SpatiaLite's R*Tree serves there."""
    if connection.dialect.name == "postgresql":
        only = f" WHERE {where}" if where else ""
        expression = _mercator_point(column_name)
        connection.exec_driver_sql(f"CREATE INDEX {name} ON {table_name} USING spgist (({expression})){only}")


def prepare_database(connection: Connection) -> None:
    """PostGIS extension, or SpatiaLite's catalogue, made when missing."""
    if connection.dialect.name == "sqlite":
        known = connection.exec_driver_sql(
            "SELECT count(*) FROM sqlite_master WHERE name = 'spatial_ref_sys'"
        ).scalar_one()
        if not known:
            connection.exec_driver_sql("SELECT InitSpatialMetaData(0, 'WGS84')")
    else:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS postgis")
