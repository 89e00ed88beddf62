"""Query the devices of a map tile, and encode it as a Mapbox vector tile."""

from __future__ import annotations

import math
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
from aed.database.boxes import inside_box
from aed.database.compiled import inline_text
from aed.database.geometry import latitude, longitude
from aed.exports.rules import BUFFER, CELL, CLUSTERED_BELOW_ZOOM, EXTENT, MAX_SINGLE_DEVICES, Tile
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState


def vector_tile(
    session: Session, statement: Select[*tuple[Any, ...]], *, layer: str, extent: int, buffer: int
) -> tuple[int, bytes]:
    """Return the number of points that `statement` selects, and a Mapbox Vector Tile (2.1) with one layer.

    The columns are `id` (may be null), `across` and `down` in units from the tile's north-western corner, and
    the attributes of the points. Without points the tile is empty bytes.
    """
    if session.get_bind().dialect.name == "sqlite":
        return _encoded_tile(session, statement, layer=layer, extent=extent)
    points = statement.subquery("points")
    said = [each for each in points.c if each.name not in ("across", "down")]
    box = func.ST_MakeBox2D(func.ST_MakePoint(0, -extent), func.ST_MakePoint(extent, 0), type_=NullType())
    place = func.ST_MakePoint(points.c.across, -points.c.down, type_=NullType())
    # Use plain functions, since those of GeoAlchemy2 would convert the geometry to text.
    geometry = Function("ST_AsMVTGeom", place, box, extent, buffer, True, type_=NullType())
    placed = select(geometry.label("geom"), *said).subquery("tile")
    whole = Function("ST_AsMVT", literal_column("tile.*"), layer, extent, "geom", "id", type_=LargeBinary())
    number, tile = session.execute(select(func.count(), whole).select_from(placed)).one()
    return number, bytes(tile) if number else b""


def _encoded_tile(
    session: Session, statement: Select[*tuple[Any, ...]], *, layer: str, extent: int
) -> tuple[int, bytes]:
    import mapbox_vector_tile  # imported late, since it takes 2 MB

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


LAYER = "devices"


def device_tile(session: Session, viewer: Viewer, tile: Tile) -> bytes:
    """Return a tile of the devices that the viewer may see; empty bytes if there are none.

    At low zoom, each grid square has one point at the mean position of its devices, with `count` and
    `in_service` (and `id` if it is a single device). At high zoom, each device has a point with its map
    fields.
    """
    if tile.zoom >= CLUSTERED_BELOW_ZOOM:
        single = _single(session, viewer, tile).limit(MAX_SINGLE_DEVICES + 1)
        number, shown = vector_tile(session, single, layer=LAYER, extent=EXTENT, buffer=BUFFER)
        if number <= MAX_SINGLE_DEVICES:
            return shown
    return vector_tile(session, _gathered(session, viewer, tile), layer=LAYER, extent=EXTENT, buffer=BUFFER)[
        1
    ]


def _single(session: Session, viewer: Viewer, tile: Tile) -> Select[*tuple[Any, ...]]:
    across, down = _steps(tile)
    return (
        select(
            Device.id.label("id"),
            across.label("across"),
            down.label("down"),
            Device.place_en,
            Device.place_zh,
            Device.floor,
            Device.opening_hours,
            Device.entry,
            Device.audience,
            Device.state,
        )
        .where(*_shown(session, viewer, tile))
        .order_by(Device.id)
    )


def _gathered(session: Session, viewer: Viewer, tile: Tile) -> Select[*tuple[Any, ...]]:
    across, down = _steps(tile)
    inside = (
        select(
            Device.id.label("id"),
            across.label("across"),
            down.label("down"),
            case((Device.state == inline_text(DeviceState.IN_SERVICE), 1), else_=0).label("in_service"),
        )
        .where(*_shown(session, viewer, tile))
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
        .where(placed.c.column.between(-1, EXTENT // CELL), placed.c.row.between(-1, EXTENT // CELL))
        .group_by(placed.c.row, placed.c.column)
        .order_by(placed.c.row, placed.c.column)
    )


def _shown(session: Session, viewer: Viewer, tile: Tile) -> list[Any]:
    west, south, east, north = tile.bounds()
    return [
        visible_to(viewer, Device),
        Device.state != inline_text(DeviceState.WITHDRAWN),
        inside_box(session, Device.position, west=west, south=south, east=east, north=north),
    ]


def _steps(tile: Tile) -> tuple[Any, Any]:
    """Return SQL expressions of a device's units eastward and southward of the tile's north-west corner."""
    scale = tile.steps_per_degree
    north: ColumnElement[float] = func.ln(
        func.tan(math.pi / 4 + latitude(Device.position) * (math.pi / 360)), type_=Double()
    )
    across = (longitude(Device.position) + 180.0) * scale - float(tile.x * EXTENT)
    down = (180.0 - north * (180.0 / math.pi)) * scale - float(tile.y * EXTENT)
    return across, down


def _square(steps: Any) -> Any:
    return cast(func.floor(steps / float(CELL)), Integer)
