"""Indexed queries for rows inside a box of degrees, on both databases."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Dialect,
    Double,
    Integer,
    Select,
    and_,
    column,
    func,
    literal,
    literal_column,
    not_,
    select,
    table,
)
from sqlalchemy.orm import Session

from aed.database.compiled import Compiled, compiled, late_param
from aed.database.geometry import WGS84, GeometryColumn, latitude, longitude
from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE, Position

NO_MORE_THAN_SPHEROID = 0.99
"""Safety factor of 1 % for bounds, since spherical Mercator differs by up to 0.7 % from the spheroid."""


_FLOAT32_DEGREES = 5e-5
"""Maximum error of a degree in an index: float32 has steps of 1.5e-5 near 180, and R*Tree rounds outward
twice."""


def inside_box(
    session: Session, place: GeometryColumn, *, west: float, south: float, east: float, north: float
) -> ColumnElement[bool]:
    """Select points within a box of degrees, by index on both databases.

    Raises InvalidInput if the box is out of range or west > east.
    """
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InvalidInput(
            "bbox must be west,south,east,north in degrees, with west not greater than east.", field="bbox"
        )
    # Both indexes store float32, rounded outward: search a slightly larger box, then compare the degrees.
    exact = latitude(place).between(south, north) & longitude(place).between(west, east)
    if session.get_bind().dialect.name == "sqlite":
        index = index_table(place)  # no shared parameters, since a statement may have two boxes
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
    """Select areas whose bounding box overlaps a box of degrees, by index on both databases."""
    if session.get_bind().dialect.name == "sqlite":
        index = index_table(place)
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
    """Return pairs (index of the place, id of the row) for rows near many places, in one statement.

    Includes every row within the distance that matches `where`, and some in the corners of the box around it.
    """
    boxes = [window_around(here, within_metres) for here in places]
    sides = [[box[f"nearest_{side}"] for box in boxes] for side in ("west", "south", "east", "north")]
    row = place.class_
    if session.get_bind().dialect.name == "sqlite":
        given = json.dumps(list(zip(*sides, strict=True)))
        each = func.json_each(given).table_valued(column("key", Integer), column("value"), name="box")
        west, south, east, north = (_json_number(each.c.value, side) for side in range(4))
        index = index_table(place)
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


def box_query[R](
    dialect: Dialect, statement: Select[*tuple[Any, ...]], place: GeometryColumn, *, row: type[R]
) -> Compiled[R]:
    """Compile `statement` with a box around a place as its last condition; `row` is its NamedTuple.

    Run it with the values of `window_around`. It returns every row within the circle, and some in the corners
    of the box.
    """
    if dialect.name == "sqlite":
        boxed = in_window(statement, place)
    else:
        edges = [late_param(f"nearest_{side}") for side in ("west", "south", "east", "north")]
        # The subquery hides the box from the planner, which would otherwise make a new plan each time; that
        # takes longer than running the query.
        box = select(func.ST_MakeEnvelope(*edges, WGS84)).scalar_subquery()
        boxed = statement.where(place.bool_op("&&")(box))
    return compiled(dialect, boxed, row=row)


def index_table(place: GeometryColumn, name: str | None = None) -> Any:
    """Return SpatiaLite's R*Tree of a geometry column, or the partial R*Tree called `name`.

    SpatiaLite never uses its R*Tree automatically. `create_partial_window_index` creates partial ones.
    """
    name = name or f"idx_{place.class_.__tablename__}_{place.key}"
    return table(name, *(column(part) for part in ("pkid", "xmin", "xmax", "ymin", "ymax")))


def in_window[Statement: Select[*tuple[Any, ...]]](
    statement: Statement, place: GeometryColumn, *, beyond: bool = False, window_index: str | None = None
) -> Statement:
    """Restrict a SpatiaLite statement to a window; with `beyond`, exclude an inner window.

    `window_index` is a partial index that contains every row of the statement.

    A window is the ellipse in the box of `window_around`, since the corners, a fifth of the box, are outside
    the circle and need not be read.
    """
    index = index_table(place, window_index)

    def inside(ending: str) -> ColumnElement[bool]:
        west, east, south, north, lat, lon, across, up = (
            late_param(f"nearest_{part}{ending}")
            for part in ("west", "east", "south", "north", "lat", "lon", "across", "up")
        )
        x, y = index.c.xmin - lon, index.c.ymin - lat
        return and_(
            index.c.xmin >= west,
            index.c.xmax <= east,
            index.c.ymin >= south,
            index.c.ymax <= north,
            x * x * across + y * y * up <= 1.0,
        )

    # The unary plus forces SQLite to scan the index first, whatever its row estimates.
    found = literal_column(f"+{index.name}.pkid", Integer)
    chosen = statement.join(index, found == place.class_.id).where(inside(""))
    return chosen.where(not_(inside("_in"))) if beyond else chosen


def window_around(here: Position, metres: float) -> dict[str, float]:
    """Return parameters of the box around a circle, and of the ellipse in that box.

    The box is slightly larger, since the R*Tree stores float32 (about a metre). The ellipse is given by its
    centre and the reciprocal squares of its semi-axes.
    """
    dlat = (metres + 5.0) / (METRES_PER_DEGREE * NO_MORE_THAN_SPHEROID)
    top = min(89.9, abs(here.lat) + dlat)
    dlon = dlat / math.cos(math.radians(top))
    return {
        "nearest_west": here.lon - dlon,
        "nearest_east": here.lon + dlon,
        "nearest_south": here.lat - dlat,
        "nearest_north": here.lat + dlat,
        "nearest_lat": here.lat,
        "nearest_lon": here.lon,
        "nearest_across": dlon**-2,
        "nearest_up": dlat**-2,
    }
