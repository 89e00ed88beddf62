"""Geometry columns: their types, and conversion of their values."""

from __future__ import annotations

import struct

from geoalchemy2 import Geometry, WKBElement, WKTElement
from geoalchemy2.shape import to_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    ColumnElement,
    Double,
    func,
)
from sqlalchemy.orm import InstrumentedAttribute

from aed.geo import Position

WGS84 = 4326


type GeometryColumn = InstrumentedAttribute[WKBElement | WKTElement]


def point_type() -> Geometry:
    """Return the type of a WGS-84 point. Migrations create its indexes (see `schema`)."""
    return Geometry("POINT", srid=WGS84, spatial_index=False)


def area_type() -> Geometry:
    """Return the type of a WGS-84 multipolygon."""
    return Geometry("MULTIPOLYGON", srid=WGS84, spatial_index=False)


def point(position: Position) -> WKTElement:
    """Convert a position to a value for a point column, without rounding."""
    return WKTElement(f"POINT({position.lon!r} {position.lat!r})", srid=WGS84)


def position_of(value: WKBElement | WKTElement) -> Position:
    """Return the position in a point column of a loaded row."""
    if isinstance(value, WKTElement):  # not flushed yet
        lon, lat = value.data[6:-1].split()
        return Position(float(lat), float(lon))
    raw = bytes.fromhex(value.data) if isinstance(value.data, str) else bytes(value.data)
    order = "<" if raw[0] == 1 else ">"
    lon_lat: tuple[float, float] = struct.unpack(f"{order}dd", raw[-16:])
    return Position(lon_lat[1], lon_lat[0])


def area(shape: BaseGeometry) -> WKTElement:
    """Convert a shapely polygon or multipolygon to a value for an area column."""
    if shape.geom_type == "Polygon":
        return WKTElement(f"MULTIPOLYGON({shape.wkt[len('POLYGON ') :]})", srid=WGS84)
    return WKTElement(shape.wkt, srid=WGS84)


def shape_of(value: WKBElement | WKTElement) -> BaseGeometry:
    """Return the shapely geometry in an area column."""
    return to_shape(value)


def latitude(place: GeometryColumn) -> ColumnElement[float]:
    return func.ST_Y(place, type_=Double())


def longitude(place: GeometryColumn) -> ColumnElement[float]:
    return func.ST_X(place, type_=Double())
