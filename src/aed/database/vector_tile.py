"""Encode vector tiles, with PostGIS or, on SQLite, with a library."""

from __future__ import annotations

from typing import Any

from shapely.geometry import Point
from sqlalchemy import (
    Function,
    LargeBinary,
    Select,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType


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
