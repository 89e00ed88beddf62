"""Query the devices of a map tile, and encode it as a Mapbox vector tile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from shapely.geometry import Point
from sqlalchemy import (
    ColumnElement,
    Double,
    Function,
    Integer,
    LargeBinary,
    Select,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.database.compiled import inline_text
from aed.exports.rules import (
    BUFFER,
    CELL,
    CLUSTERED_BELOW_ZOOM,
    EXTENT,
    MAX_SINGLE_DEVICES,
    Squares,
    Tile,
)
from aed.geo import Datum
from aed.registry.devices.dispatchable import hours_of_sharing
from aed.registry.devices.models import Device
from aed.registry.devices.published import (
    inside_published_box,
    is_approximate,
    published_latitude,
    published_longitude,
    published_to,
)
from aed.registry.devices.rules import DeviceState


def vector_tile(
    session: Session, statement: Select[*tuple[Any, ...]], *, layer: str, extent: int, buffer: int
) -> tuple[int, bytes]:
    """Return the number of points that `statement` selects, and a Mapbox Vector Tile (2.1) with one layer.

    The columns are `id` (may be null), `across` and `down` in units from the tile's north-western corner, and
    the attributes of the points. Without points the tile is empty bytes.
    """
    if session.get_bind().dialect.name == "sqlite":
        return _encoded_tile(session.execute(statement).mappings().all(), layer=layer, extent=extent)
    points = statement.subquery("points")
    columns = [each for each in points.c if each.name not in ("across", "down")]
    box = func.ST_MakeBox2D(func.ST_MakePoint(0, -extent), func.ST_MakePoint(extent, 0), type_=NullType())
    place = func.ST_MakePoint(points.c.across, -points.c.down, type_=NullType())
    # Use plain functions, since those of GeoAlchemy2 would convert the geometry to text.
    geometry = Function("ST_AsMVTGeom", place, box, extent, buffer, True, type_=NullType())
    placed = select(geometry.label("geom"), *columns).subquery("tile")
    whole = Function("ST_AsMVT", literal_column("tile.*"), layer, extent, "geom", "id", type_=LargeBinary())
    number, tile = session.execute(select(func.count(), whole).select_from(placed)).one()
    return number, bytes(tile) if number else b""


def _encoded_tile(rows: Iterable[Mapping[Any, Any]], *, layer: str, extent: int) -> tuple[int, bytes]:
    import mapbox_vector_tile  # imported late, since it takes 2 MB

    features = []
    for row in rows:
        properties = {name: value for name, value in row.items() if value is not None}
        place = Point(properties.pop("across"), properties.pop("down"))
        feature = {"geometry": place, "properties": properties}
        if "id" in properties:
            feature["id"] = properties.pop("id")
        features.append(feature)
    if not features:
        return 0, b""
    options = {"extents": extent, "y_coord_down": True}
    made = mapbox_vector_tile.encode([{"name": layer, "features": features}], default_options=options)
    return len(features), bytes(made)


LAYER = "devices"


def device_tile(session: Session, viewer: Viewer, tile: Tile, datum: Datum = Datum.WGS84) -> bytes:
    """Return a tile of the devices that the viewer may see; empty bytes if there are none.

    At low zoom, each grid square has one point at the mean position of its devices, with `count` and
    `in_service` (and `id` if it is a single device). At high zoom, each device has a point with its map
    fields. The tile is one of a map in `datum`, to which the points are moved.
    """
    squares = tile.squares(datum)
    if tile.zoom >= CLUSTERED_BELOW_ZOOM:
        single = _single(session, viewer, tile, squares).limit(MAX_SINGLE_DEVICES + 1)
        number, shown = _points_tile(session, single, tile, datum)
        if number <= MAX_SINGLE_DEVICES:
            return shown
    return _points_tile(session, _clusters(session, viewer, tile, squares), tile, datum)[1]


def _points_tile(
    session: Session, statement: Select[*tuple[Any, ...]], tile: Tile, datum: Datum
) -> tuple[int, bytes]:
    if datum is Datum.WGS84:
        return vector_tile(session, statement, layer=LAYER, extent=EXTENT, buffer=BUFFER)
    rows = []
    for row in session.execute(statement).mappings():
        across, down = tile.moved(row["across"], row["down"], datum)
        if -BUFFER <= across < EXTENT + BUFFER and -BUFFER <= down < EXTENT + BUFFER:
            rows.append({**row, "across": across, "down": down})
    return _encoded_tile(rows, layer=LAYER, extent=EXTENT)


def _single(session: Session, viewer: Viewer, tile: Tile, squares: Squares) -> Select[*tuple[Any, ...]]:
    across, down = _steps(viewer, tile)
    is_exact = ~is_approximate(viewer)
    return (
        select(
            Device.id.label("id"),
            across.label("across"),
            down.label("down"),
            case((is_exact, Device.place_en)).label("place_en"),
            case((is_exact, Device.place_zh)).label("place_zh"),
            case((is_exact, Device.floor)).label("floor"),
            func.coalesce(hours_of_sharing(viewer), Device.opening_hours).label("opening_hours"),
            Device.entry,
            Device.audience,
            Device.state,
        )
        .where(*_conditions(session, viewer, tile, squares))
        .order_by(Device.id)
    )


def _clusters(session: Session, viewer: Viewer, tile: Tile, squares: Squares) -> Select[*tuple[Any, ...]]:
    across, down = _steps(viewer, tile)
    inside = (
        select(
            Device.id.label("id"),
            across.label("across"),
            down.label("down"),
            case((Device.state == inline_text(DeviceState.IN_SERVICE), 1), else_=0).label("in_service"),
        )
        .where(*_conditions(session, viewer, tile, squares))
        .subquery("inside")
    )
    placed = select(
        *inside.c, _square(inside.c.across).label("column"), _square(inside.c.down).label("row")
    ).subquery("placed")
    return (
        select(
            case((func.count() == 1, func.min(placed.c.id))).label("id"),
            func.avg(placed.c.across).label("across"),
            func.avg(placed.c.down).label("down"),
            func.count().label("count"),
            func.sum(placed.c.in_service).label("in_service"),
        )
        .where(
            placed.c.column.between(squares.first_column, squares.last_column),
            placed.c.row.between(squares.first_row, squares.last_row),
        )
        .group_by(placed.c.row, placed.c.column)
        .order_by(placed.c.row, placed.c.column)
    )


def _conditions(session: Session, viewer: Viewer, tile: Tile, squares: Squares) -> list[Any]:
    west, south, east, north = tile.bounds(squares)
    return [
        visible_to(viewer, Device),
        published_to(viewer),
        Device.state != inline_text(DeviceState.WITHDRAWN),
        inside_published_box(session, viewer, west=west, south=south, east=east, north=north),
    ]


def _steps(viewer: Viewer, tile: Tile) -> tuple[Any, Any]:
    """Return SQL expressions of a device's units eastward and southward of the tile's north-west corner."""
    scale = tile.steps_per_degree
    north: ColumnElement[float] = func.ln(
        func.tan(math.pi / 4 + published_latitude(viewer) * (math.pi / 360)), type_=Double()
    )
    across = (published_longitude(viewer) + 180.0) * scale - float(tile.x * EXTENT)
    down = (180.0 - north * (180.0 / math.pi)) * scale - float(tile.y * EXTENT)
    return across, down


def _square(steps: Any) -> Any:
    return cast(func.floor(steps / float(CELL)), Integer)
