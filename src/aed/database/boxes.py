"""What lies in a box of degrees, by index on both databases."""

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
from aed.geo import Position

METRES_PER_DEGREE = 6_371_008.8 * math.pi / 180  # mean sphere


NO_MORE_THAN_SPHEROID = 0.99
"""Mercator on a sphere is off by at most 0.7 per cent on the spheroid; a bound stays a bound with 1."""


_FLOAT32_DEGREES = 5e-5
"""What a degree may be off in an index: float32 steps by 1.5e-5 near 180, and R*Tree rounds outward twice."""


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
        index = index_table(place)  # values of its own: a statement may ask for two boxes
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
    """What lies near many places, by index, in one statement: (the number of the place, the id of the row).

    Every row within the distance that `where` holds for, and some in the corners of its box.
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
    """Compile `statement` with a box around a place as its last condition; `row` is a NamedTuple of it.

    Run it with the values of `window_around`: it returns every row within the circle, and some in the corners
    of its box.
    """
    if dialect.name == "sqlite":
        boxed = in_window(statement, place)
    else:
        edges = [late_param(f"nearest_{side}") for side in ("west", "south", "east", "north")]
        # In a subquery the planner knows as little of the box with the degrees as without them. Otherwise it
        # plans anew each time, which takes longer than the answer.
        box = select(func.ST_MakeEnvelope(*edges, WGS84)).scalar_subquery()
        boxed = statement.where(place.bool_op("&&")(box))
    return compiled(dialect, boxed, row=row)


def index_table(place: GeometryColumn, name: str | None = None) -> Any:
    """SpatiaLite's own R*Tree of a geometry column, which it never uses by itself; or the partial one of that
    name (`create_partial_window_index`)."""
    name = name or f"idx_{place.class_.__tablename__}_{place.key}"
    return table(name, *(column(part) for part in ("pkid", "xmin", "xmax", "ymin", "ymax")))


def in_window[Statement: Select[*tuple[Any, ...]]](
    statement: Statement, place: GeometryColumn, *, beyond: bool = False, window_index: str | None = None
) -> Statement:
    """SpatiaLite: of the statement's rows those in a window; beyond an inner one only, on request.

    `window_index`: a partial index that holds every row of the statement.

    A window is the ellipse in a box of degrees, as `window_around` has it. In the box's corners, a fifth of
    it, lies nothing of the circle that it was made for: that would be read for nothing.
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

    # With the plus the index can only be looked at first, whatever is known of how many rows there are.
    found = literal_column(f"+{index.name}.pkid", Integer)
    chosen = statement.join(index, found == place.class_.id).where(inside(""))
    return chosen.where(not_(inside("_in"))) if beyond else chosen


def window_around(here: Position, metres: float) -> dict[str, float]:
    """The box around a circle, a little larger: the R*Tree keeps float32 (about a metre). And the ellipse in
    it: its middle, and what makes a square of its half-axes 1."""
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
