"""The one place that knows PostGIS from SpatiaLite: columns, indexes, and the questions asked of places."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import mapbox_vector_tile
from geoalchemy2 import Geometry, WKBElement, WKTElement
from geoalchemy2.shape import to_shape
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Double,
    Function,
    Integer,
    LargeBinary,
    Row,
    Select,
    Subquery,
    all_,
    and_,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    not_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import NullType, TypeEngine

from aed.errors import InvalidInput
from aed.geo import Position, mercator_degrees

WGS84 = 4326
METRES_PER_DEGREE = 6_371_008.8 * math.pi / 180  # mean sphere
_NO_MORE_THAN_SPHEROID = 0.99
"""Mercator on a sphere is off by at most 0.7 per cent on the spheroid; a bound stays a bound with 1."""

_FLOAT32_DEGREES = 5e-5
"""What a degree may be off in an index: float32 steps by 1.5e-5 near 180, and R*Tree rounds outward twice."""

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
    # Both indexes keep float32, rounded outward: they are asked for a little more, and the degrees decide.
    exact = latitude(place).between(south, north) & longitude(place).between(west, east)
    if session.get_bind().dialect.name == "sqlite":
        index = _index_table(place)  # values of its own: a statement may ask for two boxes
        rows = select(index.c.pkid).where(
            index.c.xmin >= west - _FLOAT32_DEGREES,
            index.c.xmax <= east + _FLOAT32_DEGREES,
            index.c.ymin >= south - _FLOAT32_DEGREES,
            index.c.ymax <= north + _FLOAT32_DEGREES,
        )
        return and_(place.class_.id.in_(rows), exact)
    return and_(place.bool_op("&&")(func.ST_MakeEnvelope(west, south, east, north, WGS84)), exact)


def overlapping_box(
    session: Session, place: GeometryColumn, *, west: float, south: float, east: float, north: float
) -> ColumnElement[bool]:
    """Areas whose own box meets a box of degrees, by index on both databases."""
    if session.get_bind().dialect.name == "sqlite":
        index = _index_table(place)
        rows = select(index.c.pkid).where(
            index.c.xmin <= east + _FLOAT32_DEGREES,
            index.c.xmax >= west - _FLOAT32_DEGREES,
            index.c.ymin <= north + _FLOAT32_DEGREES,
            index.c.ymax >= south - _FLOAT32_DEGREES,
        )
        return and_(place.class_.id.in_(rows))
    return place.bool_op("&&")(func.ST_MakeEnvelope(west, south, east, north, WGS84))


def ids_near_each(
    session: Session,
    places: Sequence[Position],
    place: GeometryColumn,
    *,
    within_metres: float,
    where: ColumnElement[bool],
) -> list[tuple[int, int]]:
    """What lies near many places, by index, in one statement: (the number of the place, the id of the row).

    Every row within the distance that `where` holds for, and some in the corners of its box.
    """
    boxes = [_window(here, within_metres) for here in places]
    sides = [[box[f"nearest_{side}"] for box in boxes] for side in ("west", "south", "east", "north")]
    row = place.class_
    if session.get_bind().dialect.name == "sqlite":
        given = json.dumps(list(zip(*sides, strict=True)))
        each = func.json_each(given).table_valued(column("key", Integer), column("value"), name="box")
        west, south, east, north = (_json_number(each.c.value, side) for side in range(4))
        index = _index_table(place)
        inside = and_(
            index.c.xmin >= west, index.c.xmax <= east, index.c.ymin >= south, index.c.ymax <= north
        )
        tables = each.join(index, inside).join(row, row.id == index.c.pkid)
        statement = select(each.c.key, row.id).select_from(tables).where(where)
    else:
        names = [column(side, Double) for side in ("west", "south", "east", "north")]
        arrays = [literal(side, ARRAY(Double)) for side in sides]
        boxed = (
            func.unnest(*arrays).table_valued(*names, with_ordinality="number", name="box").render_derived()
        )
        box = func.ST_MakeEnvelope(boxed.c.west, boxed.c.south, boxed.c.east, boxed.c.north, WGS84)
        tables = boxed.join(row, place.bool_op("&&")(box))
        statement = select(boxed.c.number - 1, row.id).select_from(tables).where(where)
    return [(int(number), int(found)) for number, found in session.execute(statement)]


def _json_number(array: ColumnElement[Any], place: int) -> ColumnElement[float]:
    return func.json_extract(array, f"$[{place}]", type_=Double())


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


class Located(Protocol):
    """A row that says what it is and where, in degrees."""

    @property
    def id(self) -> int: ...
    @property
    def lat(self) -> float: ...
    @property
    def lon(self) -> float: ...


class _Needed(NamedTuple):
    """How far a question had to look, and how many rows lay so near."""

    metres: float
    rows: float


_PLACES_REMEMBERED = 10_000
_COUNTS = sorted(2**power * part // 2 for power in range(3, 13) for part in (2, 3))
"""8, 12, 16, 24, 32, 48 …: how many rows are asked for. Few, since each is a statement to prepare."""


@dataclass(frozen=True)
class Nearest[R: Located]:
    """A compiled "nearest first" statement; made once, asked often. See `nearest_first`."""

    sql: str
    """With the word `nearest_limit` where PostgreSQL is told how many."""
    more: str
    """The same without what has been fetched: on PostgreSQL by ids, on SQLite by the window before."""
    constants: Mapping[str, object]
    row: Callable[..., R]
    is_sqlite: bool
    _needed: dict[tuple[int, int, int], _Needed] = field(default_factory=dict)
    """What the last questions nearby needed. A hint: it changes no answer."""

    def rings(
        self, connection: Connection, here: Position, *, at_least: int, within_metres: float
    ) -> Rings[R]:
        """Rows around a place, to be fetched ring by ring. `at_least` is how many are asked for."""
        return Rings(self, connection, here, at_least, within_metres)

    def limited(self, count: int, sql: str | None = None) -> str:
        """PostgreSQL's statement for `count` rows.

        The number is part of the text: for a parameter the planner takes a tenth of the table, finds that
        its plan for any number costs more than one for this number, and plans anew at every question.
        """
        return (sql or self.sql).replace("nearest_limit", str(count))


class Rings[R: Located]:
    """Rows around one place, fetched ring by ring outwards, each once and in no promised order.

    `rows` are all so far; every eligible row nearer than `complete_within_metres` is among them (infinite
    when there is none left). The map ends at the 180th meridian: what is nearer across it is not looked for.
    (It runs through the sea, Chukotka, Taveuni and Antarctica.)

    PostGIS: k-nearest statements over the Mercator index; what is promised to be complete is the farthest
    row's distance less what the projection may be off.
    SpatiaLite: a window of its R*Tree, widened until enough rows lie inside its inscribed circle.
    The first ring is as large as was needed nearby the last times.
    """

    def __init__(
        self, nearest: Nearest[R], connection: Connection, here: Position, at_least: int, within_metres: float
    ) -> None:
        self._nearest, self._connection = nearest, connection
        self._here, self._at_least, self._within = here, at_least, within_metres
        self._cell = (round(here.lat * 20), round(here.lon * 20), at_least)
        self._window_metres = 0.0
        self.rows: list[R] = []
        self.complete_within_metres = 0.0

    def widen(self, *, about: int, to_metres: float = math.inf) -> Sequence[R]:
        """The rows of the next ring.

        Then about `about` are there in all, or all within `to_metres` or `within_metres`, however few.
        """
        before = len(self.rows)
        if self._nearest.is_sqlite:
            self._widen_window(about, to_metres)
        else:
            self._fetch_nearest(about, to_metres)
        return self.rows[before:]

    def remember(self, metres: float) -> None:
        """The question is answered, and had to look this far: the next one nearby begins with that."""
        known = self._nearest._needed
        now = _Needed(metres, _count_within(self.rows, self._here, metres))
        last = known.get(self._cell, now)
        if len(known) >= _PLACES_REMEMBERED:
            known.clear()
        known[self._cell] = _Needed(*(0.8 * old + 0.2 * new for old, new in zip(last, now, strict=True)))

    def _fetch_nearest(self, about: int, to_metres: float) -> None:
        nearest, (x, y) = self._nearest, mercator_degrees(self._here)
        asked: dict[str, object] = {"nearest_x": x, "nearest_y": y}
        needed = nearest._needed.get(self._cell) if not self.rows else None
        enough = about if needed is None else math.ceil(1.2 * needed.rows) + 1
        while True:
            more = enough - len(self.rows)
            if self.rows and to_metres < math.inf:  # the count grows with the square of the distance
                growth = (to_metres / max(self.complete_within_metres, 1.0)) ** 2 - 1.0
                more = min(more, math.ceil(1.2 * growth * len(self.rows)) + 1)
            count = next((count for count in _COUNTS if count >= more), more)
            sql = nearest.limited(count, nearest.more if self.rows else nearest.sql)
            if self.rows:
                asked["nearest_seen"] = [row.id for row in self.rows]
            found = self._fetched(sql, asked)
            self.rows += found
            if len(found) < count:
                self.complete_within_metres = math.inf
                return
            self.complete_within_metres = _surely_complete_within(self._here, self.rows)
            if len(self.rows) >= enough or self.complete_within_metres >= min(to_metres, self._within):
                return

    def _widen_window(self, about: int, to_metres: float) -> None:
        needed = self._nearest._needed.get(self._cell) if not self.rows else None
        enough, radius = 0.75 * about, self._window_metres * 1.5
        if needed is not None:
            enough, radius = self._at_least, 1.05 * needed.metres / _NO_MORE_THAN_SPHEROID
        elif not self._window_metres:
            radius = 400.0 * math.sqrt(0.85 * about)
        elif to_metres < math.inf:
            radius = math.inf
        while True:
            radius = min(radius, to_metres / _NO_MORE_THAN_SPHEROID + 1.0, self._within)
            box = _window(self._here, radius)
            if self._window_metres:
                before = _window(self._here, self._window_metres)
                box |= {f"{side}_in": degrees for side, degrees in before.items()}
            sql = self._nearest.more if self._window_metres else self._nearest.sql
            self.rows += self._fetched(sql, box)
            self._window_metres = radius
            surely = radius * _NO_MORE_THAN_SPHEROID
            self.complete_within_metres = self._within if radius >= self._within else surely
            if surely >= to_metres or radius >= self._within:
                return
            near = _count_within(self.rows, self._here, surely)
            if near >= enough:
                return
            radius *= 2.0 if near == 0 else max(1.2, min(3.0, math.sqrt(about / near)))

    def _fetched(self, sql: str, asked: Mapping[str, object]) -> list[R]:
        """Rows that are not there yet: one that has just been moved might come a second time."""
        row = self._nearest.row
        values = fetched(self._connection, sql, {**self._nearest.constants, **asked})
        found = [row(*each) for each in values]
        if self.rows:
            known = {each.id for each in self.rows}
            found = [each for each in found if each.id not in known]
        return found


def nearest_first[R: Located](
    dialect: Dialect,
    inner: Select[*tuple[Any, ...]],
    place: GeometryColumn,
    *,
    joined: Callable[[Subquery], Select[*tuple[Any, ...]]],
    row: type[R],
) -> Nearest[R]:
    """Compiles `inner` (which must select columns named `lat` and `lon`) into a nearest-first statement.

    `joined(subquery)` adds what is joined to the few chosen rows only; it returns the outer Select.
    `row` is a NamedTuple of the columns; those that are left out at its end have defaults.
    """
    is_sqlite = dialect.name == "sqlite"
    key = place.class_.id
    if is_sqlite:
        first, more = (inner.where(key.in_(_window_rows(place, beyond=beyond))) for beyond in (False, True))
    else:
        here = func.point(_told_later("nearest_x"), _told_later("nearest_y"))
        first = inner.order_by(
            literal_column(_mercator_point(f"{place.class_.__tablename__}.{place.key}")).op(
                "<->", return_type=Double()
            )(here)
        ).limit(literal_column("nearest_limit", Integer))
        more = first.where(key != all_(_told_later("nearest_seen", ARRAY(key.type))))
    statement, next_statement = (joined(rows.subquery("near")) for rows in (first, more))
    sql, constants = _compiled(dialect, statement)
    next_sql, next_constants = _compiled(dialect, next_statement)
    _check_columns(statement, row)
    if any(next_constants.get(name, value) != value for name, value in constants.items()):
        raise TypeError("the two statements call different things by the same name")
    return Nearest(sql, next_sql, constants | next_constants, row, is_sqlite)


def _check_columns(statement: Select[*tuple[Any, ...]], row: type[object]) -> None:
    """The NamedTuple has the statement's columns in their order."""
    names = tuple(item.name for item in statement.selected_columns)
    if names != getattr(row, "_fields", ())[: len(names)]:
        raise TypeError(f"{row.__name__} has other columns than its statement: {', '.join(names)}")


def _surely_complete_within(here: Position, rows: Sequence[Located]) -> float:
    """Metres within which the k nearest in Mercator, which `rows` are, hold everything.

    The farthest of them on the map says how far the map was searched (so does any, but less). Over a long
    way the map's scale changes with the latitude: the smaller one is taken.
    """
    across = math.cos(math.radians(here.lat)) ** 2
    far = max(rows, key=lambda row: (row.lat - here.lat) ** 2 + (row.lon - here.lon) ** 2 * across)
    x, y = mercator_degrees(here)
    east, north = mercator_degrees(Position(far.lat, far.lon))
    searched = math.hypot(east - x, north - y)
    farthest = min(89.0, abs(here.lat) + searched)
    return searched * METRES_PER_DEGREE * math.cos(math.radians(farthest)) * _NO_MORE_THAN_SPHEROID


@dataclass(frozen=True)
class Around[R]:
    """A compiled "all in a box around a place" statement. See `all_around`."""

    sql: str
    constants: Mapping[str, object]
    row: Callable[..., R]

    def rows(self, connection: Connection, here: Position, *, within_metres: float) -> Sequence[R]:
        """Every row within the circle, and some in the corners of its box."""
        row, asked = self.row, {**self.constants, **_window(here, within_metres)}
        return [row(*values) for values in fetched(connection, self.sql, asked)]


def all_around[R](
    dialect: Dialect, statement: Select[*tuple[Any, ...]], place: GeometryColumn, *, row: type[R]
) -> Around[R]:
    """Compiles `statement` with a box around a place as its last condition; `row` is a NamedTuple of it."""
    if dialect.name == "sqlite":
        boxed = statement.where(place.class_.id.in_(_window_rows(place)))
    else:
        edges = [_told_later(f"nearest_{side}") for side in ("west", "south", "east", "north")]
        # The box stands in a subquery, so that the planner knows as little of it whether or not it is told
        # the degrees. Otherwise it plans anew at every question, which takes longer than the answer.
        box = select(func.ST_MakeEnvelope(*edges, WGS84)).scalar_subquery()
        boxed = statement.where(place.bool_op("&&")(box))
    sql, constants = _compiled(dialect, boxed)
    _check_columns(boxed, row)
    return Around(sql, constants, row)


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

    Ordering in plain degrees names a wrong nearest device in 5-8 per cent of questions. The poles themselves
    are not on the map.
    """
    return (
        f"point(ST_X({name}), "
        f"ln(tan(0.7853981633974483 + least(greatest(ST_Y({name}), -89.9), 89.9) * 0.008726646259971648)) "
        "* 57.29577951308232)"
    )


def _told_later(name: str, kind: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """A parameter that gets its value each time a compiled statement is asked."""
    return bindparam(name, type_=kind or Double(), required=False)


def _index_table(place: GeometryColumn) -> Any:
    """SpatiaLite's own R*Tree of a geometry column; it never uses it by itself."""
    name = f"idx_{place.class_.__tablename__}_{place.key}"
    return table(name, *(column(part) for part in ("pkid", "xmin", "xmax", "ymin", "ymax")))


def _window_rows(place: GeometryColumn, *, beyond: bool = False) -> Select[*tuple[Any, ...]]:
    """Keys of the rows in a window; those beyond an inner one only, on request."""
    index = _index_table(place)

    def inside(ending: str) -> ColumnElement[bool]:
        return and_(
            index.c.xmin >= _told_later(f"nearest_west{ending}"),
            index.c.xmax <= _told_later(f"nearest_east{ending}"),
            index.c.ymin >= _told_later(f"nearest_south{ending}"),
            index.c.ymax <= _told_later(f"nearest_north{ending}"),
        )

    rows = select(index.c.pkid).where(inside(""))
    return rows.where(not_(inside("_in"))) if beyond else rows


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


def _count_within(rows: Iterable[Located], here: Position, metres: float) -> int:
    """About how many rows are that near."""
    degrees = (metres / METRES_PER_DEGREE) ** 2
    across = math.cos(math.radians(here.lat)) ** 2
    return sum((row.lat - here.lat) ** 2 + (row.lon - here.lon) ** 2 * across <= degrees for row in rows)


# --- the driver -----------------------------------------------------------------------------------------


def fetched(
    connection: Connection, sql: str, parameters: Mapping[str, object]
) -> Sequence[tuple[Any, ...] | Row[*tuple[Any, ...]]]:
    """The rows of the driver's own statement, without what SQLAlchemy finds out about their columns.

    That costs it a third of the whole question (80 of 260 microseconds on PostGIS). Whoever listens to the
    engine's statements still hears of each, and errors are those that SQLAlchemy raises.
    """
    if connection.engine.dispatch.before_cursor_execute:
        return connection.exec_driver_sql(sql, parameters).fetchall()
    driver = connection.dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    except driver.Error as error:
        is_gone = connection.dialect.is_disconnect(error, connection.connection, cursor)
        if is_gone:
            connection.invalidate(error)
        raise DBAPIError.instance(
            sql,
            parameters,
            error,
            driver.Error,
            connection_invalidated=is_gone,
            dialect=connection.dialect,
        ) from error
    cursor.close()
    return rows


# --- vector tiles ---------------------------------------------------------------------------------------


def vector_tile(
    session: Session, statement: Select[*tuple[Any, ...]], *, layer: str, extent: int, buffer: int
) -> tuple[int, bytes]:
    """How many points `statement` answers, and a Mapbox Vector Tile (2.1) of them in one layer.

    Its columns: `id` (may be null), `across` and `down` in steps from the tile's north-western corner, and
    then what each point says. PostGIS makes the tile itself; on SQLite a library does. No points: no bytes.
    """
    if session.get_bind().dialect.name == "sqlite":
        return _encoded_tile(session, statement, layer=layer, extent=extent)
    points = statement.subquery("points")
    said = [each for each in points.c if each.name not in ("across", "down")]
    box = func.ST_MakeBox2D(func.ST_MakePoint(0, -extent), func.ST_MakePoint(extent, 0), type_=NullType())
    place = func.ST_MakePoint(points.c.across, -points.c.down, type_=NullType())
    # Plain functions: GeoAlchemy2's own would turn the geometry into text on its way into the tile.
    geometry = Function("ST_AsMVTGeom", place, box, extent, buffer, True, type_=NullType())
    placed = select(geometry.label("geom"), *said).subquery("tile")
    whole = Function("ST_AsMVT", literal_column("tile.*"), layer, extent, "geom", "id", type_=LargeBinary())
    number, tile = session.execute(select(func.count(), whole).select_from(placed)).one()
    return number, bytes(tile) if number else b""


def _encoded_tile(
    session: Session, statement: Select[*tuple[Any, ...]], *, layer: str, extent: int
) -> tuple[int, bytes]:
    features = []
    for row in session.execute(statement).mappings():
        said = {name: value for name, value in row.items() if value is not None}
        place = Point(said.pop("across"), said.pop("down"))
        feature = {"geometry": place, "properties": said}
        if "id" in said:
            feature["id"] = said.pop("id")
        features.append(feature)
    if not features:
        return 0, b""
    options = {"extents": extent, "y_coord_down": True}
    made = mapbox_vector_tile.encode([{"name": layer, "features": features}], default_options=options)
    return len(features), bytes(made)


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
